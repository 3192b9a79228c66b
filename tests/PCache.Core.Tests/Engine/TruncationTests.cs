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

    [Fact]
    public void What_is_read_during_a_truncation_that_never_ends_is_the_backings_still()
    {
        byte[] content = new byte[8192];
        content.AsSpan().Fill(0xAA);
        using var cache = new SmallCache(content: content, canResize: true);
        cache.Backing.FailWhere(call =>
        {
            if (call.Operation != DiskOperation.SetLength)
            {
                return null;
            }

            // A part of the sector in which the new end lies: what is beyond the end counts as zeros, but isn't yet.
            byte[] part = new byte[512];
            Assert.Equal(100, cache.Device.Read(4096, part));
            return new IOException("planned");
        });
        Assert.Throws<IOException>(() => cache.Device.SetLength(4196));
        cache.Backing.BeforeCall = null;
        cache.Device.Flush();
        using PCacheDevice killed = cache.OpenKilledCopy();
        Rig.AssertSame(content, Rig.ReadAll(killed), "the whole of the backing");
    }
}
