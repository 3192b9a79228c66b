using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Losing the latest replica of a tail must never be harmful: at every moment the older dirty tail lies at or behind
/// both key tails, and what a truncation
/// cuts off has left the log by both of them.
/// </summary>
public sealed class TailReplicaTests
{
    private static PCacheOptions Eager(PCacheOptions options) =>
        options with { GcThresholdPercent = 0, WritebackDelay = TimeSpan.Zero };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_is_collected_beyond_the_older_dirty_tail(bool reopened)
    {
        // No write-back and no collection until the log is there; all of it in the log's first segment, so that offsets
        // tell what is earlier.
        using var cache = new SmallCache(segments: 24, with: o =>
            Eager(o) with { StartWritebackPaused = true, GcThresholdPercent = reopened ? 90 : 0 });
        for (int i = 0; i < 90; i++)
        {
            cache.Device.Write(i * 512, Patterns.Make(i * 512, 512, i + 1), WriteDurability.ForceUnitAccess);
        }

        cache.Device.ResumeWriteback();
        if (reopened)
        {
            // All is written back, nothing collected: the replica that isn't the latest is one group behind.
            cache.Settle();
            cache.Reopen(o => Eager(o) with { StartWritebackPaused = false });
            (PositionRecord Latest, PositionRecord Older) dirty = Tail(cache.Region, MediaConstants.DirtyTailOffset);
            Assert.True(dirty.Older.Offset < dirty.Latest.Offset);
        }

        int drains = 0;
        Exception? found = null;
        cache.Region.BeforeEvent = e =>
        {
            if (e == PmemEvent.Drain)
            {
                // maintenance would take it for a failing step
                found ??= Record.Exception(() => AssertOrder(cache.Region));
                drains++;
            }
        };
        cache.Settle();
        Assert.Null(found);
        AssertOrder(cache.Region);
        cache.Region.BeforeEvent = null;
        Assert.True(drains > 3);
        (PositionRecord Latest, PositionRecord Older) keyTail = Tail(cache.Region, MediaConstants.KeyTailOffset);
        Assert.True(keyTail.Latest.Offset > 1000, "something was collected");
    }

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(true, false, true)]
    public async Task What_a_truncation_cuts_off_has_left_the_log_by_both_replicas_of_the_key_tail(bool asynchronous,
        bool reopened, bool collected)
    {
        using var cache = new SmallCache(segments: 8, backingBytes: 128 << 10, canResize: true, with: o =>
            collected ? Eager(o) : o);
        for (int i = 0; i < 100; i++)
        {
            cache.Device.Write(i * 512, Patterns.Make(i * 512, 512, i + 1), WriteDurability.ForceUnitAccess);
        }

        if (reopened)
        {
            cache.Reopen();
            cache.Device.Write(64 << 10, Patterns.Make(64 << 10, 512, 7), WriteDurability.ForceUnitAccess);
        }

        if (collected)
        {
            // By the ordinary way, which writes one replica: the truncation finds nothing left to collect, and yet the
            // log isn't left for good.
            cache.Settle();
            (PositionRecord Latest, PositionRecord Older) before = Tail(cache.Region, MediaConstants.KeyTailOffset);
            Assert.Equal((uint)cache.Status.KeyHead.Offset, before.Latest.Offset);
            Assert.True(before.Older.Offset < before.Latest.Offset);
        }

        int cuts = 0;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.SetLength)
            {
                cuts++;
                (PositionRecord latest, PositionRecord older) = Tail(cache.Region, MediaConstants.KeyTailOffset);
                Assert.Equal((latest.Segment, latest.Offset), (older.Segment, older.Offset));
                Assert.Equal(cache.Status.KeyHead, new LogPosition((int)latest.Segment, (int)latest.Offset));
            }
        };
        if (asynchronous)
        {
            await cache.Device.SetLengthAsync(4096);
        }
        else
        {
            cache.Device.SetLength(4096);
        }

        Assert.Equal(1, cuts);
    }

    /// <summary>The log goes on in its next segments, and each that is given up is left by both replicas
    /// first.</summary>
    [Fact]
    public void A_log_segment_is_given_up_when_both_replicas_have_left_it()
    {
        using var cache = new SmallCache(segments: 6, with: Eager);
        var used = new HashSet<int>();
        for (int i = 0; i < 4000; i++)
        {
            cache.Device.Write(i % 100 * 512, Patterns.Make(i % 100 * 512, 512, i + 1),
                WriteDurability.ForceUnitAccess);
            cache.Device.RunMaintenanceStep();
            (PositionRecord latest, PositionRecord older) = Tail(cache.Region, MediaConstants.KeyTailOffset);
            used.Add((int)latest.Segment);
            cache.Device.Internals.Store.Segments.CountUses(out _, out _, out int log, out _, out _);
            Assert.True(latest.Segment == older.Segment
                || log >= 2,
                $"write {i}: the older key tail names segment {older.Segment}, which isn't the log's any more");
        }

        Assert.True(used.Count > 2, "the log went on");
    }

    private static void AssertOrder(PmemRegion region)
    {
        (PositionRecord Latest, PositionRecord Older) dirty = Tail(region, MediaConstants.DirtyTailOffset);
        (PositionRecord Latest, PositionRecord Older) keys = Tail(region, MediaConstants.KeyTailOffset);
        Assert.Equal(0u, dirty.Latest.Segment);
        uint firstDirty = Math.Min(dirty.Latest.Offset, dirty.Older.Offset);
        uint lastKeys = Math.Max(keys.Latest.Offset, keys.Older.Offset);
        Assert.True(firstDirty >= lastKeys,
            $"dirty tail {dirty.Latest.Offset} (other replica {dirty.Older.Offset}), key tail {keys.Latest.Offset} "
            + $"(other replica {keys.Older.Offset})");
    }

    private static (PositionRecord Latest, PositionRecord Older) Tail(PmemRegion region, long offset)
    {
        Replicas.Read(region, offset, MediaConstants.PositionStride, out PositionRecord latest,
            out PositionRecord older, out _);
        return (latest, older);
    }
}
