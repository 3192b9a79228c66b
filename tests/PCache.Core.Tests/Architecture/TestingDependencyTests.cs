using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>
/// The parts of PCache.Testing: its root is the public package, its folders are this library's own tests. Keeps true: the root knows no folder of its own, and of
/// PCache.Core only what is public, but for the internals listed here.
/// </summary>
public sealed partial class TestingDependencyTests
{
    private static readonly string[] Folders = ["", "Torture", "Hostile", "Soak"];

    // What the root uses of PCache.Core beyond its root namespace. Pmem is public (PmemRegion); Primitives is internal.
    private static readonly Dictionary<string, string[]> Used = new()
    {
        ["SimulatedPmem"] = ["Pmem", "Primitives"], // PmemRegion; Crc32C, as WriteWithCrc has to return it
        ["CrashMachine"] = ["Primitives"],          // Chance, as a key has to replay

        // SteadyLock: a caller that is interrupted leaves nothing half done in what stands for its hardware.
        ["SimulatedDisk"] = ["Primitives"],
        ["DiskFaults"] = ["Primitives"],
        ["HangingCalls"] = ["Primitives"],
        ["VirtualClock"] = ["Primitives"],
        ["CrashTestLog"] = ["Primitives"],
        ["CrashTrace"] = ["Primitives"],

        // Internal, no part of the package's surface: the recount of a device's structures, which the folders share.
        ["IntegrityAudit"] = ["Engine", "Indexing", "Ksets", "Layout", "Pmem", "Segments"],
    };

    [Fact]
    public void Folder_is_namespace()
    {
        string[] wrong =
        [
            .. Sources()
                .Where(s => !Folders.Contains(s.Folder) || NamespaceLine().Match(s.Text).Groups[1].Value != (s.Folder.Length == 0 ? "PCache.Testing" : $"PCache.Testing.{s.Folder}"))
                .Select(s => s.Path),
        ];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void Only_the_root_is_public()
    {
        Type[] types = typeof(CrashTest).Assembly.GetExportedTypes();
        Assert.Contains(typeof(SimulatedDisk), types);
        Assert.All(types, type => Assert.Equal("PCache.Testing", type.Namespace));
    }

    [Fact]
    public void The_root_knows_no_folder_and_only_the_listed_internals()
    {
        var wrong = new List<string>();
        foreach ((string path, string text, _) in Sources().Where(s => s.Folder.Length == 0))
        {
            string code = Comments().Replace(text, "");
            string[] allowed = Used.GetValueOrDefault(Path.GetFileNameWithoutExtension(path).Split('.')[0], []);
            wrong.AddRange(CorePart().Matches(code).Select(m => m.Groups[1].Value).Except(allowed).Select(part => $"{path} knows PCache.Core.{part}"));
            wrong.AddRange(OwnPart().Matches(code).Select(m => $"{path} knows {m.Value}"));
        }

        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    private static IEnumerable<(string Path, string Text, string Folder)> Sources()
    {
        string root = Path.Combine(RepositoryPaths.Root, "src", "PCache.Testing");
        string[] files =
        [
            .. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
                .Where(f => Path.GetRelativePath(root, f).Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin")),
        ];
        Assert.NotEmpty(files);
        return files.Select(file => (
            Path.GetRelativePath(root, file),
            File.ReadAllText(file),
            (Path.GetDirectoryName(Path.GetRelativePath(root, file)) ?? "").Replace(Path.DirectorySeparatorChar, '.')));
    }

    [GeneratedRegex(@"^namespace\s+([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"PCache\.Core\.([A-Z]\w*)")]
    private static partial Regex CorePart();

    [GeneratedRegex(@"PCache\.Testing\.(Torture|Hostile|Soak)\b")]
    private static partial Regex OwnPart();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comments();
}
