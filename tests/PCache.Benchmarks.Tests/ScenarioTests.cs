using System.Text.Json;
using System.Xml.Linq;
using PCache.Benchmarks.Scenarios;

namespace PCache.Benchmarks.Tests;

/// <summary>The scenarios and the report: their form, not their figures.</summary>
public sealed class ScenarioTests : IDisposable
{
    private readonly TempFolder _directory = new();

    public static TheoryData<string> Scenarios => [.. BenchScenarios.Names];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Every_scenario_fills_its_tables_and_leaves_nothing(string name)
    {
        ToolRun run = ToolRun.Run("scenario", "--scenario", name, "--size", "4M", "--quick", "--dir", _directory.Path,
            "--json").Expect(0);
        JsonElement scenario = Assert.Single(run.Json().GetProperty("scenarios").EnumerateArray());
        Assert.Equal(name, scenario.GetProperty("name").GetString());
        JsonProperty[] tables = [.. scenario.GetProperty("tables").EnumerateObject()];
        Assert.NotEmpty(tables);
        foreach (JsonProperty table in tables)
        {
            Assert.True(table.Value.GetArrayLength() > 0, table.Name);
            Assert.Single(table.Value.EnumerateArray()
                .Select(row => string.Join(' ', row.EnumerateObject().Select(cell => cell.Name))).Distinct());
        }

        foreach (JsonProperty chart in scenario.GetProperty("charts").EnumerateObject())
        {
            Assert.All(chart.Value.EnumerateObject(), series =>
                Assert.True(series.Value.GetArrayLength() > 0, chart.Name));
        }

        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void Writeback_compares_paused_and_running_and_the_drain_on_both_backings()
    {
        JsonElement tables = ToolRun.Run("scenario", "--scenario", "writeback", "--size", "2M", "--quick", "--dir",
            _directory.Path, "--json")
            .Expect(0).Json().GetProperty("scenarios")[0].GetProperty("tables");
        Assert.Equal(
            ["file paused", "file running", "memory paused", "memory running"],
            tables.GetProperty("foreground").EnumerateArray()
                .Select(row => $"{row.GetProperty("backing").GetString()} {row.GetProperty("writeback").GetString()}"));
        Assert.All(tables.GetProperty("drain").EnumerateArray(), row =>
            Assert.True(row.GetProperty("ratio").GetDouble() > 0));
        Assert.Equal(128, tables.GetProperty("drain")[0].GetProperty("pages").GetDouble());
    }

    [Fact]
    public void People_get_a_table_with_a_line_for_each_row()
    {
        ToolRun run = ToolRun.Run("scenario", "--scenario", "fill", "--size", "4M", "--quick").Expect(0);
        Assert.StartsWith("fill: ", run.Out, StringComparison.Ordinal);
        Assert.Contains("fill %", run.Out, StringComparison.Ordinal);
        Assert.Matches(@"\n +10 +[\d,]+ +1\.00\n", run.Out.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_report_is_a_page_a_document_and_charts_that_the_page_shows()
    {
        string report = _directory["report"];
        JsonElement said = ToolRun.Run("report", report, "--scenario", "fill,threads,writeback", "--size", "4M",
            "--quick", "--json").Expect(0).Json();
        string page = File.ReadAllText(Path.Combine(report, "results.md"));
        string[] charts = [.. Directory.GetFiles(report, "*.svg").Select(Path.GetFileName).Order()!];
        Assert.Equal(
            ["fill.svg", "latency-randread-4k-1-crc.svg", "latency-randread-4k-1.svg",
                "latency-randwrite-4k-1-crc.svg", "latency-randwrite-4k-1.svg", "threads.svg", "writeback-latency.svg",
                "writeback-rate.svg"],
            charts.Order(StringComparer.Ordinal));
        Assert.All(charts, chart => Assert.Contains($"]({chart})", page, StringComparison.Ordinal));
        Assert.All(charts, chart => Assert.Equal("svg",
            XDocument.Load(Path.Combine(report, chart)).Root!.Name.LocalName));
        Assert.Contains("PCache.Benchmarks -- report", page, StringComparison.Ordinal);
        Assert.Contains("PCache.Benchmarks -- scenario --scenario fill`", page, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(report, "results.json")));
        Assert.Equal(4, document.RootElement.GetProperty("results").GetArrayLength());
        Assert.Equal(3, document.RootElement.GetProperty("scenarios").GetArrayLength());
        Assert.NotEmpty(document.RootElement.GetProperty("machine").EnumerateObject());
        Assert.Equal(document.RootElement.GetRawText().ReplaceLineEndings(), said.GetRawText().ReplaceLineEndings());
    }
}
