using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Flushes, the order of keys, misses that are overtaken, and barriers: what the device or its backing shows.
/// </summary>
public sealed class OrderTests
{
    private const int Stripe = 4 << 20;

    private static readonly RuleChecks Checks = new()
    {
        { Rule.FlushSkipsShards, FlushCoversEverything },
        { Rule.ForceUnitAccessNotFlushed, ForcedWritesAreDurable },
        { Rule.KeysReversedInKset, LaterWriteWinsAfterReopen },
        { Rule.CloseDropsPendingKeys, LaterWriteWinsAfterReopen },
        { Rule.WritebackOldestWins, LaterWriteWinsOnTheBacking },
        { [Rule.LateFillHidesWrite, Rule.MissReservesLate, Rule.LateFillLoggedWhole], WriteOvertakesMiss },
        { Rule.MergeTakesOldSector, WriteOvertakesMerge },
        { Rule.NewerMarkedClean, WriteOvertakesWriteback },
        { [Rule.BarriersIgnored, Rule.BarrierNotLogged], BackingIsFlushedBetweenBarriers },
        { Rule.UnnumberedBoundaryIgnored, BackingIsFlushedBetweenUnnumberedKsets },
        { Rule.WaitingWriteLeavesHole, ReadersSeeTheNewestWhileAWriteWaits },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void FlushCoversEverything()
    {
        using var cache = new SmallCache(backingBytes: 64L * Stripe);
        for (int i = 0; i < 64; i++)
        {
            cache.Device.Put((long)i * Stripe, i + 1);
        }

        cache.Device.Flush();
        using PCacheDevice killed = cache.OpenKilledCopy();
        for (int i = 0; i < 64; i++)
        {
            AssertIs(killed, (long)i * Stripe, i + 1);
        }
    }

    private static void ForcedWritesAreDurable()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, forced: true);
        using PCacheDevice killed = cache.OpenKilledCopy();
        AssertIs(killed, 0, 1);
    }

    private static void LaterWriteWinsAfterReopen()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        cache.Device.Put(0, 2);
        cache.Reopen();
        AssertIs(cache.Device, 0, 2);
    }

    private static void LaterWriteWinsOnTheBacking()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, sectors: 4);
        cache.Device.Put(Sector, 2);
        cache.Device.Drain();
        Assert.Equal((1, 2, 1), (cache.Backing.IdAt(0), cache.Backing.IdAt(Sector), cache.Backing.IdAt(2 * Sector)));
    }

    private static void WriteOvertakesMiss()
    {
        using var cache = new SmallCache(content: Patterns.Make(0, 1 << 20, 1));
        cache.Backing.AfterCall = Once(DiskOperation.Read, () => cache.Device.Put(3 * Sector, 2));
        cache.Device.Read(0, new byte[8 * Sector]);
        AssertIs(cache.Device, 3 * Sector, 2);
        AssertIs(cache.Device, 2 * Sector, 1);
        cache.Reopen();
        AssertIs(cache.Device, 3 * Sector, 2);
        AssertIs(cache.Device, 4 * Sector, 1);
    }

    private static void WriteOvertakesMerge()
    {
        using var cache = new SmallCache(content: Patterns.Make(0, 1 << 20, 1));
        cache.Backing.AfterCall = Once(DiskOperation.Read, () => cache.Device.Put(Sector, 2));
        cache.Device.Write(Sector + 100, new byte[16]);
        byte[] expected = Patterns.Make(Sector, Sector, 2);
        expected.AsSpan(100, 16).Clear();
        var now = new byte[Sector];
        cache.Device.Read(Sector, now);
        Assert.Equal(expected, now);
    }

    private static void WriteOvertakesWriteback()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        cache.Backing.AfterCall = Once(DiskOperation.Write, () => cache.Device.Put(0, 2));
        cache.Device.Drain();
        AssertIs(cache.Device, 0, 2);
        Assert.Equal(1, cache.Status.DirtyKeys);
    }

    private static void BackingIsFlushedBetweenBarriers()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        cache.Device.Flush();
        cache.Device.Put(64 * Sector, 2);
        cache.Device.Flush();
        AssertFlushedBetween(cache.Backing, cache.Device);
    }

    private static void BackingIsFlushedBetweenUnnumberedKsets()
    {
        using var image = new ImageBuilder { NextSequence = 0 };
        image.Append(image.Key(0));
        image.Append(image.Key(64 * Sector));
        var backing = Disks.Make(1 << 20);
        using PCacheDevice device = PCacheDevice.Open(image.Region, backing,
            new PCacheOptions { Maintenance = MaintenanceMode.Manual, LeaveRegionOpen = true });
        AssertFlushedBetween(backing, device);
    }

    private static void AssertFlushedBetween(SimulatedDisk backing, PCacheDevice device)
    {
        var calls = new List<DiskOperation>();
        backing.AfterCall = e => calls.Add(e.Operation);
        device.Drain();
        Assert.Equal([DiskOperation.Write, DiskOperation.Flush, DiskOperation.Write, DiskOperation.Flush], calls);
    }

    private static void ReadersSeeTheNewestWhileAWriteWaits()
    {
        using var cache = new SmallCache(segments: 6, with: Quick);
        long acknowledged = 0;
        int looks = 0;
        cache.Backing.BeforeCall = e =>
        {
            if (e.Operation == DiskOperation.Write && acknowledged > 0)
            {
                looks++;
                Assert.InRange(cache.Device.IdAt(0), acknowledged, long.MaxValue);
            }
        };
        string? seen = null;
        for (int id = 1; id <= 20 && seen is null; id++)
        {
            cache.Device.Put(0, id, sectors: 96);
            acknowledged = id;
            // an assertion in a call of the backing counts as a failure of write-back
            seen = cache.Status.WritebackError?.Message;
        }

        cache.Backing.BeforeCall = null;
        Assert.Null(seen);
        Assert.True(looks > 3, "some write waited");
        Assert.True(cache.Status.SpaceWaits > 0);
    }
}
