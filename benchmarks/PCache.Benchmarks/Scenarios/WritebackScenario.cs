// Keeps true: the drain and the sorted writes get the same pages, on the same backing, in alternating order; both end
// with a flush.
using System.Diagnostics;
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>
/// What write-back does to the foreground, and what a drain costs beside the same pages written sorted.
/// </summary>
internal static class WritebackScenario
{
    private const double WritesPerSecond = 20_000;
    private const int DrainRounds = 9;
    private const int QuickDrainRounds = 3;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var foreground = new BenchTable("foreground",
            string.Create(CultureInfo.InvariantCulture,
            $"4 KiB random writes at {WritesPerSecond:N0} a second, then at full speed"),
        [
            new("backing", "backing"), new("writeback", "write-back"), new("writesPerSecond", "writes/s"),
                new("p50Ns", "p50 ns"), new("p99Ns", "p99 ns"), new("p999Ns", "p99.9 ns"),
            new("longestNs", "longest ns"), new("writtenBackMBPerSecond", "written back MB/s", 1),
                new("fullSpeedPerSecond", "full speed writes/s"),
        ]);
        var drain = new BenchTable("drain",
            "Drain of random 4 KiB dirty pages / the same pages written sorted with one flush",
            [new("backing", "backing"), new("pages", "pages"), new("drainMilliseconds", "drain ms", 1),
                new("sortedMilliseconds", "sorted ms", 1), new("ratio", "ratio", 2),
                new("ratioQuartiles", "quartiles")]);
        var latency = new List<BenchSeries>();
        var rates = new List<BenchSeries>();
        DirectoryInfo directory = BenchPlaces.NewDirectory(settings.DiskDirectory);
        try
        {
            string path = BenchPlaces.CreateFile(Path.Combine(directory.FullName, "backing"), settings.LengthBytes);
            (string Name, Func<IBlockDevice> Open)[] backings =
                [("file", () => BlockDevice.OpenFile(path)), ("memory", () => new MemoryBacking(settings.LengthBytes))];
            foreach ((string name, Func<IBlockDevice> open) in backings)
            {
                foreach (bool running in new[] { false, true })
                {
                    List<ForegroundSample> samples =
                        MeasureForeground(settings, name, open(), running, foreground, cancellation);
                    string series = $"{name}, write-back {(running ? "running" : "paused")}";
                    latency.Add(new BenchSeries(series,
                        [.. samples.Select(sample => (sample.Seconds, sample.P99 / 1e3))], Dashed: !running));
                    if (running)
                    {
                        rates.Add(new BenchSeries($"{name}, written back",
                            [.. samples.Select(sample => (sample.Seconds, sample.WritebackBytesPerSecond / 1e6))]));
                        rates.Add(new BenchSeries($"{name}, foreground",
                            [.. samples.Select(sample =>
                            (sample.Seconds, sample.WritesPerSecond * ScenarioCache.PageBytes / 1e6))], Dashed: true));
                    }
                }

                MeasureDrain(settings, name, open(), drain, cancellation);
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return new ScenarioResult("writeback", "Foreground with write-back paused and running, and the drain.",
            [foreground, drain],
        [
            new BenchChart("writeback-latency", "Foreground p99 over time (100 ms samples), 4 KiB random write",
                "seconds", "p99, microseconds", latency) { LogY = true },
            new BenchChart("writeback-rate", "Write-back and foreground over time", "seconds", "MB per second", rates),
        ])
        {
            Notes = [
                "The file is in "
                + $"{(settings.Directory is null ? "the directory for temporary files" : "the directory given")}. "
                + "Paced writes wait by spinning, so the writer takes a core."],
        };
    }

    private static List<ForegroundSample> MeasureForeground(CompareSettings settings, string name,
        IBlockDevice backing, bool running, BenchTable table, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        long rangeBytes = settings.LengthBytes / ScenarioCache.PageBytes * ScenarioCache.PageBytes;
        long burst = rangeBytes / ScenarioCache.PageBytes;
        long payload = (long)(WritesPerSecond * 1.1 * settings.Duration.TotalSeconds * ScenarioCache.PageBytes)
            + (2 * rangeBytes);

        // Room for all of it (so that GC threshold and waiting stay out of the picture), whether write-back runs or
        // not.
        var options = new PCacheOptions
        {
            PayloadCrc = settings.DataCrc,
            StartWritebackPaused = !running,
            WritebackDelay = TimeSpan.Zero,
            BackingConsistency = BackingConsistency.EachFlush,
        };
        using var cache = new ScenarioCache(places.CreateCacheRegion(ScenarioCache.RegionBytes(payload)), backing,
            options);
        var writer = new Foreground(cache.Device, rangeBytes, cancellation);
        writer.Run(settings.Duration, 0, burst, 0);
        writer.Run(settings.Duration, WritesPerSecond, long.MaxValue, 1);
        var full = new Foreground(cache.Device, rangeBytes, cancellation);
        full.Run(settings.Duration, 0, burst, 2);
        table.Add(
            name, running ? "running" : "paused", writer.WritesPerSecond,
            writer.Latencies.Percentile(0.5), writer.Latencies.Percentile(0.99), writer.Latencies.Percentile(0.999),
                writer.Longest,
            writer.Samples.Average(sample => sample.WritebackBytesPerSecond) / 1e6, full.WritesPerSecond);
        return writer.Samples;
    }

    private static void MeasureDrain(CompareSettings settings, string name, IBlockDevice backing, BenchTable table,
        CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        long pages = settings.LengthBytes / ScenarioCache.PageBytes;
        int dirty = (int)Math.Max(1, pages / 4);
        var options = new PCacheOptions
        {
            PayloadCrc = settings.DataCrc,
            StartWritebackPaused = true,
            BackingConsistency = BackingConsistency.EachFlush,
        };
        using var cache = new ScenarioCache(
            places.CreateCacheRegion(ScenarioCache.RegionBytes((long)dirty * ScenarioCache.PageBytes)), backing,
            options);
        byte[] payload = GC.AllocateUninitializedArray<byte>(dirty * ScenarioCache.PageBytes, pinned: true);
        Random.Shared.NextBytes(payload);
        var drains = new List<double>();
        var sorts = new List<double>();
        int rounds = settings.Quick ? QuickDrainRounds : DrainRounds;

        // The first round warms up; the order changes from round to round.
        for (int round = 0; round <= rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            long[] offsets = ScenarioCache.Shuffled(pages, round)[..dirty];
            double drain = 0;
            double sorted = 0;
            for (int half = 0; half < 2; half++)
            {
                if ((round + half) % 2 == 0)
                {
                    drain = Drain(cache, offsets, payload, cancellation);
                }
                else
                {
                    sorted = WriteSorted(backing, offsets, payload);
                }
            }

            if (round > 0)
            {
                drains.Add(drain);
                sorts.Add(sorted);
            }
        }

        double[] ratios = [.. drains.Zip(sorts, (drain, sorted) => drain / sorted)];
        table.Add(
            name, dirty, BenchRunner.Median(drains), BenchRunner.Median(sorts), BenchRunner.Median(ratios),
            string.Create(CultureInfo.InvariantCulture,
                $"{BenchRunner.Quantile(ratios, 0.25):F2}-{BenchRunner.Quantile(ratios, 0.75):F2}"));
    }

    private static double Drain(ScenarioCache cache, long[] offsets, byte[] payload, CancellationToken cancellation)
    {
        cache.Recreate();
        for (int i = 0; i < offsets.Length; i++)
        {
            cache.Device.Write(offsets[i], payload.AsSpan(i * ScenarioCache.PageBytes, ScenarioCache.PageBytes));
        }

        cache.Device.Flush();
        long start = Stopwatch.GetTimestamp();
        cache.Device.Drain(null, cancellation);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double WriteSorted(IBlockDevice backing, long[] offsets, byte[] payload)
    {
        long[] sorted = [.. offsets.Order()];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < sorted.Length; i++)
        {
            backing.Write(sorted[i], payload.AsSpan(i * ScenarioCache.PageBytes, ScenarioCache.PageBytes));
        }

        backing.Flush();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
