// Keeps true: turnover and control write the same pages, in the same number, at places of the same range.
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>What reclaiming segments costs, and how long a write waits for it at most.</summary>
internal static class GcScenario
{
    private const double Turnovers = 4;
    private const long SpareBytes = 16 << 20;
    private const double PacedWritesPerSecond = 100_000;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("gc", "4 KiB random writes over half of the cache while it turns over",
        [
            new("cacheBytes", "cache"), new("pace", "pace"), new("turnovers", "turnovers", 1),
                new("writesPerSecond", "writes/s"),
            new("p50Ns", "p50 ns"), new("p99Ns", "p99 ns"), new("p999Ns", "p99.9 ns"), new("longestNs", "longest ns"),
            new("segmentsReclaimed", "segments reclaimed"),
                new("backgroundMicrosecondsPerSegment", "background CPU us/segment", 1),
                new("spaceWaits", "waits for room"),
        ]);
        foreach (long cacheBytes in new[] { settings.LengthBytes / 4, settings.LengthBytes })
        {
            Measure(settings, cacheBytes, PacedWritesPerSecond, turnsOver: true, table, cancellation);
            Measure(settings, cacheBytes, 0, turnsOver: true, table, cancellation);
            Measure(settings, cacheBytes, 0, turnsOver: false, table, cancellation);
        }

        const string About =
            "Longest pause of the foreground and cost per reclaimed segment, for two cache sizes. Write-back runs, "
            + "to a backing that costs nothing.";
        return new ScenarioResult("gc", About, [table], [])
        {
            Notes =
            [
                "Control: as many writes into a cache with room for all of them, write-back paused: what the "
                    + "machine alone makes wait.",
                "Background CPU is the process's CPU time less the writer's: write-back is in it, and whatever else "
                    + "the process does.",
            ],
        };
    }

    private static void Measure(CompareSettings settings, long cacheBytes, double writesPerSecond, bool turnsOver,
        BenchTable table, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        var options = new PCacheOptions
        {
            PayloadCrc = settings.DataCrc,
            WritebackDelay = TimeSpan.Zero,
            StartWritebackPaused = !turnsOver
        };
        long rangeBytes = cacheBytes / 2 / ScenarioCache.PageBytes * ScenarioCache.PageBytes;
        long regionBytes = turnsOver ? cacheBytes + SpareBytes
            : ScenarioCache.RegionBytes((long)(cacheBytes * (Turnovers + 1)));
        using var cache = new ScenarioCache(places.CreateCacheRegion(regionBytes), new NullDevice(rangeBytes), options);
        var foreground = new Foreground(cache.Device, rangeBytes, cancellation);

        // Once through the cache first: code is compiled, and the cache is as full as it stays.
        long writesOfOne = cacheBytes / ScenarioCache.PageBytes;
        foreground.Run(settings.Duration, 0, writesOfOne, 0);
        PCacheStatus before = cache.Device.GetStatus();
        long cpu = ThreadClock.ProcessNanoseconds();
        foreground.Run(settings.Duration * 2, writesPerSecond, (long)(writesOfOne * Turnovers), 1);
        double background = Math.Max(0, ThreadClock.ProcessNanoseconds() - cpu - foreground.CpuNanoseconds);
        PCacheStatus after = cache.Device.GetStatus();
        long reclaimed = after.SegmentsReclaimed - before.SegmentsReclaimed;
        string pace = writesPerSecond > 0 ? writesPerSecond.ToString("N0", CultureInfo.InvariantCulture) + "/s"
            : "full speed";
        table.Add(
            SizeText.Exact(cacheBytes),
            turnsOver ? pace : "control",
            (double)foreground.Writes / writesOfOne,
            foreground.WritesPerSecond,
            foreground.Latencies.Percentile(0.5),
            foreground.Latencies.Percentile(0.99),
            foreground.Latencies.Percentile(0.999),
            foreground.Longest,
            reclaimed,
            reclaimed == 0 ? null : background / 1000 / reclaimed,
            after.SpaceWaits - before.SpaceWaits);
    }
}
