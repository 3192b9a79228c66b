using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>
/// Offsets near 2^63: what a key can't name is refused before anything changes, and all before it works.
/// </summary>
public sealed class LongestDeviceTests
{
    [Fact]
    public void The_last_sector_of_the_longest_device_is_written_back_and_read()
    {
        using var cache = new SmallCache(6, backingBytes: ExtentStore.MaxLength, blockSize: 4096, canResize: true);
        long last = ExtentStore.MaxLength - 512;
        cache.Device.Write(last + 100, [1, 2, 3]);
        cache.Device.WriteZeroes(last - 8192, 4096);
        cache.Device.Drain();
        cache.Settle();
        Assert.Equal([1, 2, 3], cache.Backing.Peek(last + 100, 3));
        cache.Reopen();
        var read = new byte[1000];
        Assert.Equal(512, cache.Device.Read(last, read));
        Assert.Equal([1, 2, 3], read.AsSpan(100, 3).ToArray());
        cache.Device.Discard(0, long.MaxValue);
        Assert.Equal(0, cache.Device.Read(long.MaxValue, read));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.Write(ExtentStore.MaxLength, [1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.SetLength(long.MaxValue));
        Assert.Equal(ExtentStore.MaxLength, cache.Backing.Length);
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
    }

    [Fact]
    public void A_longer_backing_is_refused_before_anything_changes()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(long.MaxValue);
        Assert.Throws<ArgumentException>(() =>
            PCacheDevice.Create(region, backing, new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes }));
        Assert.Equal(-1, region.KillImage().AsSpan().IndexOfAnyExcept((byte)0));
    }
}
