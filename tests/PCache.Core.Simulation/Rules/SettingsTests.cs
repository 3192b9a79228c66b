using System.Buffers;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>Replicas, formatting, what an open takes for dirty, and the edges of numbers and of the backing.</summary>
public sealed class SettingsTests
{
    private static readonly RuleChecks Checks = new()
    {
        { [Rule.ReplicaStrideIsSize, Rule.ReplicaSequenceKept], () => LastSettingIsThere(changes: 2) },
        { Rule.ReplicaSequenceDoesNotWrap, () => LastSettingIsThere(changes: 255) },
        { Rule.OldReplicasLeft, FormattingForgetsSettings },
        { Rule.OldKsetsLeft, FormattingForgetsData },
        { Rule.ExistingOverwritten, CreatingNeedsConsent },
        { Rule.EverythingDirtyAfterOpen, WrittenBackStaysWrittenBack },
        { Rule.EverythingCleanAfterOpen, DirtyStaysDirty },
        { Rule.StaleBytesBeyondEnd, BeyondTheEndAreZeros },
        { Rule.KeyOffset32Bits, OffsetsAreLong },
        { Rule.PercentNarrowed, PercentagesAreChecked },
        { [Rule.WritebackIgnoresBlockSize, Rule.MissIgnoresBlockSize], BackingGetsWholeBlocks },
        { Rule.WritebackPastTheEnd, NothingIsWrittenPastTheEnd },
        { Rule.FileNotLocked, OneOwnerAtATime },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void LastSettingIsThere(int changes)
    {
        using var cache = new SmallCache();
        for (int i = 1; i <= changes; i++)
        {
            cache.Device.SetGcThreshold(i % 90);
        }

        cache.Reopen();
        Assert.Equal(changes % 90, cache.Status.GcThresholdPercent);
    }

    private static void FormattingForgetsSettings()
    {
        using var cache = new SmallCache();
        cache.Device.SetGcThreshold(32);
        cache.Device.SetGcThreshold(33); // in either replica
        cache.Device.Dispose();
        using PCacheDevice again = PCacheDevice.Create(cache.Region, Disks.Make(1 << 20),
            cache.Options with { OverwriteExisting = true });
        Assert.Equal(70, again.GetStatus().GcThresholdPercent);
    }

    private static void FormattingForgetsData()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, forced: true);
        cache.Device.Dispose();
        using PCacheDevice again = PCacheDevice.Create(cache.Region, Disks.Make(1 << 20),
            cache.Options with { OverwriteExisting = true });
        AssertIs(again, 0, 0);
    }

    private static void CreatingNeedsConsent()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        Assert.Throws<PCacheException>(() => PCacheDevice.Create(cache.Region, Disks.Make(1 << 20), cache.Options));
    }

    private static void WrittenBackStaysWrittenBack()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        cache.Device.Drain();
        cache.Reopen();
        Assert.True(cache.Device.Recovery.LiveKeys > 0);
        Assert.True(cache.Status.IsClean);
    }

    private static void DirtyStaysDirty()
    {
        using var cache = new SmallCache(with: Quick);
        cache.Device.Put(0, 1);
        cache.Reopen();
        Assert.Equal((1, Sector), (cache.Status.DirtyKeys, cache.Status.DirtyBytes));
        cache.Settle();
        Assert.Equal(1, cache.Backing.IdAt(0));
    }

    private static void BeyondTheEndAreZeros()
    {
        for (int size = 512; size <= 1 << 20; size *= 2)
        {
            byte[] used = ArrayPool<byte>.Shared.Rent(size);
            used.AsSpan().Fill(0xEE);
            ArrayPool<byte>.Shared.Return(used);
        }

        using var cache = new SmallCache(backingBytes: (1 << 20) + 100, canResize: true);
        cache.Device.Read(1 << 20, new byte[100]);
        cache.Device.SetLength((1 << 20) + Sector);
        AssertIs(cache.Device, 1 << 20, 0);
    }

    private static void OffsetsAreLong()
    {
        const long Far = (4L << 30) + (8 << 20);
        using var cache = new SmallCache(backingBytes: 5L << 30);
        cache.Device.Put(Far, 1);
        cache.Reopen();
        AssertIs(cache.Device, Far, 1);
        AssertIs(cache.Device, 8 << 20, 0);
        cache.Device.Drain();
        Assert.Equal(1, cache.Backing.IdAt(Far));
    }

    private static void PercentagesAreChecked()
    {
        using var cache = new SmallCache();
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.SetGcThreshold(300));
    }

    private static void BackingGetsWholeBlocks()
    {
        using var cache = new SmallCache(blockSize: 4096);
        cache.Device.Put(9 * Sector, 1);
        cache.Device.Drain();
        AssertIs(cache.Device, 77 * Sector, 0);
        Assert.Empty(cache.Backing.Violations);
    }

    private static void NothingIsWrittenPastTheEnd()
    {
        using var cache = new SmallCache(backingBytes: (1 << 20) + 100);
        cache.Device.Write(1 << 20, new byte[100]);
        cache.Device.Drain();
        Assert.Empty(cache.Backing.Violations);
    }

    private static void OneOwnerAtATime()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("pcache-rule-");
        try
        {
            string path = Path.Combine(folder.FullName, "cache");
            using PmemRegion region = PmemFile.Create(path, 1 << 20);
            Assert.Throws<PCacheInUseException>(() => PmemFile.Open(path));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
