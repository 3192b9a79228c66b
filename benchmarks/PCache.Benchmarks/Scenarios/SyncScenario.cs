// Keeps true: what was to be written before (formatting) is on the disk when counting begins.
using System.Diagnostics;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Tool;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A power-safe region in a file on a real disk: what a flush costs, and what reaches the disk.</summary>
internal static class SyncScenario
{
    private const int PagesPerFlush = 128;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("sync",
            $"A flush after every {PagesPerFlush} random 4 KiB pages, power-safe file region",
        [
            new("flushes", "flushes"), new("payloadBytes", "payload bytes"),
                new("processBytesPerPayloadByte", "process / payload", 3),
                new("diskBytesPerPayloadByte", "disk / payload", 3),
            new("flushP50Microseconds", "flush p50 us"), new("flushP99Microseconds", "flush p99 us"),
                new("payloadMBPerSecond", "payload MB/s", 1),
        ]);
        DirectoryInfo directory = BenchPlaces.NewDirectory(settings.DiskDirectory);
        try
        {
            Measure(settings, directory.FullName, table, cancellation);
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return new ScenarioResult("sync", "Bytes written to disk for each byte of payload.", [table], [])
        {
            Notes =
            [
                "Process: what /proc/self/io says that this process sent to disks (a dirty page counts once until "
                    + "it is written). Disk: what the disk wrote in that time, for everybody; "
                + "-: not one disk, or not Linux. On a memory file system both are nothing.",
            ],
        };
    }

    private static void Measure(CompareSettings settings, string directory, BenchTable table,
        CancellationToken cancellation)
    {
        long rangeBytes = settings.LengthBytes / ScenarioCache.PageBytes * ScenarioCache.PageBytes;
        PmemRegion region = PmemFile.Create(Path.Combine(directory, "region"), ScenarioCache.RegionBytes(rangeBytes),
            new PmemFileOptions { PowerSafe = true });
        using var cache = new ScenarioCache(region, new NullDevice(rangeBytes),
            new PCacheOptions { PayloadCrc = settings.DataCrc, StartWritebackPaused = true });
        region.FlushRange(0, region.LengthBytes);
        region.Drain();
        byte[] page = ScenarioCache.RandomPage();
        var offsets = new BenchOffsets(new BenchPattern("randwrite", ScenarioCache.PageBytes), rangeBytes, 0, 1, 1);
        var latencies = new LatencyHistogram();
        long mostFlushes = Math.Max(1, rangeBytes / ScenarioCache.PageBytes / PagesPerFlush);
        long? process = DiskTraffic.WrittenBytes();
        long? disk = ProcessMemory.WrittenToDiskOf(directory);
        long start = Stopwatch.GetTimestamp();
        long flushes = 0;
        for (; flushes < mostFlushes && (flushes == 0 || Stopwatch.GetElapsedTime(start) < settings.Duration);
            flushes++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int i = 0; i < PagesPerFlush; i++)
            {
                cache.Device.Write(offsets.Next(), page);
            }

            long before = Stopwatch.GetTimestamp();
            cache.Device.Flush();
            latencies.Record((long)Stopwatch.GetElapsedTime(before).TotalNanoseconds);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double payload = (double)flushes * PagesPerFlush * ScenarioCache.PageBytes;
        table.Add(
            flushes, payload, (DiskTraffic.WrittenBytes() - process) / payload,
                (ProcessMemory.WrittenToDiskOf(directory) - disk) / payload,
            latencies.Percentile(0.5) / 1000.0, latencies.Percentile(0.99) / 1000.0, payload / seconds / 1e6);
    }
}
