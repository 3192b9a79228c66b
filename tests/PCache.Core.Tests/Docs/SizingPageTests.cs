// Keeps true: docs/sizing.md names settings and figures that there are, and its least bounds on the index's memory are
// those that the library accepts.

using System.Globalization;
using System.Text.RegularExpressions;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <summary>The page on sizing against the code.</summary>
public sealed partial class SizingPageTests
{
    private readonly string _page =
        File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "sizing.md")).ReplaceLineEndings("\n");

    [Fact]
    public void Every_setting_is_an_option()
    {
        string[] named = [.. Rows("Settings").SelectMany(row => Words(row[0]))];
        Assert.True(named.Length >= 12);
        string[] options = [.. typeof(PCacheOptions).GetProperties().Concat(typeof(PmemFileOptions).GetProperties())
            .Select(property => property.Name)];
        Assert.Empty(named.Except(options));
    }

    [Fact]
    public void Every_figure_is_in_the_status_or_in_the_report_of_the_open()
    {
        string[] named = [.. Rows("Symptoms").SelectMany(row => Words(row[1])).Distinct()];
        Assert.True(named.Length >= 15);
        string[] known =
        [
            .. typeof(PCacheStatus).GetProperties().Concat(typeof(RecoveryReport).GetProperties())
                .Select(property => property.Name),
            .. Enum.GetNames<Persistence>(),
        ];
        Assert.Empty(named.Except(known, StringComparer.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_least_bounds_on_the_index_are_just_accepted()
    {
        int rows = 0;
        foreach (string[] row in Rows("Memory").Where(row => CacheSize().IsMatch(row[0])))
        {
            rows++;
            long bytes = long.Parse(row[0].Split(' ')[0],
                CultureInfo.InvariantCulture) << (row[0].EndsWith("GiB", StringComparison.Ordinal) ? 30 : 40);
            long least = long.Parse(row[1], NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
            int segments = (int)Geometry.SegmentsThatFit(bytes, MediaConstants.LinuxSegmentSize);
            int dataBytes = MediaConstants.LinuxSegmentSize - MediaConstants.SegmentDataOffset;
            IndexMemory.CheckCapacity(least, segments, dataBytes);
            Assert.Equal(least, Assert.Throws<PCacheIndexMemoryException>(() =>
                IndexMemory.CheckCapacity(least - 1, segments, dataBytes)).NeededBytes);
        }

        Assert.Equal(4, rows);
    }

    /// <summary>The cells of the rows of a section's tables, headings and rulers left out.</summary>
    private string[][] Rows(string heading)
    {
        int start = _page.IndexOf($"\n## {heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, heading);
        int end = _page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        string[] lines = _page[start..(end < 0 ? _page.Length : end)].Split('\n');
        return
        [
            .. lines.Where((line, i) => line.StartsWith("| ", StringComparison.Ordinal)
                && !line.StartsWith("| ---", StringComparison.Ordinal)
                    && !(i + 1 < lines.Length && lines[i + 1].StartsWith("| ---", StringComparison.Ordinal)))
                .Select(line => line.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries)),
        ];
    }

    private static IEnumerable<string> Words(string cell) =>
        CodeWord().Matches(cell).Select(word => word.Groups["name"].Value);

    [GeneratedRegex(@"^\d+ [GT]iB$")]
    private static partial Regex CacheSize();

    [GeneratedRegex(@"`(?<name>\w+)`")]
    private static partial Regex CodeWord();
}
