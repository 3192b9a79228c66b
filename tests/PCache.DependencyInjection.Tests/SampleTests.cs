using Observability;

namespace PCache.DependencyInjection.Tests;

/// <summary>The sample in docs/samples does what docs/observability.md says.</summary>
public sealed class SampleTests
{
    [Fact]
    public async Task The_observability_sample_shows_a_stall_its_end_and_the_figures()
    {
        using var output = new StringWriter();
        Assert.Equal(0, await Sample.RunAsync(output).WaitAsync(TimeSpan.FromMinutes(1)));
        string text = output.ToString();
        foreach (string line in (string[])
        [
            "log    Information [2] A new cache was made: 32 segments of 65536 bytes.",
            "span   pcache.recovery",
            "span   pcache.create",
            "== the backing fails",
            "log    Warning [10]",
            "log    Warning [13]",
            "state  write-back stalled (BackingFailing)",
            "== the backing has recovered",
            "log    Information [11]",
            "log    Information [14]",
            "state  clean",
            "span   pcache.drain",
            "== metrics",
            "span   pcache.close",
        ])
        {
            Assert.True(text.Contains(line, StringComparison.Ordinal), $"'{line}' is missing in:\n{text}");
        }

        string[] rows = text[text.IndexOf("== metrics", StringComparison.Ordinal)..]
            .Split('\n', StringSplitOptions.TrimEntries);
        Assert.Contains(rows, row => Cells(row) is ["pcache.io", "direction=write", "819200", "By"]);
        Assert.Contains(rows, row => Cells(row) is ["pcache.cache.reads", "result=miss", "10", "{operation}"]);
        Assert.Contains(rows, row => Cells(row) is ["pcache.dirty.keys", "0", "{key}"]);
        Assert.Contains(rows, row => Cells(row) is ["pcache.condition", "state=clean", "1", "1"]);
        Assert.Contains(rows, row => Cells(row) is ["pcache.errors", "error.type=backing_write", not "0", "{error}"]);
        Assert.Contains(rows, row => Cells(row) is ["pcache.drain.duration", _, "x", ..]);
    }

    private static string[] Cells(string row) => row.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
