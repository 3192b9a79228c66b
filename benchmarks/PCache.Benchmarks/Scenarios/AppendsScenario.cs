// Keeps true: file and stream get the same records in the same order; the time of the cached ones ends when everything
// is durable in the file, the cache is closed, and nothing is left beside it.
using System.Diagnostics;
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A log file: small records appended, each flushed, drain and close counted in.</summary>
internal static class AppendsScenario
{
    private const int Records = 20_000;
    private const int QuickRecords = 2_000;
    private const int RecordBytes = 100;
    private const long CacheBytes = 64 << 20;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        int records = settings.Quick ? QuickRecords : Records;
        var table = new BenchTable(
            "appends",
            string.Create(CultureInfo.InvariantCulture, $"Appends of {RecordBytes} bytes, each flushed"),
            [
                new("what", "what"), new("records", "records"), new("seconds", "seconds", 3),
                new("perSecond", "records a second", 0), new("ratio", "times as fast as the file", 1),
                new("closeMilliseconds", "drain and close ms", 1),
            ]);
        DirectoryInfo directory = BenchPlaces.NewDirectory(settings.DiskDirectory);
        try
        {
            string plainPath = Path.Combine(directory.FullName, "plain");
            double plain = Plain(plainPath, records, cancellation);
            table.Add("FileStream.Flush(true)", records, plain, records / plain, null, null);
            using (PmemRegion memory = PmemMemory.Allocate(CacheBytes))
            {
                memory.WriteZeros(0, memory.LengthBytes);
                Cached("cache in memory", memory, directory, records, plain, table, cancellation);
            }

            foreach (bool powerSafe in (bool[])[false, true])
            {
                CachedInFile(powerSafe, directory, records, plain, table, cancellation);
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return new ScenarioResult("appends", "Small records appended to a file, each flushed.", [table], [])
        {
            Notes = ["File, cache file and journal are in one folder, on one disk."],
        };
    }

    private static double Plain(string path, int records, CancellationToken cancellation)
    {
        byte[] record = Record();
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < records; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            file.Write(record);
            file.Flush(flushToDisk: true);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void CachedInFile(
        bool powerSafe, DirectoryInfo directory, int records, double plain, BenchTable table,
        CancellationToken cancellation)
    {
        string name = powerSafe ? "cache file, power-safe" : "cache file, survives kills";
        string path = Path.Combine(directory.FullName, "cache");
        using PmemRegion region = PmemFile.Create(path, CacheBytes, new PmemFileOptions { PowerSafe = powerSafe });
        Cached(name, region, directory, records, plain, table, cancellation);
        region.Dispose();
        File.Delete(path);
    }

    private static void Cached(
        string name, PmemRegion region, DirectoryInfo directory, int records, double plain, BenchTable table,
        CancellationToken cancellation)
    {
        string path = Path.Combine(directory.FullName, "backing");
        byte[] record = Record();
        using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 0))
        {
            using PCacheDevice device = PCacheDevice.Create(region, BlockDevice.FromStream(file, leaveOpen: true),
                new PCacheOptions { SegmentSizeBytes = 1 << 20, LeaveRegionOpen = true });
            using PCacheStream stream = device.OpenStream();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < records; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                stream.Write(record);
                stream.Flush();
            }

            long written = Stopwatch.GetTimestamp();
            device.Drain(null, cancellation);
            device.Dispose();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            table.Add(name, records, seconds, records / seconds, plain / seconds,
                Stopwatch.GetElapsedTime(written).TotalMilliseconds);
        }

        if (new FileInfo(path).Length != (long)records * RecordBytes)
        {
            throw new InvalidOperationException("The file isn't as long as what was appended.");
        }

        File.Delete(path);
    }

    private static byte[] Record()
    {
        byte[] record = new byte[RecordBytes];
        Random.Shared.NextBytes(record);
        return record;
    }
}
