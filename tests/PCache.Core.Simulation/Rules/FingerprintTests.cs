using PCache.Core.Layout;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// The fingerprint of the backing: of one that was changed while the cache was away it is compared, and no crash or
/// stranger makes a wrong one of it.
/// </summary>
public sealed class FingerprintTests
{
    /// <summary>As many blocks as are sampled: all of them.</summary>
    private const int BackingBytes = 64 << 10;

    private static readonly RuleChecks Checks = new()
    {
        { Rule.FingerprintNotCompared, ChangeIsFound },
        { Rule.FingerprintKept, () => CrashLeavesNoneOfTheClose(loseLatest: false) },
        { Rule.FingerprintClearedOnce, () => CrashLeavesNoneOfTheClose(loseLatest: true) },
        { Rule.FingerprintStateIgnored, StrangersUseMakesItStale },
        { Rule.FingerprintSequenceIgnored, StrangersBindingMakesItStale },
        { Rule.FingerprintBeforeFlush, PowerCutLeavesWhatItIsAbout },
        { Rule.FingerprintOfFailedBacking, FailedBackingHasNone },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void ChangeIsFound()
    {
        using SmallCache cache = Make();
        cache.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, BackingBytes, 9)), cache.Options));
    }

    /// <summary>
    /// A kill when the backing was told of a discard, and nothing has been logged yet: the log is as it was at the
    /// close, the backing isn't. It is known by what it was at the open, and by what was discarded since.
    /// </summary>
    private static void CrashLeavesNoneOfTheClose(bool loseLatest)
    {
        using var cache = new SmallCache(
            canDiscard: true, content: Patterns.Make(0, BackingBytes, 1), canResize: true);
        cache.Reopen();
        cache.Device.Discard(0, BackingBytes / 2);
        cache.Settle();
        Assert.NotEqual(Patterns.Make(0, BackingBytes, 1), cache.Backing.Snapshot());
        byte[] left = cache.Region.KillImage();
        if (loseLatest)
        {
            ExtensionBlocks.Read(cache.Region, out _, out ReplicaState state);
            left[(state.Latest * MediaConstants.ExtensionStride) + 100] ^= 1;
        }

        using PCacheDevice device = PCacheDevice.Open(SimulatedPmem.FromImage(left), cache.Backing.AfterKill(),
            cache.Options with { LeaveRegionOpen = false });
        Assert.Equal(BackingCheck.MatchedAfterCrash, device.Recovery.BackingCheck);
    }

    /// <summary>Linux writes back what is dirty, and leaves our block as it is.</summary>
    private static void StrangersUseMakesItStale()
    {
        using SmallCache cache = Make();
        cache.Device.Put(0, 1, forced: true);
        cache.Device.Dispose();
        byte[] block = cache.Region.KillImage()[..MediaConstants.BlockSize];
        PCacheOptions options = cache.Options with { LeaveBackingOpen = true, BackingFingerprintBlocks = 0 };
        SimulatedDisk backing = cache.Backing.AfterKill();
        using (PCacheDevice stranger = PCacheDevice.Open(cache.Region, backing, options))
        {
            stranger.Drain();
        }

        cache.Region.Write(0, block);
        using PCacheDevice device = PCacheDevice.Open(cache.Region, backing, cache.Options);
        AssertIs(device, 0, 1);
    }

    /// <summary>The first version of the block was rewritten with whatever bytes stood behind its label.</summary>
    private static void StrangersBindingMakesItStale()
    {
        using SmallCache cache = Make();
        cache.Device.Dispose();
        ExtensionBlocks.Read(cache.Region, out ExtensionBlock? latest, out ReplicaState state);
        ExtensionBlock block = latest!.Value;
        ExtensionBlocks.Write(cache.Region, ref block, ref state);
        ExtensionBlocks.Write(cache.Region, ref block, ref state);
        using PCacheDevice device = PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, BackingBytes, 9)),
            cache.Options);
        Assert.Equal(BackingCheck.Stale, device.Recovery.BackingCheck);
    }

    /// <summary>What the backing held unflushed when the cache was closed, a power cut may take back.</summary>
    private static void PowerCutLeavesWhatItIsAbout()
    {
        using SmallCache cache = Make();
        cache.Backing.Write(0, Patterns.Make(0, BackingBytes, 1));
        cache.Device.Dispose();
        using PCacheDevice device = PCacheDevice.Open(cache.Region, cache.Backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(BackingCheck.Matched, device.Recovery.BackingCheck);
    }

    /// <summary>A flush that failed may have dropped what a later one says is durable.</summary>
    private static void FailedBackingHasNone()
    {
        using SmallCache cache = Make();
        cache.Device.Put(0, 1, forced: true);
        cache.Backing.Plan(new DiskFault { Operation = DiskOperation.Flush, Kind = DiskFaultKind.Error, Times = 1 });
        Rest(cache.Device);
        Assert.NotNull(cache.Status.WritebackError);
        cache.Reopen(backing: Disks.Make(BackingBytes)); // what was written to it before the flush that failed is gone
        Assert.Equal(BackingCheck.MatchedAfterCrash, cache.Status.BackingCheck);
        AssertIs(cache.Device, 0, 1);
    }

    private static SmallCache Make() => new(backingBytes: BackingBytes, with: Quick);
}
