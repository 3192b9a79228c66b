using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>Calls of the backing or drains of the medium that fail, replicas and payload that are damaged.</summary>
public sealed class FaultTests
{
    private static readonly RuleChecks Checks = new()
    {
        { [Rule.KeyHeadAdvancedFirst, Rule.FailedAppendForgotten, Rule.LaterKeysLoggedFirst],
            FailedAppendLosesNothing },
        { [Rule.BackingFlushErrorIgnored, Rule.DirtyTailBeforeFlush], FailedFlushMovesNothing },
        { Rule.ReferencesDroppedFirst, () => FailedKeyTailFreesNothing(writes: 5, drains: 6) },
        { Rule.LogSegmentFreedFirst, () => FailedKeyTailFreesNothing(writes: 900, drains: 40) },
        { Rule.ReplicaStateAdvancedFirst, FailedReplicaWriteIsRepeated },
        { Rule.BadReplicaFatal, OneReplicaIsEnough },
        { Rule.UnreadableReplicaFatal, OneReadableReplicaIsEnough },
        { Rule.PayloadDamageUnloadable, DamagedPayloadStopsNothing },
        { Rule.PayloadDamageStopsWriteback, DamagedPayloadStopsNothing },
        { Rule.PayloadDamageWrittenBack, DamagedPayloadStopsNothing },
        { Rule.KsetErrorTakenForNothing, UnreadableKsetIsTold },
        { Rule.FailureHidden, FailingBackingIsTold },
        { Rule.CloseErrorIgnored, FailingCloseIsTold },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    /// <summary>Whichever drain of a flush fails, the next flush logs all, in order.</summary>
    private static void FailedAppendLosesNothing()
    {
        int failures = 0;
        for (int n = 0; ; n++)
        {
            using var cache = new SmallCache();
            cache.Device.Put(0, 1);
            cache.Device.Put(Sector, 2);
            FailDrain(cache.Region, n);
            Exception? error = Record.Exception(cache.Device.Flush);
            cache.Region.BeforeEvent = null;
            cache.Region.DrainError = null;
            if (error is null)
            {
                break;
            }

            failures++;
            Assert.IsAssignableFrom<IOException>(error);
            cache.Device.Put(0, 3);
            cache.Device.Flush();
            cache.Device.Put(Sector * 2, 4, forced: true);
            using PCacheDevice killed = cache.OpenKilledCopy();
            Assert.Equal((3, 2, 4), (killed.IdAt(0), killed.IdAt(Sector), killed.IdAt(2 * Sector)));
        }

        Assert.InRange(failures, 2, 10);
    }

    private static void FailedFlushMovesNothing()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        LogPosition before = cache.Status.DirtyTail;
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Flush ? new IOException("planned") : null);
        Assert.ThrowsAny<IOException>(() => cache.Device.Drain());
        Assert.Equal(before, cache.Status.DirtyTail);
        using PmemRegion image = Rig.Load(cache.Region.KillImage());
        Assert.Equal(before, MediaLoader.Load(image).DirtyTail);
        Assert.False(cache.Status.IsClean);
        cache.Backing.BeforeCall = null;
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
    }

    /// <summary>
    /// A key tail that can't be made durable is written again; until then nothing that it would free is free, and
    /// nothing is freed twice.
    /// </summary>
    private static void FailedKeyTailFreesNothing(int writes, int drains)
    {
        for (int n = 0; n < drains; n++)
        {
            using var cache = new SmallCache(with: o => o with { GcThresholdPercent = 90 });
            for (int i = 0; i < writes; i++)
            {
                cache.Device.Put(i % 8 * Sector, i + 1, forced: true);
            }

            cache.Device.Drain();
            Rest(cache.Device);
            cache.Device.SetGcThreshold(0);
            FailDrain(cache.Region, n);
            for (int i = 0; i < 100; i++)
            {
                cache.Device.RunMaintenanceStep();
                cache.Clock.Advance(TimeSpan.FromSeconds(40));
                cache.Region.DrainError = null;
            }

            cache.Region.BeforeEvent = null;
            Assert.Null(cache.Status.WritebackError);
            IntegrityAudit.Check(cache.Device, cache.Region);
            object segments = cache.Device.Internals.Store.Segments;
            int[] free = [.. (Queue<int>)Field(segments, "_reserve"), .. (Queue<int>)Field(segments, "_free")];
            Assert.Equal(free.Distinct(), free);
            Assert.Equal(16 - free.Length, cache.Status.SegmentsUsed);
        }
    }

    private static void FailDrain(SimulatedPmem region, int n)
    {
        int drains = 0;
        region.OnDrain(() => region.DrainError = drains++ == n ? new IOException("planned") : null);
    }

    private static void FailedReplicaWriteIsRepeated()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(1 << 16);
        ReplicaState state = ReplicaState.None;
        for (uint i = 1; i <= 3; i++)
        {
            var record = new PositionRecord { Segment = i };
            Replicas.Write(region, 0, MediaConstants.PositionStride, ref record, ref state);
        }

        region.DrainError = new IOException("planned");
        var failed = new PositionRecord { Segment = 4 };
        Assert.Throws<IOException>(() =>
            Replicas.Write(region, 0, MediaConstants.PositionStride, ref failed, ref state));
        region.DrainError = null;
        bool there = false;
        region.OnDrain(() =>
        {
            // Torn: what is being written has no valid checksum yet. Then the other replica has to be the latest that
            // is durable.
            byte[] image = region.KillImage();
            image[(1 - state.Latest) * MediaConstants.PositionStride] ^= 0x55;
            using PmemRegion copy = Rig.Load(image);
            Replicas.Read(copy, 0, MediaConstants.PositionStride, out PositionRecord latest, out _, out _);
            there = latest.Segment == 3;
        });
        var again = new PositionRecord { Segment = 5 };
        Replicas.Write(region, 0, MediaConstants.PositionStride, ref again, ref state);
        Assert.True(there, "the latest durable value is gone while the next is written");
    }

    private static void OneReplicaIsEnough()
    {
        using var cache = new SmallCache();
        cache.Device.SetGcThreshold(33);
        cache.Device.SetLabel("one");
        cache.Device.Put(0, 1);
        cache.Device.Drain();
        cache.Device.Put(0, 2);
        foreach (long replica in (long[])[MediaConstants.ExtensionOffset, MediaConstants.CacheInfoOffset,
            MediaConstants.KeyTailOffset, MediaConstants.DirtyTailOffset])
        {
            cache.Reopen(change: image => image[replica + 1] ^= 0x55);
            AssertIs(cache.Device, 0, 2);
        }
    }

    private static void OneReadableReplicaIsEnough()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0));
        image.SetGeneration(2, 1);
        foreach (long replica in (long[])[MediaConstants.ExtensionOffset
            + MediaConstants.ExtensionStride, MediaConstants.CacheInfoOffset, MediaConstants.KeyTailOffset
            + MediaConstants.PositionStride])
        {
            image.Region.Poison(replica, 16);
        }

        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(1 << 20),
            new PCacheOptions { ReadOnly = true, LeaveRegionOpen = true });
        var bytes = new byte[Sector];
        device.Read(0, bytes);
        Assert.Equal(7, bytes[5]);
    }

    private static void DamagedPayloadStopsNothing()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, forced: true);
        cache.Device.Put(64 * Sector, 2, forced: true);
        byte[] payload = Patterns.Make(0, Sector, 1);
        cache.Reopen(change: image => image[image.AsSpan().IndexOf(payload) + 40] ^= 0x55);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        Assert.Equal((0, 2), (cache.Backing.IdAt(0), cache.Backing.IdAt(64 * Sector)));
        Assert.Equal([new DeviceRange(0, Sector)], cache.Status.DamagedRanges);
    }

    private static void UnreadableKsetIsTold()
    {
        using var image = new ImageBuilder();
        long kset = image.DeviceOffset(image.Append(image.Key(0)));
        var options = Quick(new PCacheOptions
        {
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true
        });
        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(1 << 20), options);
        image.Region.Poison(kset, 16);
        Rest(device);
        Assert.IsAssignableFrom<IOException>(device.GetStatus().WritebackError);
        Assert.False(device.GetStatus().IsClean);
    }

    private static void FailingBackingIsTold()
    {
        using var cache = new SmallCache(with: Quick);
        cache.Device.Put(0, 1, forced: true);
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Write ? new IOException("planned") : null);
        Rest(cache.Device);
        Assert.Equal("planned", cache.Status.WritebackError?.Message);
        Assert.Equal(1, cache.Status.WritebackFailures);
    }

    private static void FailingCloseIsTold()
    {
        var cache = new SmallCache();
        cache.Device.Put(0, 1);
        cache.Region.DrainError = new IOException("planned");
        Assert.Throws<IOException>(cache.Device.Dispose);
        cache.Region.Dispose();
    }
}
