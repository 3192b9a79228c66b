using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

/// <summary>
/// A write that would end where the device can never reach is refused at the write, by every view alike: none is left
/// to fail when a buffer is handed over.
/// </summary>
public sealed class LongestPositionTests
{
    private const long LongestCache = (long.MaxValue & -(4L << 20)) - (4L << 20);

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public async Task Beyond_what_a_cache_can_have_is_refused_at_the_write(int bufferSize)
    {
        using var cache = new SmallCache(canResize: true);
        await Refuses(cache.Device.OpenStream(bufferSize), LongestCache);
        Assert.Equal(1 << 20, cache.Device.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public async Task Beyond_what_the_stream_under_a_cache_can_have_is_refused_at_the_write(int bufferSize)
    {
        var memory = new MemoryStream();
        memory.SetLength(1 << 20);
        var region = Core.Pmem.PmemMemory.Allocate(Rig.RegionLength(6));
        using PCacheDevice device = PCacheDevice.Create(region, memory,
            new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes });
        await Refuses(device.OpenStream(bufferSize), int.MaxValue);
        await Refuses(new PCacheStream(BlockDevice.FromStream(memory, leaveOpen: true), bufferSize), int.MaxValue);
    }

    private static async Task Refuses(PCacheStream view, long longest)
    {
        foreach (long position in new[] { longest - 9, longest, long.MaxValue - 9 })
        {
            view.Position = position;
            Assert.Throws<IOException>(() => view.Write(new byte[10]));
            await Assert.ThrowsAsync<IOException>(async () => await view.WriteAsync(new byte[10]));
            Assert.Equal(position, view.Position);
        }

        // What fits and what doesn't, one after the other into one buffer.
        view.Position = longest - 1;
        Assert.Throws<IOException>(() => view.Write(new byte[2]));
        view.Position = 0;
        await view.DisposeAsync();
        view.Dispose();
    }
}
