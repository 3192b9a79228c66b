// Keeps true: no other device is alive when memory is looked at; a size that the machine has no memory for is left out
// and told.
using System.Diagnostics;
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>Time and memory of an open.</summary>
internal static class OpenScenario
{
    private const int Opens = 5;
    private const double ShareOfMemory = 0.6;
    private static readonly long[] KeyCounts = [250_000, 1_000_000, 4_000_000];

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("open", "Opening a cache of 4 KiB pages, written at random",
        [
            new("keys", "keys"), new("dataCrc", "checksums"), new("milliseconds", "ms", 1),
                new("millisecondsPerMillionKeys", "ms per million keys", 1),
            new("cpuMillisecondsPerMillionKeys", "CPU ms per million keys", 1),
            new("managedBytesPerKey", "managed bytes/key", 1), new("processBytesPerKey", "process bytes/key", 1),
        ]);
        var notes =
            new List<string> { $"Time: median of {Opens} opens of the same cache; CPU: of the whole process. "
            + "Memory: growth by the first one." };
        foreach (long keys in settings.Quick ? [4_000L] : KeyCounts)
        {
            long regionBytes = ScenarioCache.RegionBytes(keys * ScenarioCache.PageBytes);
            if (ProcessMemory.AvailableBytes() is long available && regionBytes > available * ShareOfMemory)
            {
                notes.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{keys:N0} keys: left out, {SizeText.Rounded(regionBytes)} of memory are needed and "
                    + $"{SizeText.Rounded(available)} available."));
                continue;
            }

            foreach (bool dataCrc in new[] { false, true })
            {
                Measure(settings with { DataCrc = dataCrc }, keys, regionBytes, table, cancellation);
            }
        }

        return new ScenarioResult("open", "Opening a cache: replay of the log.", [table], []) { Notes = notes };
    }

    private static void Measure(CompareSettings settings, long keys, long regionBytes, BenchTable table,
        CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        var options = new PCacheOptions { PayloadCrc = settings.DataCrc, StartWritebackPaused = true };
        using var cache = new ScenarioCache(places.CreateCacheRegion(regionBytes),
            new NullDevice(keys * ScenarioCache.PageBytes), options);
        byte[] page = ScenarioCache.RandomPage();
        foreach (long offset in ScenarioCache.Shuffled(keys, 1))
        {
            cache.Device.Write(offset, page);
        }

        cache.Close();
        long managedBefore = ProcessMemory.ManagedBytes();
        long? processBefore = cache.Region.Persistence == Persistence.Volatile ? null : ProcessMemory.AnonymousBytes();
        long managed = 0;
        long? process = null;
        var milliseconds = new List<double>();
        var cpuMilliseconds = new List<double>();
        for (int i = 0; i < Opens; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            cache.Close();
            GC.Collect();
            long cpu = ThreadClock.ProcessNanoseconds();
            long start = Stopwatch.GetTimestamp();
            cache.Open();
            milliseconds.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            cpuMilliseconds.Add((ThreadClock.ProcessNanoseconds() - cpu) / 1e6);
            if (i == 0)
            {
                managed = ProcessMemory.ManagedBytes() - managedBefore;
                process = ProcessMemory.AnonymousBytes() - processBefore;
            }
        }

        double perMillion = 1e6 / keys;
        double median = BenchRunner.Median(milliseconds);
        table.Add(
            keys, settings.DataCrc ? "on"
                : "off", median, median * perMillion, BenchRunner.Median(cpuMilliseconds) * perMillion,
            (double)managed / keys, process / (double?)keys);
    }
}
