// Keeps true: cache and backing alone get the same pattern from as many writers; figures of the cache begin when a
// write has waited for room.
using System.Diagnostics;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>
/// Sustained writes with the cache full, by writers that all wait, beside the backing's own rate for the same pattern.
/// </summary>
internal static class FullScenario
{
    private const int Writers = 4;
    private const double PacedBytesPerSecond = 100e6;
    private const long FlushEveryBytes = 16 << 20;
    private static readonly TimeSpan PacedCall = TimeSpan.FromMicroseconds(10);

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("full", $"{Writers} writers of random 4 KiB pages",
        [
            new("backing", "backing"), new("writesPerSecond", "writes/s"), new("ownPerSecond", "backing's own/s"),
                new("ownUnflushedPerSecond", "own without flushes/s"),
            new("ratio", "/ own", 2), new("ratioUnflushed", "/ own without flushes", 2),
                new("p50Microseconds", "p50 us", 1), new("p99Microseconds", "p99 us", 1),
                new("p999Microseconds", "p99.9 us", 1),
            new("fairness", "least / most of a writer", 2), new("spaceWaits", "waits for room"),
        ]);
        long rangeBytes = settings.LengthBytes;
        using (var memory = new PacedDevice(new MemoryBacking(rangeBytes), PacedBytesPerSecond, PacedCall))
        {
            Measure(settings, "paced memory", memory, table, cancellation);
        }

        DirectoryInfo directory = BenchPlaces.NewDirectory(settings.DiskDirectory);
        try
        {
            using IBlockDevice file = BlockDevice.OpenFile(
                BenchPlaces.CreateFile(Path.Combine(directory.FullName, "backing"), rangeBytes));
            file.Flush();
            Measure(settings, "file", file, table, cancellation);
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return new ScenarioResult("full", "The cache is full: every write waits until write-back has made room.",
            [table], [])
        {
            Notes =
            [
                $"Paced memory: {PacedBytesPerSecond / 1e6:F0} MB/s and {PacedCall.TotalMicroseconds:F0} us for "
                    + $"each call. The backing's own rate has a flush after every {SizeText.Exact(FlushEveryBytes)}, "
                + "as write-back has after each group, and one at the end; without them a file only takes what the "
                    + "system's page cache takes.",
            ],
        };
    }

    private static void Measure(CompareSettings settings, string name, IBlockDevice backing, BenchTable table,
        CancellationToken cancellation)
    {
        (double own, _, _) = Write(backing, settings.LengthBytes, settings.Duration, FlushEveryBytes, finish: true,
            cancellation);
        (double unflushed, _, _) = Write(backing, settings.LengthBytes, settings.Duration, long.MaxValue,
            finish: false, cancellation);
        backing.Flush();
        using var places = new BenchPlaces(settings);
        var options = new PCacheOptions
        {
            PayloadCrc = settings.DataCrc,
            WritebackDelay = TimeSpan.Zero,
            SpaceTimeout = TimeSpan.FromMinutes(1)
        };
        using var cache = new ScenarioCache(places.CreateCacheRegion((settings.LengthBytes / 4) + (16 << 20)), backing,
            options, keepsBacking: true);
        for (int i = 0; i < 20 && cache.Device.GetStatus().SpaceWaits == 0; i++)
        {
            Write(cache.Device, settings.LengthBytes, settings.Duration / 4, long.MaxValue, finish: false,
                cancellation);
        }

        long waits = cache.Device.GetStatus().SpaceWaits;
        (double rate, LatencyHistogram latencies, double fairness) = Write(cache.Device, settings.LengthBytes,
            settings.Duration * 2, long.MaxValue, finish: false, cancellation);
        table.Add(
            name, rate, own, unflushed, rate / own, rate / unflushed,
            latencies.Percentile(0.5) / 1e3, latencies.Percentile(0.99) / 1e3, latencies.Percentile(0.999) / 1e3,
                fairness, cache.Device.GetStatus().SpaceWaits - waits);
    }

    /// <summary>
    /// Writes for a time; rate of all writers, their latencies, and the least by the most that one of them wrote.
    /// </summary>
    private static (double Rate, LatencyHistogram Latencies, double Fairness) Write(
        IBlockDevice device, long lengthBytes, TimeSpan duration, long flushEveryBytes, bool finish,
            CancellationToken cancellation)
    {
        var pattern = new BenchPattern("randwrite", ScenarioCache.PageBytes);
        var counts = new long[Writers];
        LatencyHistogram[] histograms = [.. Enumerable.Range(0, Writers).Select(_ => new LatencyHistogram())];
        var failures = new Exception?[Writers];
        long sinceFlush = 0;
        long start = Stopwatch.GetTimestamp();
        long end = start + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        Thread[] threads = [.. Enumerable.Range(0, Writers).Select(writer => new Thread(() =>
        {
            try
            {
                var offsets = new BenchOffsets(pattern, lengthBytes, writer, Writers, 1);
                byte[] page = ScenarioCache.RandomPage();
                double nanosecondsPerTick = 1e9 / Stopwatch.Frequency;
                for (long before = Stopwatch.GetTimestamp(); before < end && !cancellation.IsCancellationRequested;)
                {
                    device.Write(offsets.Next(), page);
                    if (flushEveryBytes != long.MaxValue
                        && Interlocked.Add(ref sinceFlush, page.Length) % flushEveryBytes == 0)
                    {
                        device.Flush();
                    }

                    long after = Stopwatch.GetTimestamp();
                    histograms[writer].Record((long)((after - before) * nanosecondsPerTick));
                    counts[writer]++;
                    before = after;
                }
            }
            catch (IOException exception)
            {
                failures[writer] = exception;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        cancellation.ThrowIfCancellationRequested();
        if (Array.Find(failures, failure => failure is not null) is Exception first)
        {
            throw ToolException.Refused(ErrorReport.OneLine(first.Message), first);
        }

        if (finish)
        {
            device.Flush();
        }

        var all = new LatencyHistogram();
        Array.ForEach(histograms, all.Add);
        return (counts.Sum() / Stopwatch.GetElapsedTime(start).TotalSeconds, all,
            (double)counts.Min() / Math.Max(1, counts.Max()));
    }
}
