using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// The ways that an operation goes when nothing has to be waited for. Keeps true: what comes between two steps of it
/// comes on the same thread, at a moment that the table has a probe for.
/// </summary>
public sealed class HotPathTests
{
    private const int Page = 4096;

    private static readonly RuleChecks Checks = new()
    {
        { Rule.DirectPlaceNotChecked, PlaceIsCheckedUnderTheLock },
        { Rule.DirectRoomNotReturned, FailedWriteKeepsNothing },
        {
            [
                Rule.DirectKeyOfNextSector, Rule.DirectKeyWithoutChecksum, Rule.DirectKeyOfOtherGeneration,
                    Rule.DirectKeyClean,
                Rule.DirectWriteNotCounted,
            ],
            OverwritesAreLogged
        },
        { Rule.DirectWriteDiscarded, OverwriteEndsADiscard },
        { Rule.HitNotCheckedAfterCopy, ReusedPayloadIsNoHit },
        { Rule.HitChecksumIgnored, DamageIsNoHit },
        { Rule.IndexLatchNotChecked, MovedSlotIsNoHit },
        { Rule.MergedSectorOfOtherDevice, DevicesMergeApart },
        { Rule.MergedSectorOfOtherGeneration, ReusedPlaceIsMergedAnew },
        { [Rule.BatchOrderReversed, Rule.BatchRoomReturned, Rule.BatchKeyWithoutChecksum], BatchIsItsWritesInOrder },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    /// <summary>
    /// Between the search without the lock and the lock, a page in front of the place enters the index, and what stood
    /// there moves on.
    /// </summary>
    private static void PlaceIsCheckedUnderTheLock()
    {
        using var cache = new SmallCache();
        cache.Device.Put(2 * Page, 1, sectors: 8);
        bool came = ComesBetween(Moment.DirectPlaceFound, () => cache.Device.Put(Page, 2, sectors: 8), () =>
            cache.Device.Put(2 * Page, 3, sectors: 8));
        Assert.True(came, "the write wasn't direct");
        Assert.Equal((2, 3), (cache.Device.IdAt(Page), cache.Device.IdAt(2 * Page)));
        IntegrityAudit.Check(cache.Device, cache.Region);
        cache.Reopen();
        Assert.Equal((2, 3), (cache.Device.IdAt(Page), cache.Device.IdAt(2 * Page)));
    }

    private static void FailedWriteKeepsNothing()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, sectors: 8);
        cache.Region.DrainError = new IOException("planned");
        Assert.Throws<IOException>(() => cache.Device.Put(0, 2, sectors: 8));
        cache.Region.DrainError = null;
        IntegrityAudit.Check(cache.Device, cache.Region);
        AssertIs(cache.Device, 0, 1);
    }

    /// <summary>
    /// Pages and sectors over what is there, in segments that were used before: as they were written, in this life and
    /// the next, and on the backing.
    /// </summary>
    private static void OverwritesAreLogged()
    {
        using var cache = new SmallCache(segments: 6, backingBytes: 64 * Page, with: o =>
            Quick(o) with { GcThresholdPercent = 0 });
        int id = 0;
        for (; cache.Status.SegmentsReclaimed < 8; id++)
        {
            cache.Device.Put(id % 8 * Page, id, sectors: 8);
            cache.Settle();
        }

        IntegrityAudit.Check(cache.Device, cache.Region);
        for (int i = 0; i < 8; i++)
        {
            cache.Device.Put(i * Page, ++id, sectors: 8);
        }

        for (int i = 0; i < 2; i++)
        {
            cache.Device.Put(Sector, ++id);
        }

        IntegrityAudit.Check(cache.Device, cache.Region);
        AssertAll(cache.Device, id);
        cache.Reopen();
        AssertAll(cache.Device, id);
        cache.Device.Drain();
        AssertAll(cache.Backing, id);

        static void AssertAll(IBlockDevice device, int last)
        {
            for (int i = 0; i < 8; i++)
            {
                AssertIs(device, i * Page, last - 9 + i);
                AssertIs(device, (i * Page) + (2 * Sector), last - 9 + i);
            }

            AssertIs(device, Sector, last);
        }
    }

    /// <summary>A discard waits for the dirty tail; what is written over it meanwhile stays.</summary>
    private static void OverwriteEndsADiscard()
    {
        using var cache = new SmallCache(backingBytes: 16 * Page, canDiscard: true);
        cache.Device.Put(0, 1, sectors: 64);
        cache.Device.Put(2 * Page, 2, sectors: 8);
        cache.Device.Discard(0, 8 * Page);
        cache.Device.Put(15 * Page, 3); // a list that is open for the next key
        cache.Device.Put(2 * Page, 4, sectors: 8);
        cache.Device.Drain();
        cache.Settle();
        Assert.Equal((4, 4), (cache.Device.IdAt(2 * Page), cache.Backing.IdAt(2 * Page)));
    }

    /// <summary>
    /// Between the look at the index and the copy, the sector is overwritten, and its payload's segment goes to others.
    /// </summary>
    private static void ReusedPayloadIsNoHit()
    {
        const int Pages = 60;
        using var cache = new SmallCache(segments: 6, backingBytes: Pages * Page, with: o =>
            Quick(o) with { GcThresholdPercent = 0, PayloadCrc = false });
        cache.Device.Put(0, 1, sectors: 8);
        long seen = 0;
        int id = 1;
        bool came = ComesBetween(
            Moment.HitFound,
            () =>
            {
                for (int i = 0; i < 10 * Pages; i++)
                {
                    cache.Device.Put(id % Pages * Page, ++id, sectors: 8);
                    cache.Settle();
                }
            },
            () => seen = cache.Device.IdAt(0));
        Assert.True(came, "no hit");
        Assert.True(cache.Status.SegmentsReclaimed > 12, "the segments were used again");
        long now = cache.Device.IdAt(0);
        Assert.True(seen == 1 || seen == now, $"read {seen}; before it stood 1 there, now {now}");
    }

    private static void DamageIsNoHit()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, sectors: 8, forced: true);
        byte[] payload = Patterns.Make(0, Page, 1);
        cache.Region.FlipBit(cache.Region.KillImage().AsSpan().IndexOf(payload) + 40, 3);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.IdAt(0));
    }

    /// <summary>
    /// Between the search for a page and the look at its slot, a page in front of it enters the index, and the slot
    /// moves on.
    /// </summary>
    private static void MovedSlotIsNoHit()
    {
        using var cache = new SmallCache();
        for (int i = 2; i < 5; i++)
        {
            cache.Device.Put(i * Page, i, sectors: 8);
        }

        long seen = 0;
        bool came = ComesBetween(Moment.PageFound, () => cache.Device.Put(Page, 9, sectors: 8), () =>
            seen = cache.Device.IdAt(3 * Page));
        Assert.True(came, "no look without the lock");
        Assert.Equal(3, seen);
    }

    /// <summary>Two devices with one history, so with the same places.</summary>
    private static void DevicesMergeApart()
    {
        using SmallCache one = OneHead();
        using SmallCache other = OneHead();
        one.Device.Put(0, 1);
        other.Device.Put(0, 2);
        one.Device.Write(10, [1]);
        other.Device.Put(0, 3);
        other.Device.Write(20, [2]);
        byte[] expected = Patterns.Make(0, Sector, 3);
        expected[20] = 2;
        AssertHolds(other.Device, 0, expected);
    }

    /// <summary>
    /// Whole sectors leave the thread's copy alone. One after the other they go through all segments, until one lies
    /// where the copy came from.
    /// </summary>
    private static void ReusedPlaceIsMergedAnew()
    {
        using SmallCache cache = OneHead();
        long last = cache.Backing.Length - Sector;
        cache.Device.Put(last, 1);
        cache.Device.Write(last + 50, [1]);
        Extent kept = ExtentOf(cache.Device, last);
        for (int i = 0; ; i++)
        {
            Assert.True(i < 100_000, "the place is never used again");
            long offset = i * Sector % last;
            cache.Device.Put(offset, i + 2);
            Extent now = ExtentOf(cache.Device, offset);
            if ((now.Segment, now.PayloadSector) == (kept.Segment, kept.PayloadSector))
            {
                cache.Device.Write(offset + 20, [2]);
                byte[] expected = Patterns.Make(offset, Sector, i + 2);
                expected[20] = 2;
                AssertHolds(cache.Device, offset, expected);
                return;
            }
        }
    }

    private static void BatchIsItsWritesInOrder()
    {
        using var cache = new SmallCache();
        cache.Device.WriteBatch([new(0, Patterns.Make(0, Page, 1)), new(Sector, Patterns.Make(Sector, Sector, 2)),
            new(Page, Patterns.Make(Page, Sector, 3))]);
        IntegrityAudit.Check(cache.Device, cache.Region);
        AssertAll(cache.Device);
        cache.Reopen();
        AssertAll(cache.Device);

        static void AssertAll(IBlockDevice device) =>
            Assert.Equal((1, 2, 1, 3), (device.IdAt(0), device.IdAt(Sector), device.IdAt(2 * Sector),
                device.IdAt(Page)));
    }

    /// <summary>Does something, and something else at the first such moment on the way. False: it never came.</summary>
    private static bool ComesBetween(Moment moment, Action other, Action action)
    {
        bool came = false;
        Mutation.At = now =>
        {
            if (now == moment && !came)
            {
                came = true;
                other();
            }
        };
        try
        {
            action();
        }
        finally
        {
            Mutation.At = null;
        }

        return came;
    }

    /// <summary>One data head, so that where payload goes depends on nothing but the order of writes.</summary>
    private static SmallCache OneHead() =>
        new(backingBytes: 256 << 10, with: options =>
            MachineClock.On(options, new Machine { Chance = Chance.FromSeed(5, 1) }));

    private static void AssertHolds(PCacheDevice device, long offset, byte[] expected)
    {
        var actual = new byte[expected.Length];
        Assert.Equal(actual.Length, device.Read(offset, actual));
        Assert.Equal(expected, actual);
    }

    private static Extent ExtentOf(PCacheDevice device, long offset)
    {
        IndexShard shard = IndexOf(device).For(0);
        using (shard.Gate.Hold())
        {
            Assert.True(shard.Stripes.TryFind(0, out StripeIndex index));
            int sector = (int)(offset / Sector);
            Assert.True(index.TryGetSingle(sector, sector + 1, out Extent extent));
            return extent;
        }
    }
}
