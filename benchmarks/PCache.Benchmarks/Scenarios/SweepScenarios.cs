// Keeps true: each point is a whole measurement of its own, with the bound beside it, as a line of --rw is.
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>The same measurement over numbers of threads, and over block sizes.</summary>
internal static class SweepScenarios
{
    private static readonly string[] Operations = ["randwrite", "randread"];

    private static readonly int[] ThreadCounts = [1, 2, 4];

    /// <summary>1, 2 and 4 threads.</summary>
    public static ScenarioResult Threads(CompareSettings settings, CancellationToken cancellation)
    {
        BenchTable table = Table("threads");
        var rates = new List<BenchSeries>();
        foreach (string operation in Operations)
        {
            List<(int X, ComparedResult Result)> results = [.. ThreadCounts.Select(threads =>
                (threads, Measure(settings with { Threads = threads },
                    new BenchPattern(operation, ScenarioCache.PageBytes), table, cancellation)))];
            rates.AddRange(RateSeries(operation, results));
        }

        return new ScenarioResult("threads", "4 KiB blocks over the number of threads, beside the bound.", [table],
            [new BenchChart("threads", "Rate over threads, 4 KiB", "threads", "operations per second",
                rates) { LogX = true, SizesOnX = true }])
        {
            Notes =
            [
                $"This machine has {Environment.ProcessorCount} cores. Ratios are by the clock named: cpu where the "
                    + "threads had less than a core each.",
            ],
        };
    }

    /// <summary>512 bytes to 1 MiB.</summary>
    public static ScenarioResult Blocks(CompareSettings settings, CancellationToken cancellation)
    {
        BenchTable table = Table("blocks");
        var rates = new List<BenchSeries>();
        var ratios = new List<BenchSeries>();
        int[] sizes = settings.Quick ? [512, 4096, 65536] : [512, 1024, 4096, 16384, 65536, 262144, 1048576];
        foreach (string operation in Operations)
        {
            List<(int X, ComparedResult Result)> results = [
                .. sizes.Select(size => (size,
                Measure(settings, new BenchPattern(operation, size), table, cancellation)))];
            rates.AddRange(RateSeries(operation, results)
                .Select(series => series with
                {
                    Points = [
                .. series.Points.Select(point => (point.X, point.Y * point.X / 1e9))]
                }));
            ratios.Add(new BenchSeries(operation,
                [.. results.Select(one => ((double)one.X, one.Result.RatioToBound))]));
        }

        return new ScenarioResult("blocks", "Block sizes, beside the bound.", [table],
        [
            new BenchChart("blocks-ratio", "Time / bound over block size (1 is the bound)", "block size",
                "time / bound", ratios) { LogX = true, SizesOnX = true },
            new BenchChart("blocks-rate", "Throughput over block size", "block size", "GB per second",
                rates) { LogX = true, SizesOnX = true },
        ]);
    }

    private static IEnumerable<BenchSeries> RateSeries(string operation,
        List<(int X, ComparedResult Result)> results) =>
    [
        new BenchSeries(operation, [.. results.Select(one => ((double)one.X, one.Result.Device.OperationsPerSecond))]),
        new BenchSeries(operation + ", bound",
            [.. results.Select(one => ((double)one.X, one.Result.BoundOperationsPerSecond))], Dashed: true),
    ];

    private static BenchTable Table(string name) => new(name, "Rate and ratio",
    [
        new("name", "name"), new("threads", "threads"), new("opsPerSecond", "ops/s"),
            new("boundOpsPerSecond", "bound ops/s"),
        new("ratioToBound", "/ bound", 2), new("ratioQuartiles", "quartiles"), new("clock", "clock"),
            new("ratioToBoundWall", "/ bound, wall", 2), new("ratioToBoundCpu", "/ bound, cpu", 2),
        new("p50Ns", "p50 ns"), new("p99Ns", "p99 ns"), new("p999Ns", "p99.9 ns"),
    ]);

    private static ComparedResult Measure(CompareSettings settings, BenchPattern pattern, BenchTable table,
        CancellationToken cancellation)
    {
        ComparedResult result = Comparison.Run(settings with { WithPeers = false }, pattern, cancellation);
        table.Add(
            result.Device.Name, result.Device.Threads, result.Device.OperationsPerSecond,
                result.BoundOperationsPerSecond, result.RatioToBound,
            string.Create(CultureInfo.InvariantCulture,
                $"{result.RatioQuartiles.Low:F2}-{result.RatioQuartiles.High:F2}"), result.Clock,
            result.RatioToBoundWall, result.RatioToBoundCpu, result.Device.Latencies.P50, result.Device.Latencies.P99,
                result.Device.Latencies.P999);
        return result;
    }
}
