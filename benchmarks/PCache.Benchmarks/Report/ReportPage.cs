// Keeps true: page, document and charts show the same figures, and the page shows every chart.
using System.Globalization;
using System.Text;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Report;

/// <summary>The files of a report.</summary>
internal sealed class ReportPage(string directory, IReadOnlyList<KeyValuePair<string, string>> machine)
{
    public const string PageName = "results.md";
    public const string JsonName = "results.json";

    // Outliers beyond would squeeze everything else.
    private const double LatencyShareShown = 0.999;

    public List<ReportGroup> Groups { get; } = [];

    public List<ScenarioResult> Scenarios { get; } = [];

    /// <summary>Charts of the last write.</summary>
    public int Charts { get; private set; }

    public void Write()
    {
        Charts = 0;
        var page = new StringBuilder();
        page.Append("# Results of the benchmarks\n\n| | |\n| --- | --- |\n");
        foreach (KeyValuePair<string, string> fact in machine)
        {
            page.Append(CultureInfo.InvariantCulture, $"| {fact.Key} | {fact.Value} |\n");
        }

        page.Append(
            "\nRatios are medians of " + BenchMeasurement.Rounds.ToString(CultureInfo.InvariantCulture)
            + " rounds, in each of which all targets run one after the other in one process; quartiles show the "
                + "machine's noise. "
            + "\"/ bound\" is our time by that of one copy and one fence in memory of the same kind (reads: a plain "
                + "copy); peers are their time by ours (above 1: the cache is faster). "
            + "Latencies come from rounds of their own, and the clock's cost is in them, also in the bound's.\n");
        foreach (ReportGroup group in Groups)
        {
            AppendGroup(page, group);
        }

        foreach (ScenarioResult scenario in Scenarios)
        {
            AppendScenario(page, scenario);
        }

        File.WriteAllText(Path.Combine(directory, PageName), page.ToString());
        using var json = new StreamWriter(Path.Combine(directory, JsonName));
        WriteJson(json);
    }

    /// <summary>Latencies of all targets of a line: how many operations took no longer.</summary>
    public static BenchChart LatencyChart(string name, ComparedResult result)
    {
        var series = new List<BenchSeries>();
        foreach (BenchLatencies one in result.Latencies)
        {
            var points = new List<(double, double)>();
            long seen = 0;
            long last = one.Histogram.Percentile(LatencyShareShown);
            foreach ((long nanoseconds, long count) in one.Histogram.Buckets()
                .TakeWhile(bucket => bucket.Nanoseconds <= last))
            {
                seen += count;
                points.Add((Math.Max(1, nanoseconds), seen * 100.0 / one.Histogram.Count));
            }

            series.Add(new BenchSeries(one.Name, points, Dashed: one.Name == "bound"));
        }

        return new BenchChart(name,
            $"Latency of {result.Device.Name}{(result.Device.DataCrc ? ", payload checksums" : string.Empty)}, "
            + $"{result.Device.Threads} thread{(result.Device.Threads == 1 ? string.Empty : "s")}",
            "nanoseconds (logarithmic)", "operations that took no longer, %", series)
        { LogX = true };
    }

    private static string Signed(double value) => value.ToString("F2", CultureInfo.InvariantCulture);

    private void AppendGroup(StringBuilder page, ReportGroup group)
    {
        page.Append(CultureInfo.InvariantCulture,
            $"\n## {group.Title}\n\n`{(BenchReport.CompareVerb + " " + group.Arguments).TrimEnd()}`\n\n");
        page.Append(
            "| operation | ops/s | p50 ns | p99 ns | p99.9 ns | bound p50, p99, p99.9 | / bound | quartiles | clock "
            + "| bytes/op | peers, variants |\n");
        page.Append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: | --- |\n");
        foreach (ComparedResult result in group.Results)
        {
            BenchLatencies bound = result.Latencies[1];
            string peers = string.Join(", ",
                result.Versus.Select(peer => $"{peer.Key} {Signed(peer.Value)}")
                .Concat(result.Variants.Select(one => $"/ {one.Key} {Signed(one.Value)}")));
            page.Append(
                CultureInfo.InvariantCulture,
                $"| {result.Device.Name} | {result.Device.OperationsPerSecond:N0} | "
                    + $"{result.Device.Latencies.P50:N0} | {result.Device.Latencies.P99:N0} | "
                    + $"{result.Device.Latencies.P999:N0} | {bound.P50:N0}, {bound.P99:N0}, {bound.P999:N0} | ");
            page.Append(
                CultureInfo.InvariantCulture,
                $"{Signed(result.RatioToBound)} | "
                    + $"{Signed(result.RatioQuartiles.Low)}-{Signed(result.RatioQuartiles.High)} | {result.Clock} | "
                    + $"{result.Device.AllocatedBytesPerOperation:F1} | {peers} |\n");
        }

        foreach (ComparedResult result in group.Results)
        {
            string kind = (result.Device.DataCrc ? "-crc" : string.Empty)
                + (group.Settings.VerifyReads ? string.Empty : "-unverified");
            AppendChart(page, LatencyChart(
                string.Create(CultureInfo.InvariantCulture,
                $"latency-{result.Device.Name}-{result.Device.Threads}{kind}"), result));
        }
    }

    private void AppendScenario(StringBuilder page, ScenarioResult scenario)
    {
        string command = scenario.Name == "fio" ? BenchReport.CompareVerb + " --fio"
            : $"{BenchReport.ScenarioVerb} {scenario.Name}";
        page.Append(CultureInfo.InvariantCulture, $"\n## {scenario.Name}\n\n{scenario.About} `{command}`\n");
        foreach (BenchTable table in scenario.Tables)
        {
            page.Append(CultureInfo.InvariantCulture,
                $"\n{table.Title}:\n\n| {string.Join(" | ", table.Columns.Select(column => column.Title))} |\n");
            page.Append(CultureInfo.InvariantCulture,
                $"| {string.Join(" | ", table.Columns.Select((_, c) => table.IsNumeric(c) ? "---:" : "---"))} |\n");
            for (int row = 0; row < table.Rows.Count; row++)
            {
                int current = row;
                page.Append(CultureInfo.InvariantCulture,
                    $"| {string.Join(" | ", table.Columns.Select((_, c) => table.Text(current, c)))} |\n");
            }
        }

        foreach (string note in scenario.Notes)
        {
            page.Append(CultureInfo.InvariantCulture, $"\nNote: {note}\n");
        }

        foreach (BenchChart chart in scenario.Charts)
        {
            AppendChart(page, chart);
        }
    }

    private void AppendChart(StringBuilder page, BenchChart chart)
    {
        File.WriteAllText(Path.Combine(directory, chart.Name + ".svg"), SvgChart.Draw(chart));
        page.Append(CultureInfo.InvariantCulture, $"\n![{chart.Title}]({chart.Name}.svg)\n");
        Charts++;
    }

    /// <summary>Writes the document.</summary>
    public void WriteJson(TextWriter output) => JsonOutput.WriteObject(output, json =>
    {
        json.WriteStartObject("machine");
        foreach (KeyValuePair<string, string> fact in machine)
        {
            json.WriteString(fact.Key, fact.Value);
        }

        json.WriteEndObject();
        CompareOutput.Write(json, [.. Groups.SelectMany(group => group.Results)]);
        ScenarioResult.Write(json, Scenarios);
    });
}
