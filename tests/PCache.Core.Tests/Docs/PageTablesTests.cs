// Keeps true: the tables of the pages name what there is in the code, all of it: structures with their offsets,
// options, commands, variables, packages.

using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <summary>Pages against code.</summary>
public sealed partial class PageTablesTests
{
    [Fact]
    public void Format_page_has_the_offsets_of_every_structure()
    {
        string page = ReadText("docs/on-media-format.md");
        Superblock superblock = default;
        CacheInfo info = default;
        PositionRecord position = default;
        KsetHeader kset = default;
        CacheKey key = default;
        ExtensionBlock extension = default;
        ReplicaHeader header = default;
        AssertOffsets(page, "Two-replica structures",
            [At(ref header, ref header.Crc), At(ref header, ref header.Sequence), At(ref header, ref header.Version),
            At(ref header, ref header.Reserved)]);
        AssertOffsets(page, "Superblock",
            [At(ref superblock, ref superblock.Crc), At(ref superblock, ref superblock.Flags),
            At(ref superblock, ref superblock.Magic), At(ref superblock, ref superblock.SegmentCount),
            At(ref superblock, ref superblock.SegmentSize)]);
        AssertOffsets(page, "Cache info",
            [At(ref info, ref info.Header), At(ref info, ref info.FirstSegment), At(ref info, ref info.SegmentCount),
            At(ref info, ref info.Flags), At(ref info, ref info.Reserved)]);
        AssertOffsets(page, "Positions",
            [0, At(ref position, ref position.Segment), At(ref position, ref position.Offset)]);
        AssertOffsets(page, "Ksets", [At(ref kset, ref kset.Crc), At(ref kset, ref kset.KeyCount),
            At(ref kset, ref kset.Magic), At(ref kset, ref kset.FlagsAndSequence), Unsafe.SizeOf<KsetHeader>()]);
        AssertOffsets(page, "Keys", [
                At(ref key, ref key.Offset), At(ref key, ref key.Length), At(ref key, ref key.Flags),
                    At(ref key, ref key.Segment), At(ref key, ref key.SegmentOffset),
                At(ref key, ref key.Generation), At(ref key, ref key.PayloadCrc), At(ref key, ref key.Reserved),
            ]);
        AssertOffsets(page, "Extension block (ours)", [
                At(ref extension, ref extension.Header), At(ref extension, ref extension.Magic),
                    At(ref extension, ref extension.FormatVersion), At(ref extension, ref extension.Flags),
                At(ref extension, ref extension.CacheId), At(ref extension, ref extension.BackingLength),
                    At(ref extension, ref extension.BackingIdentity),
                At(ref extension, ref extension.Label), At(ref extension, ref extension.Fingerprint),
            ]);
        FingerprintRecord record = default;
        AssertOffsets(page, "Fingerprint of the backing (ours)", [
                At(ref record, ref record.Kind), At(ref record, ref record.Sequence),
                    At(ref record, ref record.BlockShift), At(ref record, ref record.RecentCount),
                    At(ref record, ref record.State),
                At(ref record, ref record.BackingLength), At(ref record, ref record.Taken),
                    At(ref record, ref record.Recent), At(ref record, ref record.Groups),
                At(ref record, ref record.SampleCount), At(ref record, ref record.Reserved),
                    At(ref record, ref record.Crc),
            ]);
    }

    [Fact]
    public void Format_page_has_the_magic_numbers_and_limits()
    {
        string page = ReadText("docs/on-media-format.md");
        foreach (ulong magic in (ulong[])[MediaConstants.SuperblockMagicLinux, MediaConstants.SuperblockMagicCompact,
            MediaConstants.KsetMagic, MediaConstants.ExtensionMagic])
        {
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"0x{magic:X16}"), page,
                StringComparison.Ordinal);
        }

        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"0x{Crc32C.FormatSeed:X8}"), page,
            StringComparison.Ordinal);
        Assert.Contains(MediaConstants.MaxSegmentCount.ToString("N0", CultureInfo.InvariantCulture), page,
            StringComparison.Ordinal);
        Assert.Contains($"| number of keys n, 1 to {MediaConstants.MaxKeysPerKset};", page, StringComparison.Ordinal);
        Assert.Contains($"0 to {CacheFlags.MaxGcPercent}; {CacheFlags.DefaultGcPercent} by default", page,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(PCacheOptions), "Options")]
    [InlineData(typeof(PmemFileOptions), "Options")]
    public void Stream_page_has_every_option(Type type, string section)
    {
        string[] named = NamesInFirstColumn(Section(ReadText("docs/stream.md"), section));
        string[] both = [.. new[] { typeof(PCacheOptions), typeof(PmemFileOptions) }.SelectMany(OptionNames)];
        Assert.Empty(OptionNames(type).Except(named));
        string[] unknown = [.. named.Except(both)];
        Assert.True(unknown.Length == 0, string.Join(", ", unknown));
    }

    [Theory]
    [InlineData("docs/stream.md")]
    [InlineData("docs/api-conventions.md")]
    public void Pages_have_every_exception(string page)
    {
        string[] named = NamesInFirstColumn(Section(ReadText(page), "Exceptions"));
        string[] own = [.. typeof(PCacheException).Assembly.GetExportedTypes()
            .Where(type => type.IsAssignableTo(typeof(PCacheException))).Select(type => type.Name)];
        Assert.True(own.Length >= 8);
        Assert.Empty(own.Except(named));
    }

    [Fact]
    public void Command_page_has_every_code_of_a_finding()
    {
        string section = Section(ReadText("docs/command.md"), "check");
        string table = section[section.IndexOf("| code | means |", StringComparison.Ordinal)..];
        string[] named = [.. CodeRow().Matches(table).Select(row => row.Groups["name"].Value)];
        Assert.Equal(FindingCodes.Advice.Keys.Order(), named.Order());

        // Every code that stands in the code has advice.
        string core = Path.Combine(RepositoryPaths.Root, "src", "PCache.Core");
        foreach (string folder in (string[])["Inspection", "Layout", "Ksets"])
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(core, folder), "*.cs"))
            {
                foreach (Match match in CodeInSource().Matches(File.ReadAllText(file)))
                {
                    Assert.True(FindingCodes.Advice.ContainsKey(match.Groups["name"].Value), $"{file}: {match.Value}");
                }
            }
        }
    }

    [Fact]
    public void Readme_has_every_variable_of_the_tests()
    {
        string tests = Path.Combine(RepositoryPaths.Root, "tests");
        string[] used =
        [
            .. Directory.EnumerateFiles(tests, "*.cs", SearchOption.AllDirectories)
                .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}",
                    StringComparison.Ordinal))
                .SelectMany(file => VariableInCode().Matches(File.ReadAllText(file)))
                .Select(match => match.Groups["name"].Value)
                .Distinct()
                .Order(),
        ];
        string[] named = [.. VariableInPage().Matches(ReadText("README.md")).Select(match => match.Groups["name"].Value)
            .Distinct().Order()];
        Assert.NotEmpty(used);
        Assert.Equal(used, named);
    }

    [Fact]
    public void Dependencies_page_has_every_package()
    {
        string page = ReadText("docs/dependencies.md");
        MatchCollection packages = Package().Matches(ReadText("Directory.Packages.props"));
        Assert.NotEmpty(packages);
        Assert.All(packages, package => Assert.Contains(package.Groups["name"].Value, page, StringComparison.Ordinal));
    }

    private static string ReadText(string relativePath) =>
        File.ReadAllText(Path.Combine(RepositoryPaths.Root, relativePath)).ReplaceLineEndings("\n");

    /// <summary>The text below a heading of the second level, up to the next one.</summary>
    private static string Section(string page, string heading)
    {
        int start = page.IndexOf($"\n## {heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"no heading '{heading}'");
        int end = page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return page[start..(end < 0 ? page.Length : end)];
    }

    /// <summary>The first column of the section's first table of offsets.</summary>
    private static int[] Offsets(string page, string heading)
    {
        string section = Section(page, heading);
        int table = section.IndexOf("| offset | type | field |", StringComparison.Ordinal);
        Assert.True(table >= 0, $"no table of offsets under '{heading}'");
        int end = section.IndexOf("\n\n", table, StringComparison.Ordinal);
        return [.. OffsetRow().Matches(section[table..(end < 0 ? section.Length : end)])
            .Select(row => int.Parse(row.Groups["offset"].Value, CultureInfo.InvariantCulture))];
    }

    private static void AssertOffsets(string page, string heading, int[] expected) =>
        Assert.Equal(expected, Offsets(page, heading));

    private static string[] NamesInFirstColumn(string section) =>
        [.. FirstColumn().Matches(section).SelectMany(row => CodeWord().Matches(row.Value))
            .Select(word => word.Groups["name"].Value)];

    private static IEnumerable<string> OptionNames(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Select(property => property.Name);

    private static int At<TStruct, TField>(ref TStruct structure, ref TField field) =>
        (int)Unsafe.ByteOffset(ref Unsafe.As<TStruct, byte>(ref structure), ref Unsafe.As<TField, byte>(ref field));

    [GeneratedRegex(@"^\| (?<offset>\d+) \|", RegexOptions.Multiline)]
    private static partial Regex OffsetRow();

    [GeneratedRegex(@"^\| [^|]+\|", RegexOptions.Multiline)]
    private static partial Regex FirstColumn();

    [GeneratedRegex(@"`(?<name>\w+)`")]
    private static partial Regex CodeWord();

    [GeneratedRegex(@"^\| `(?<name>[a-z-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex CodeRow();

    [GeneratedRegex(@"(indings\.(Damage|Note)|Refuse)\(""(?<name>[a-z-]+)"", |Code = ""(?<name>[a-z-]+)""")]
    private static partial Regex CodeInSource();

    [GeneratedRegex("\"(?<name>PCACHE_[A-Z_]+)\"")]
    private static partial Regex VariableInCode();

    [GeneratedRegex(@"(?<name>PCACHE_[A-Z_]+)=")]
    private static partial Regex VariableInPage();

    [GeneratedRegex("PackageVersion Include=\"(?<name>[^\"]+)\"")]
    private static partial Regex Package();
}
