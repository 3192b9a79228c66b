// Keeps true: region, device and backing of a scenario go together; the region's memory has been touched before
// anything is measured.
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A device for a scenario.</summary>
internal sealed class ScenarioCache : IDisposable
{
    public const int PageBytes = 4096;
    private const int SmallSegmentBytes = 1 << 20;
    private const long SmallRegionBytes = 1L << 30;
    private readonly PCacheOptions _options;
    private readonly bool _keepsBacking;
    private PCacheDevice? _device;

    /// <param name="region">The cache's; disposed with this.</param>
    /// <param name="backing">Disposed with this, or kept.</param>
    /// <param name="options">Segment size, and what stays open, are set here.</param>
    /// <param name="keepsBacking">Whether the backing stays open.</param>
    public ScenarioCache(PmemRegion region, IBlockDevice backing, PCacheOptions options, bool keepsBacking = false)
    {
        _keepsBacking = keepsBacking;
        Region = region;
        Backing = backing;
        _options = options with
        {
            SegmentSizeBytes = region.LengthBytes < SmallRegionBytes ? SmallSegmentBytes : null,
            OverwriteExisting = true,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        region.WriteZeros(0, region.LengthBytes);
        region.Drain();
        _device = PCacheDevice.Create(region, backing, _options);
    }

    public PmemRegion Region { get; }

    public IBlockDevice Backing { get; }

    public PCacheDevice Device => _device ?? throw new InvalidOperationException("The scenario's device is closed.");

    /// <summary>Bytes of a region with room for a payload of 4 KiB pages, its log, and what is never payload.</summary>
    public static long RegionBytes(long payloadBytes)
    {
        long bytes = payloadBytes + (payloadBytes / 16);
        return bytes + ((long)(bytes + (24L * SmallSegmentBytes) < SmallRegionBytes ? SmallSegmentBytes : 16 << 20)
            * 24);
    }

    /// <summary>Begins anew, with an empty cache.</summary>
    public void Recreate()
    {
        Close();
        _device = PCacheDevice.Create(Region, Backing, _options);
    }

    /// <summary>Closes the device and lets go of it, so that its memory can go.</summary>
    public void Close()
    {
        _device?.Dispose();
        _device = null;
    }

    /// <summary>Opens what was closed.</summary>
    public void Open() => _device = PCacheDevice.Open(Region, Backing, _options with { OverwriteExisting = false });

    public void Dispose()
    {
        Close();
        if (!_keepsBacking)
        {
            Backing.Dispose();
        }

        Region.Dispose();
    }

    /// <summary>A page of random bytes.</summary>
    public static byte[] RandomPage()
    {
        byte[] page = GC.AllocateUninitializedArray<byte>(PageBytes, pinned: true);
        Random.Shared.NextBytes(page);
        return page;
    }

    /// <summary>Offsets of pages, each once, in a random order.</summary>
    public static long[] Shuffled(long pages, int seed)
    {
        var offsets = new long[pages];
        for (long i = 0; i < pages; i++)
        {
            offsets[i] = i * PageBytes;
        }

        new Random(seed).Shuffle(offsets);
        return offsets;
    }
}
