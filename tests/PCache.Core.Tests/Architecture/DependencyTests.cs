using System.Text.RegularExpressions;
using NetArchTest.Rules;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>Which part may know which: the arrows of the architecture page, on the compiled types.</summary>
public sealed partial class DependencyTests
{
    private const string Root = "PCache.Core";

    private static readonly string[] Base = ["Primitives", "Files"];
    private static readonly string[] Media = [.. Base, "Pmem", "Layout"];
    private static readonly string[] Parts = [.. Media, "Segments", "Indexing", "Ksets"];

    // The root's contracts (options, status, exceptions, IBlockDevice, Finding) may be used by all and know no part: no entry here.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Primitives"] = [],
        ["Files"] = [],
        ["Pmem"] = Base,
        ["Layout"] = [.. Base, "Pmem"],
        ["Backing"] = Base,
        ["Indexing"] = ["Primitives"],
        ["Diagnostics"] = Base,
        ["Segments"] = Media,
        ["Ksets"] = [.. Media, "Segments"],
        ["Store"] = Parts,
        ["Journal"] = Media,
        ["Writeback"] = [.. Parts, "Store", "Backing", "Journal"],
        ["Upkeep"] = [.. Parts, "Store", "Writeback", "Diagnostics", "Journal"],
        ["Opening"] = [.. Parts, "Store", "Backing", "Writeback", "Journal"],
        ["Inspection"] = [.. Media, "Segments", "Ksets"],
        ["Engine"] = [.. Parts, "Store", "Writeback", "Upkeep", "Opening", "Backing", "Diagnostics", "Journal"],
    };

    // What the store never knows: it waits for nothing, and knows neither what it stands in front of nor its settings.
    private static readonly string[] ForeignToTheStore =
    [
        "PCache.Core.IBlockDevice", "PCache.Core.PCacheOptions", "System.TimeProvider", "System.Threading.Tasks",
    ];

    private static readonly string[] Facade = ["PCacheDevice", "PCacheStream", "PCacheBacking", "AtomicBatch", "BlockDevice"];

    public static TheoryData<string> Rooms => [.. Allowed.Keys];

    [Fact]
    public void Folder_is_namespace()
    {
        foreach ((string path, string text, string folder) in Sources())
        {
            string expected = folder.Length == 0 ? Root : $"{Root}.{folder}";
            Match match = NamespaceLine().Match(text);
            Assert.True(match.Success && match.Groups[1].Value == expected, $"{path}: namespace {match.Groups[1].Value}, expected {expected}");
        }
    }

    [Fact]
    public void Every_folder_has_its_place_among_the_arrows() =>
        Assert.Equal(Allowed.Keys.Order(), Sources().Select(s => s.Folder).Where(f => f.Length > 0).Distinct().Order());

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_knows_only_what_the_arrows_allow(string room)
    {
        string[] forbidden =
        [
            .. Allowed.Keys.Where(other => other != room && !Allowed[room].Contains(other)).Select(other => $"{Root}.{other}"),
            .. Facade.Select(type => $"{Root}.{type}"),
        ];
        AssertKnowsNone(Types.InAssembly(typeof(PCacheDevice).Assembly).That().ResideInNamespace($"{Root}.{room}"), forbidden);
    }

    [Fact]
    public void The_store_waits_for_nothing() => AssertKnowsNone(
        Types.InAssembly(typeof(PCacheDevice).Assembly).That().ResideInNamespace($"{Root}.Store"), ForeignToTheStore);

    [Fact]
    public void Contracts_know_no_room() => AssertKnowsNone(
        Types.InAssembly(typeof(PCacheDevice).Assembly).That().ResideInNamespaceMatching(@"^PCache\.Core$").And().DoNotHaveNameMatching($"^({string.Join('|', Facade)})"),
        [.. Allowed.Keys.Select(room => $"{Root}.{room}")]);

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

    private static void AssertKnowsNone(PredicateList types, string[] forbidden)
    {
        TestResult result = types.ShouldNot().HaveDependencyOnAny(forbidden).GetResult();
        Assert.NotEmpty(result.LoadedTypes);
        Assert.True(
            result.IsSuccessful,
            string.Join(Environment.NewLine, (result.FailingTypes ?? []).Select(type => $"{type.FullName}: {type.Explanation}")));
    }

    private static IEnumerable<(string Path, string Text, string Folder)> Sources()
    {
        string root = Path.Combine(RepositoryPaths.Root, "src", Root);
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

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comments();

    [GeneratedRegex(@"\bunsafe\b")]
    private static partial Regex UnsafeWord();
}
