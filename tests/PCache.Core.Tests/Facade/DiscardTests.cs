using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// Discards reach the backing late: after everything logged before them has been written back, and never over what was
/// rewritten since.
/// </summary>
public sealed class DiscardTests
{
    private static readonly Func<PCacheOptions, PCacheOptions> AtOnce = o => o with { WritebackDelay = TimeSpan.Zero };

    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    public void The_backing_is_told_after_write_back_and_in_its_own_blocks(int blockSize)
    {
        using var cache = new SmallCache(blockSize: blockSize, canDiscard: true, with: AtOnce,
            content: Patterns.Make(0, 1 << 20, 7));
        cache.Device.Write(65536, Patterns.Make(65536, 32768, 1));
        cache.Device.Flush();
        var events = new List<DiskCall>();
        cache.Backing.BeforeCall = events.Add;
        cache.Device.Discard(65536 + 100, 32768);
        Assert.DoesNotContain(events, e => e.Operation == DiskOperation.Discard);
        cache.AdvanceUntil(() => cache.Status.IsClean
            && cache.Backing.Calls(DiskOperation.Discard) > 0, "the discard to be forwarded");
        Assert.True(events.FindIndex(e => e.Operation == DiskOperation.Discard) > events.FindLastIndex(e =>
            e.Operation == DiskOperation.Write), "discarded before what was logged before it was written back");
        var buffer = new byte[65536];
        cache.Device.Read(0, buffer);
        Rig.AssertSame(Patterns.Make(0, 65536, 7), buffer, "before the range");
        cache.Device.Read(65536, buffer.AsSpan(0, 512));
        Rig.AssertSame(Patterns.Make(65536, 512, 1), buffer.AsSpan(0, 512), "the sector that was discarded in part");
        cache.Device.Read(65536 + 33280, buffer.AsSpan(0, 512));
        Rig.AssertSame(Patterns.Make(65536 + 33280, 512, 7), buffer.AsSpan(0, 512), "behind the range");
    }

    [Fact]
    public void What_was_rewritten_is_not_discarded()
    {
        using var cache = new SmallCache(canDiscard: true, with: AtOnce, content: Patterns.Make(0, 1 << 20, 7));
        cache.Device.Write(0, Patterns.Make(0, 32768, 1));
        cache.Device.Discard(0, 32768);
        cache.Device.Write(8192, Patterns.Make(8192, 8192, 2));
        cache.AdvanceUntil(() => cache.Status.IsClean
            && cache.Backing.Calls(DiskOperation.Discard) > 0, "the discard to be forwarded");
        cache.Settle();
        Rig.AssertSame(Patterns.Make(8192, 8192, 2), cache.Backing.Peek(8192, 8192), "on the backing");
        cache.Device.Write(0, Patterns.Make(0, 4096, 3));
        cache.Device.Drain();
        cache.Reopen();
        var buffer = new byte[8192];
        cache.Device.Read(8192, buffer);
        Rig.AssertSame(Patterns.Make(8192, 8192, 2), buffer, "after a reopen");
        cache.Device.Read(0, buffer.AsSpan(0, 4096));
        Rig.AssertSame(Patterns.Make(0, 4096, 3), buffer.AsSpan(0, 4096), "written after the discard");
    }

    [Fact]
    public void A_backing_that_fails_to_discard_does_not_stop_anything()
    {
        using var cache = new SmallCache(canDiscard: true, with: AtOnce);
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Discard ? new IOException("no discards today")
            : null);
        cache.Device.Write(0, Patterns.Make(0, 8192, 1));
        cache.Device.Discard(0, 8192);
        cache.Device.Write(65536, Patterns.Make(65536, 8192, 2));
        for (int i = 0; i < 100; i++)
        {
            cache.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.True(cache.Status.IsClean, "write-back stops because a discard fails");
        Rig.AssertSame(Patterns.Make(65536, 8192, 2), cache.Backing.Peek(65536, 8192), "on the backing");
        cache.Device.Drain();
    }
}
