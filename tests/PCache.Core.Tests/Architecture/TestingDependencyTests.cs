using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>
/// PCache.Testing, the package for applications' tests. Keeps true: it is one namespace, and knows of PCache.Core only
/// what is public, but for the internals listed here; the laboratory (tests/PCache.Lab) is built on it and not the
/// other way round.
/// </summary>
public sealed partial class TestingDependencyTests
{
    // What it uses of PCache.Core beyond its root namespace. Pmem is public (PmemRegion); Primitives is internal.
    private static readonly Dictionary<string, string[]> Used = new()
    {
        ["SimulatedPmem"] = ["Pmem", "Primitives"], // PmemRegion; Crc32C, as WriteWithCrc has to return it
        ["CrashMachine"] = ["Primitives"],          // Machine, as a key has to replay
        ["MachineClock"] = ["Primitives"],

        // SteadyLock: a caller that is interrupted leaves nothing half done in what stands for its hardware.
        ["SimulatedDisk"] = ["Primitives"],
        ["DiskFaults"] = ["Primitives"],
        ["HangingCalls"] = ["Primitives"],
        ["VirtualClock"] = ["Primitives"],
        ["CrashTestLog"] = ["Primitives"],
        ["CrashTrace"] = ["Primitives"],
    };

    [Fact]
    public void The_package_is_one_namespace()
    {
        string[] wrong =
            [.. Sources("src/PCache.Testing").Where(s => s.Folder.Length > 0
            || s.Namespace != "PCache.Testing").Select(s => s.Path)];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
        Assert.All(typeof(CrashTest).Assembly.GetExportedTypes(),
            type => Assert.Equal("PCache.Testing", type.Namespace));
    }

    [Fact]
    public void The_package_knows_only_the_listed_internals()
    {
        var wrong = new List<string>();
        foreach ((string path, string text, _, _) in Sources("src/PCache.Testing"))
        {
            string[] allowed = Used.GetValueOrDefault(Path.GetFileNameWithoutExtension(path).Split('.')[0], []);
            wrong.AddRange(CorePart().Matches(text).Select(m => m.Groups[1].Value).Except(allowed).Select(part =>
                $"{path} knows PCache.Core.{part}"));
        }

        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void In_the_laboratory_a_folder_is_a_namespace_and_the_only_program_known_is_itself()
    {
        (string Path, string Text, string Folder,
            string Namespace)[] sources = [.. Sources("tests/PCache.Lab").Where(s => s.Path != "Program.cs")];
        string[] wrong =
        [
            .. sources.Where(s => s.Folder.Length == 0 || s.Namespace != $"PCache.Lab.{s.Folder}").Select(s => s.Path),
            .. sources.SelectMany(s =>
                ToolPart().Matches(s.Text).Select(m => m.Groups[1].Value).Except(["Shell", "Kills"]).Select(part =>
                $"{s.Path} knows PCache.Tool.{part}")),
        ];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    private static IEnumerable<(string Path, string Text, string Folder, string Namespace)> Sources(string project)
    {
        string root = Path.Combine(RepositoryPaths.Root, project);
        string[] files =
        [
            .. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
                .Where(f =>
                    Path.GetRelativePath(root, f).Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin")),
        ];
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            string relative = Path.GetRelativePath(root, file);
            string text = Comments().Replace(File.ReadAllText(file), "");
            yield return (relative, text,
                (Path.GetDirectoryName(relative) ?? "").Replace(Path.DirectorySeparatorChar, '.'),
                NamespaceLine().Match(text).Groups[1].Value);
        }
    }

    [GeneratedRegex(@"^namespace\s+([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"PCache\.Core\.([A-Z]\w*)")]
    private static partial Regex CorePart();

    [GeneratedRegex(@"PCache\.Tool\.([A-Z]\w*)")]
    private static partial Regex ToolPart();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comments();
}
