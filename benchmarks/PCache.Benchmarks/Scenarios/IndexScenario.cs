// Keeps true: only what the pieces add is counted; region and backing aren't in the figures.
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>What the index takes for what is cached.</summary>
internal static class IndexScenario
{
    private const long StripeBytes = 4 << 20;
    private const int SectorBytes = 512;
    private const long WarmUpPages = 4096;

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("index", "Bytes of memory for each cached piece",
        [
            new("what", "what"), new("pieces", "pieces"), new("managedBytesPerPiece", "managed", 1),
            new("processBytesPerPiece", "whole process", 1), new("managedBytes", "managed bytes"),
                new("processBytes", "process bytes"),
        ]);
        // Once for nothing: compiled code stays in memory too.
        var discarded = new BenchTable(table.Name, table.Title, table.Columns);
        Measure(settings, discarded, string.Empty, WarmUpPages * ScenarioCache.PageBytes,
            ScenarioCache.Shuffled(WarmUpPages, 0), ScenarioCache.PageBytes, cancellation);
        int scale = settings.Quick ? 16 : 1;
        long pages = settings.LengthBytes / ScenarioCache.PageBytes;
        long stripes = 20_000 / scale;
        Measure(settings, table, "4 KiB pages at random, range filled", pages * ScenarioCache.PageBytes,
            ScenarioCache.Shuffled(pages, 1), ScenarioCache.PageBytes, cancellation);
        Measure(settings, table, "one 4 KiB page in each stripe of 4 MiB", stripes * StripeBytes,
            [.. ScenarioCache.Shuffled(stripes, 2)
                .Select(offset => (offset / ScenarioCache.PageBytes * StripeBytes) + ((offset >> 3) & 0x3FF000))],
                ScenarioCache.PageBytes, cancellation);
        Measure(settings, table, "512-byte fragments at random, range filled", pages / 2 * SectorBytes,
            [.. ScenarioCache.Shuffled(pages / 2, 3).Select(offset => offset / ScenarioCache.PageBytes * SectorBytes)],
                SectorBytes, cancellation);
        return new ScenarioResult("index",
            "Memory of the index: managed heap, and anonymous memory of the whole process (managed and native).",
            [table], [])
        {
            Notes = [
                "The process's memory also has what else a device grows by (buffers, the heap's free space), so it "
                + "is an upper limit, and rough for few pieces."],
        };
    }

    private static void Measure(CompareSettings settings, BenchTable table, string what, long lengthBytes,
        long[] offsets, int blockBytes, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        var options = new PCacheOptions { PayloadCrc = settings.DataCrc, StartWritebackPaused = true };
        long payload = (long)offsets.Length * blockBytes;

        // Small pieces have as large a key as large ones.
        using var cache = new ScenarioCache(
            places.CreateCacheRegion(ScenarioCache.RegionBytes(payload + (offsets.Length * 128L))),
            new NullDevice(lengthBytes), options);
        byte[] block = new byte[blockBytes];
        cache.Device.Write(0, block);
        cache.Device.Flush();
        long managedBefore = ProcessMemory.ManagedBytes();
        long? processBefore = cache.Region.Persistence == Persistence.Volatile ? null : ProcessMemory.AnonymousBytes();
        foreach (long offset in offsets)
        {
            cache.Device.Write(offset, block);
        }

        cancellation.ThrowIfCancellationRequested();
        cache.Device.Flush();
        long managed = ProcessMemory.ManagedBytes() - managedBefore;
        long? process = ProcessMemory.AnonymousBytes() - processBefore;
        table.Add(what, offsets.Length, (double)managed / offsets.Length, process / (double?)offsets.Length, managed,
            (double?)process);
    }
}
