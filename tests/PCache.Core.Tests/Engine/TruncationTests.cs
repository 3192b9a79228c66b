using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Truncations that fail, and what comes after them.</summary>
public sealed class TruncationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_failed_truncation_cut_off_does_not_come_back_with_a_longer_length(bool asynchronous)
    {
        using var cache = new SmallCache(6, canResize: true, content: Patterns.Make(0, 8192, 1));
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.SetLength ? new IOException("no") : null);
        if (asynchronous)
        {
            await Assert.ThrowsAsync<IOException>(async () => await cache.Device.SetLengthAsync(1000));
        }
        else
        {
            Assert.Throws<IOException>(() => cache.Device.SetLength(1000));
        }

        cache.Backing.BeforeCall = null;
        Assert.Equal(1000, cache.Device.Length);
        if (asynchronous)
        {
            await cache.Device.SetLengthAsync(4096);
        }
        else
        {
            cache.Device.SetLength(4096);
        }

        Assert.Equal(4096, cache.Device.Length);
        byte[] all = Rig.ReadAll(cache.Device);
        Rig.AssertSame(new byte[3096], all.AsSpan(1000), "cut off, extended again");
        Rig.AssertSame(Patterns.Make(0, 1024, 1).AsSpan(0, 1000), all.AsSpan(0, 1000), "what stayed");
    }
}
