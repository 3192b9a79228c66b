using PCache.Core.Layout;
using PCache.Core.Segments;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Images made by hand: what stands behind the log's end, dead keys, structures that are destroyed, the wrong backing.
/// </summary>
public sealed class RecoveryTests
{
    private const int BackingBytes = 1 << 20;

    private static readonly RuleChecks Checks = new()
    {
        { [Rule.LogEndNotZeroed, Rule.LogRestNotZeroed], NothingStaysBehindTheLog },
        { Rule.DeadKeysDropReferences, DeadKeysHoldNothing },
        { Rule.DeadKeysTakeReferences, DeadKeysHoldNothing },
        { Rule.PayloadCrcBeforeGeneration, DeadKeysPayloadIsNotLookedAt },
        { Rule.DeadKeysWrittenBack, LostWritesReachNothing },
        { Rule.DeadKeysSkipped, DeadKeysHideOlderOnes },
        { Rule.DirtyTailNotMetAccepted, DirtyTailHasToBeMet },
        { Rule.BadGenerationsTakenForZero, DestroyedGenerationIsCorruption },
        { Rule.ZeroedSuperblockFormatted, ZeroedSuperblockIsNoInvitation },
        { Rule.DamagedInfoTakenForNew, DestroyedInfoIsCorruption },
        { Rule.BackingIdentityIgnored, IdentityIsCompared },
        { Rule.BackingLengthIgnored, LengthIsCompared },
        { Rule.BackingNotBound, OpeningBinds },
    };

    public static TheoryData<string> Rules => Checks.Names;

    private static PCacheOptions Manual =>
        new()
        {
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true
        };

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void NothingStaysBehindTheLog()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0));
        image.Region.Bytes(image.DeviceOffset(image.Head) + 8, 4000).Fill(0x5A);
        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(BackingBytes), Manual);
        Assert.Equal(LogEnd.Torn, device.Recovery.LogEnd);
        int rest = image.Geometry.DataSize - image.Head.Offset;
        Assert.False(image.Region.Bytes(image.DeviceOffset(image.Head), rest).ContainsAnyExcept((byte)0),
            "something is left behind the log's end");
    }

    /// <summary>A key of segment 1 is dead, and new payload goes to that segment.</summary>
    private static void DeadKeysHoldNothing()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0, segment: 1), image.Key(Sector, segment: 2), image.Key(2 * Sector, segment: 3),
            image.Key(3 * Sector, segment: 4), image.Key(4 * Sector, segment: 5));
        image.SetDirtyTail(image.Head);
        for (int segment = 1; segment < 6; segment++)
        {
            image.SetGeneration(segment, 1);
        }

        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(BackingBytes),
            Manual with { GcThresholdPercent = 0 });
        Assert.Equal(5, device.Recovery.DeadKeys);
        device.Put(0, 1, sectors: 8, forced: true);
        device.Drain();
        Rest(device);
        Assert.Null(device.GetStatus().WritebackError);
        IntegrityAudit.Check(device, image.Region);
        SegmentTable segments = device.Internals.Store.Segments;
        Assert.Equal(1, Enumerable.Range(0, segments.Count).Sum(segments.References)); // the open segment's own
    }

    private static void DeadKeysPayloadIsNotLookedAt()
    {
        using var image = new ImageBuilder();
        CacheKey dead = image.Key(0, segment: 1);
        image.Append(dead, image.Key(Sector, segment: 2));
        image.SetDirtyTail(image.Head);
        image.SetGeneration(1, 1);
        image.Region.Bytes(image.DeviceOffset(new LogPosition(1, 0)), Sector).Fill(0x99);
        byte[] content = new byte[BackingBytes];
        // what is clean is on the backing
        image.Region.Bytes(image.DeviceOffset(new LogPosition(2, 0)), Sector).CopyTo(content.AsSpan(Sector));
        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(content), Manual);
        Assert.Equal((1, 1), (device.Recovery.DeadKeys, device.Recovery.LiveKeys));
        Assert.Equal(BackingCheck.MatchedAfterCrash, device.Recovery.BackingCheck);
    }

    private static void LostWritesReachNothing()
    {
        using var image = new ImageBuilder(payloadCrc: false);
        image.Append(image.Key(0, segment: 1));
        image.SetGeneration(1, 1);
        var backing = Disks.Make(Patterns.Make(0, BackingBytes, 1));
        using PCacheDevice device = PCacheDevice.Open(image.Region, backing, Manual with { AcceptLostWrites = true });
        device.Put(64 * Sector, 2);
        device.Drain();
        Assert.Equal((1, 2), (backing.IdAt(0), backing.IdAt(64 * Sector)));
    }

    private static void DeadKeysHideOlderOnes()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0, segment: 1));
        image.Append(image.Key(0, segment: 2));
        image.SetDirtyTail(image.Head);
        image.SetGeneration(2, 1);
        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(Patterns.Make(0, BackingBytes, 1)),
            Manual);
        AssertIs(device, 0, 1);
    }

    private static void DirtyTailHasToBeMet()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0));
        image.SetDirtyTail(new LogPosition(0, 8));
        Assert.Throws<PCacheCorruptionException>(() => Open(image));
    }

    private static void DestroyedGenerationIsCorruption()
    {
        using var image = new ImageBuilder();
        image.Append(image.Key(0));
        image.Flip(image.GenerationOffset(1) + 1);
        image.Flip(image.GenerationOffset(1) + MediaConstants.GenerationStride + 1);
        Assert.Throws<PCacheCorruptionException>(() => Open(image));
    }

    private static void ZeroedSuperblockIsNoInvitation()
    {
        using var image = new ImageBuilder(segments: 16);
        image.Append(image.Key(0));
        image.Region.Bytes(MediaConstants.SuperblockOffset, MediaConstants.BlockSize).Clear();
        byte[] before = image.Region.ToArray();
        Assert.Throws<PCacheNotFormattedException>(() => PCacheDevice.Open(image.Region, Disks.Make(BackingBytes),
            Manual with { SegmentSizeBytes = ImageBuilder.SegmentSize }));
        Assert.Equal(before, image.Region.ToArray());
    }

    private static void DestroyedInfoIsCorruption()
    {
        using var image = new ImageBuilder();
        image.Flip(MediaConstants.CacheInfoOffset + 9);
        image.Flip(MediaConstants.CacheInfoOffset + MediaConstants.CacheInfoStride + 9);
        Assert.Throws<PCacheCorruptionException>(() => Open(image));
    }

    private static void IdentityIsCompared()
    {
        using var cache = new SmallCache(with: o =>
            o with { BackingIdentity = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) });
        cache.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(1 << 20), cache.Options with { BackingIdentity = Guid.Empty }));
    }

    private static void LengthIsCompared()
    {
        using var cache = new SmallCache(with: o => o with { BackingFingerprintBlocks = 0 });
        cache.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(2 << 20), cache.Options));
    }

    private static void OpeningBinds()
    {
        using var image = new ImageBuilder();
        Open(image);
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(image.Region, Disks.Make(2 * BackingBytes), Manual));
    }

    private static void Open(ImageBuilder image)
    {
        using PCacheDevice device = PCacheDevice.Open(image.Region, Disks.Make(BackingBytes), Manual);
    }
}
