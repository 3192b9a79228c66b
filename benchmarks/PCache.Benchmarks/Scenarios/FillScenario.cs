// Keeps true: nothing is written back or collected while the cache fills, and no write finds it full.
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>Rate over how full the cache is: dirty pages at random places, write-back paused.</summary>
internal static class FillScenario
{
    private const int Rounds = 5;
    private const int ChunkWrites = 128;
    private const int Levels = 9;

    // Write-back is paused: a write that found no room would wait for ever.
    private const int LeastFree = 6;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        long rangeBytes = settings.LengthBytes * 4;
        var options = new PCacheOptions { PayloadCrc = settings.DataCrc, StartWritebackPaused = true };
        using var cache = new ScenarioCache(places.CreateCacheRegion(ScenarioCache.RegionBytes(settings.LengthBytes)),
            new NullDevice(rangeBytes), options);
        List<double>[] rates = [.. Enumerable.Range(0, Levels).Select(_ => new List<double>())];

        // The first round warms up.
        for (int round = 0; round <= Rounds; round++)
        {
            cache.Recreate();
            double[] seconds = new double[Levels];
            long[] writes = new long[Levels];
            FillUp(cache.Device, rangeBytes, round, seconds, writes, cancellation);
            for (int level = 0; level < Levels && round > 0; level++)
            {
                if (writes[level] > 0)
                {
                    rates[level].Add(writes[level] / seconds[level]);
                }
            }
        }

        var table = new BenchTable("fill", "Rate over fill level",
            [new("fillPercent", "fill %"), new("opsPerSecond", "ops/s"),
                new("relative", "/ rate at the first level", 2)]);
        double? first = null;
        var points = new List<(double, double)>();
        for (int level = 0; level < Levels; level++)
        {
            if (rates[level].Count > 0)
            {
                double rate = BenchRunner.Median(rates[level]);
                first ??= rate;
                table.Add((level + 1) * 10, rate, rate / first);
                points.Add(((level + 1) * 10, rate));
            }
        }

        return new ScenarioResult("fill",
            "4 KiB random writes while the cache fills with dirty data (used segments of all), one thread.", [table],
            [new BenchChart("fill", "Rate over fill level, 4 KiB random write", "used segments, % of the cache",
                "writes per second", [new BenchSeries("randwrite-4k", points)])])
        {
            Notes = [ThreadClock.HasCpuTime
                ? "By the writer's CPU time: it waits for nothing here, and so other programs don't count."
                : "By elapsed time."],
        };
    }

    /// <summary>Writes until 95 %; each chunk counts for the level that it is nearest to.</summary>
    private static void FillUp(PCacheDevice device, long rangeBytes, int round, double[] seconds, long[] writes,
        CancellationToken cancellation)
    {
        var offsets = new BenchOffsets(new BenchPattern("randwrite", ScenarioCache.PageBytes), rangeBytes, 0, 1, round);
        byte[] page = ScenarioCache.RandomPage();
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            PCacheStatus status = device.GetStatus();
            int level = (int)Math.Round(status.SegmentsUsed * 10.0 / status.SegmentCount) - 1;
            if (level >= Levels || status.SegmentCount - status.SegmentsUsed < LeastFree)
            {
                return;
            }

            long before = ThreadClock.ThreadNanoseconds();
            for (int i = 0; i < ChunkWrites; i++)
            {
                device.Write(offsets.Next(), page);
            }

            if (level >= 0)
            {
                seconds[level] += (ThreadClock.ThreadNanoseconds() - before) / 1e9;
                writes[level] += ChunkWrites;
            }
        }
    }
}
