using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>Which part may know which: the arrows of the architecture page.</summary>
public sealed partial class DependencyTests
{
    // The root's contracts (options, status, exceptions, IBlockDevice, Finding) may be used by all and import nothing: no entry here.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Primitives"] = [],
        ["Files"] = [],
        ["Pmem"] = ["Primitives", "Files"],
        ["Layout"] = ["Primitives", "Pmem", "Files"],
        ["Backing"] = ["Primitives", "Files"],
        ["Indexing"] = ["Primitives"],
        ["Segments"] = ["Layout", "Pmem", "Primitives", "Files"],
        ["Ksets"] = ["Layout", "Pmem", "Segments", "Primitives", "Files"],
        ["Writeback"] = ["Ksets", "Segments", "Indexing", "Backing", "Layout", "Pmem", "Primitives", "Files"],
        ["Gc"] = ["Ksets", "Segments", "Indexing", "Layout", "Pmem", "Primitives", "Files"],
        ["Inspection"] = ["Ksets", "Segments", "Layout", "Pmem", "Primitives", "Files"],
        ["Diagnostics"] = ["Primitives", "Files"],
        ["Engine"] = ["Writeback", "Gc", "Ksets", "Segments", "Indexing", "Backing", "Layout", "Pmem", "Primitives", "Diagnostics", "Files"],
    };

    private static readonly string[] Facade = ["PCacheDevice", "PCacheStream", "BlockDevice"];

    [Fact]
    public void Folder_is_namespace()
    {
        foreach ((string path, string text, string folder) in Sources())
        {
            string expected = folder.Length == 0 ? "PCache.Core" : $"PCache.Core.{folder}";
            Match match = NamespaceLine().Match(text);
            Assert.True(match.Success && match.Groups[1].Value == expected, $"{path}: namespace {match.Groups[1].Value}, expected {expected}");
        }
    }

    [Fact]
    public void Parts_know_only_what_the_arrows_allow()
    {
        var wrong = new List<string>();
        foreach ((string path, string text, string folder) in Sources().Where(s => s.Folder.Length > 0))
        {
            if (!Allowed.TryGetValue(folder, out string[]? allowed))
            {
                wrong.Add($"{path}: {folder} has no place among the arrows");
                continue;
            }

            foreach (string part in Uses(text).Where(p => p != folder && !allowed.Contains(p)))
            {
                wrong.Add($"{path} ({folder}) knows {part}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void The_facade_is_known_to_nobody_and_contracts_import_nothing()
    {
        var wrong = new List<string>();
        foreach ((string path, string text, string folder) in Sources())
        {
            string code = Strings().Replace(Comments().Replace(text, ""), "");
            string file = Path.GetFileNameWithoutExtension(path).Split('.')[0];
            if (folder.Length > 0 && Facade.FirstOrDefault(f => Regex.IsMatch(code, $@"\b{f}\b")) is { } facade)
            {
                wrong.Add($"{path} knows the facade's {facade}");
            }

            if (folder.Length == 0 && !Facade.Contains(file) && Uses(text).FirstOrDefault() is { } part)
            {
                wrong.Add($"{path} is a contract and knows {part}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void Unsafe_code_stays_where_memory_is()
    {
        string[] wrong =
        [
            .. Sources()
                .Where(s => s.Folder is not ("Pmem" or "Primitives" or "Indexing") && UnsafeWord().IsMatch(Comments().Replace(s.Text, "")))
                .Select(s => s.Path),
        ];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    private static IEnumerable<string> Uses(string text) =>
        PartName().Matches(Comments().Replace(text, "")).Select(m => m.Groups[1].Value).Distinct();

    private static IEnumerable<(string Path, string Text, string Folder)> Sources()
    {
        string root = Path.Combine(RepositoryPaths.Root, "src", "PCache.Core");
        string[] files =
        [
            .. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
                .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                    && !f.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal)),
        ];
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            string relative = Path.GetRelativePath(root, file);
            string folder = (Path.GetDirectoryName(relative) ?? "").Replace(Path.DirectorySeparatorChar, '.');
            yield return (relative, File.ReadAllText(file), folder);
        }
    }

    [GeneratedRegex(@"^namespace\s+([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"PCache\.Core\.(Primitives|Files|Pmem|Layout|Backing|Indexing|Segments|Ksets|Writeback|Gc|Inspection|Diagnostics|Engine)\b")]
    private static partial Regex PartName();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comments();

    [GeneratedRegex(@"""(\\.|[^\\""\n])*""")]
    private static partial Regex Strings();

    [GeneratedRegex(@"\bunsafe\b")]
    private static partial Regex UnsafeWord();
}
