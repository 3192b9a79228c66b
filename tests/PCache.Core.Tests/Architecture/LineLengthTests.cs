using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>What fits on a screen: the lengths of lines and files of the product.</summary>
public sealed class LineLengthTests
{
    private const int MaxColumns = 120;
    private const int MaxLines = 400;
    private const int MaxEngineLines = 250;

    [Fact]
    public void No_line_is_wider_than_120_columns() =>
        Assert.Empty(Sources().SelectMany(source => source.Lines.Index()
            .Where(line => line.Item.Length > MaxColumns)
            .Select(line => $"{source.Path}:{line.Index + 1}: {line.Item.Length} columns")));

    [Fact]
    public void No_file_is_longer_than_400_lines_and_none_of_the_engine_longer_than_250() =>
        Assert.Empty(Sources().Where(source => source.Lines.Length > MaxLinesOf(source.Path))
            .Select(source => $"{source.Path}: {source.Lines.Length} lines, {MaxLinesOf(source.Path)} are allowed"));

    private static int MaxLinesOf(string path) =>
        path.StartsWith("src/PCache.Core/Engine/", StringComparison.Ordinal) ? MaxEngineLines : MaxLines;

    private static IEnumerable<(string Path, string[] Lines)> Sources()
    {
        char slash = Path.DirectorySeparatorChar;
        string source = Path.Combine(RepositoryPaths.Root, "src");
        string[] files = Directory.GetFiles(source, "*.cs", SearchOption.AllDirectories);
        Assert.True(files.Length > 100, $"{files.Length} files found under {source}");
        return files.Order(StringComparer.Ordinal)
            .Where(file => !file.Contains($"{slash}obj{slash}", StringComparison.Ordinal)
                && !file.Contains($"{slash}bin{slash}", StringComparison.Ordinal))
            .Select(file => (Path.GetRelativePath(RepositoryPaths.Root, file).Replace(slash, '/'),
                File.ReadAllLines(file)));
    }
}
