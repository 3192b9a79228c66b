using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>
/// After a crash the backing is known by what is clean in the cache, by what it held at the open, and by its file: an
/// older copy is refused, the right one never is, whatever write-back was doing.
/// </summary>
public sealed class BackingAfterCrashTests
{
    private const int Length = 1 << 20;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_older_copy_is_refused_when_something_was_written_back_since(bool payloadCrc)
    {
        using SmallCache cache = Make(o => o with { PayloadCrc = payloadCrc });
        Write(cache, 0, 40, 1);
        cache.Device.Drain();
        byte[] older = cache.Backing.Snapshot();
        Write(cache, 20, 3, 2);
        cache.Device.Drain();
        Write(cache, 30, 10, 3);
        cache.Device.Flush();
        AssertRefused(cache, older);
        AssertAccepted(cache, cache.Backing.Snapshot());
    }

    /// <summary>An empty cache forgets its discards, and with them what it knew of the backing from before.</summary>
    [Fact]
    public void A_discard_that_two_crashes_follow_is_no_difference()
    {
        using var cache = new SmallCache(canDiscard: true, with: o => o with { BackingFingerprintBlocks = 4096 });
        cache.Device.Discard(0, Length);
        cache.Settle();
        Assert.True(cache.Backing.Calls(DiskOperation.Discard) > 0);
        using SimulatedPmem region = cache.Region.AfterKill();
        SimulatedDisk disk = cache.Backing.AfterKill();
        PCacheDevice second = PCacheDevice.Open(region, disk, cache.Options with { TimeProvider = new VirtualClock() });
        second.Write(4096, new byte[512]);
        second.Flush();
        using PCacheDevice third = PCacheDevice.Open(region.AfterKill(), disk.AfterKill(), cache.Options with { LeaveRegionOpen = false });
        Assert.Equal(1, third.Recovery.LiveKeys);
    }

    [Fact]
    public void A_copy_that_is_as_the_backing_was_left_is_accepted()
    {
        using SmallCache cache = Make();
        Write(cache, 0, 40, 1);
        cache.Device.Drain();
        byte[] copy = cache.Backing.Snapshot();
        Write(cache, 5, 10, 2);
        cache.Device.Flush();
        AssertAccepted(cache, copy);
    }

    [Fact]
    public void An_older_copy_is_refused_when_nothing_was_written_back_since_the_open()
    {
        using SmallCache cache = Make();
        Write(cache, 0, 40, 1);
        cache.Device.Drain();
        byte[] older = cache.Backing.Snapshot();
        Write(cache, 0, 40, 2);
        cache.Device.Drain();
        cache.Reopen();
        Write(cache, 0, 40, 3); // dirty over all that was ever logged
        cache.Device.Flush();
        AssertAccepted(cache, cache.Backing.Snapshot());
        byte[] changed = cache.Backing.Snapshot();
        changed.AsSpan(45 * 4096).Fill(0xEE); // what the cache has nothing of
        AssertRefused(cache, changed);
        AssertAccepted(cache, older); // differs from the right one in nothing that isn't dirty
    }

    [Fact]
    public void A_group_of_write_back_under_way_is_no_difference_whatever_of_it_has_arrived()
    {
        for (int n = 0; ; n++)
        {
            using SmallCache cache = Make(o =>
                o with { WritebackDelay = TimeSpan.Zero, WritebackGroupBytes = 64 << 10 });
            Write(cache, 0, 40, 1);
            cache.Device.Drain();
            byte[] older = cache.Backing.Snapshot();
            Write(cache, 10, 20, 2);
            cache.Device.Flush();
            Write(cache, 15, 20, 3);
            cache.Device.Flush();
            int calls = 0;
            byte[]? image = null;
            SimulatedDisk? killed = null;
            SimulatedDisk? cut = null;
            cache.Backing.AfterCall = call =>
            {
                if (call.Operation is DiskOperation.Write or DiskOperation.Flush && calls++ == n)
                {
                    image = cache.Region.KillImage();
                    killed = cache.Backing.AfterKill();
                    cut = cache.Backing.AfterPowerCut(new Random(n));
                }
            };
            cache.Device.Drain();
            cache.Backing.AfterCall = null;
            if (image is null)
            {
                Assert.True(n > 3);
                return;
            }

            foreach (SimulatedDisk disk in new[] { killed!, cut! })
            {
                using PCacheDevice device = PCacheDevice.Open(Rig.Load(image), disk, Options(cache));
                Assert.Equal(BackingCheck.MatchedAfterCrash, device.Recovery.BackingCheck);
            }

            byte[] oldest = [.. older];
            oldest.AsSpan(0, 10 * 4096).Clear();
            Assert.Throws<PCacheBackingMismatchException>(() =>
                PCacheDevice.Open(Rig.Load(image), Disks.Make(oldest), Options(cache)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    public void Discarded_ranges_are_no_difference(int ranges)
    {
        using SmallCache cache = Make(canDiscard: true);
        Write(cache, 0, 200, 1);
        cache.Device.Drain();
        for (int i = 0; i < ranges; i++)
        {
            cache.Device.Discard(i * 3 * 4096, 4096);
        }

        cache.Settle();
        Assert.True(cache.Backing.Calls(DiskOperation.Discard) >= ranges);
        Write(cache, 190, 1, 3);
        cache.Device.Flush();
        byte[] right = cache.Backing.Snapshot();
        for (int i = 0; i < ranges; i++)
        {
            right.AsSpan(i * 3 * 4096, 4096).Fill((byte)i); // anything
        }

        AssertAccepted(cache, right);
        if (ranges == 1)
        {
            right.AsSpan(199 * 4096, 4096).Clear();
            AssertRefused(cache, right);
        }
    }

    [Fact]
    public void Consent_is_asked_for_once()
    {
        using SmallCache cache = Make();
        Write(cache, 0, 40, 1);
        cache.Device.Drain();
        Write(cache, 41, 1, 3);
        cache.Device.Flush();
        byte[] other = new byte[Length];
        byte[] image = cache.Region.KillImage();
        SimulatedPmem region = SimulatedPmem.FromImage(image);
        SimulatedDisk disk = Disks.Make(other);
        using (PCacheDevice device = PCacheDevice.Open(region, disk,
            Options(cache) with { RebindBacking = true, LeaveRegionOpen = true }))
        {
            device.Write(50 * 4096, new byte[4096]);
            device.Flush();
            image = region.KillImage();
        }

        using (PCacheDevice again = PCacheDevice.Open(Rig.Load(image), disk.AfterKill(), Options(cache)))
        {
            again.Drain();
        }

        region.Dispose();
    }

    [Fact]
    public void A_shorter_backing_than_was_ever_durable_is_refused()
    {
        using SmallCache cache = Make(canResize: true);
        cache.Device.SetLength(2 * Length);
        Write(cache, 0, 1, 1);
        cache.Device.Drain();
        Write(cache, 2, 1, 1);
        cache.Device.Flush();
        byte[] shorter = cache.Backing.Snapshot()[..(Length + 4096)];
        PCacheBackingMismatchException error = Assert.Throws<PCacheBackingMismatchException>(
            () => PCacheDevice.Open(Rig.Load(cache.Region.KillImage()), Disks.Make(shorter, canResize: true),
                Options(cache)));
        Assert.Equal(BackingMismatchReason.Length, error.Reason);
        cache.Device.SetLength(Length); // of our own
        Write(cache, 4, 1, 1);
        cache.Device.Drain();
        Write(cache, 6, 1, 1);
        cache.Device.Flush();
        AssertAccepted(cache, cache.Backing.Snapshot());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Another_file_is_refused_only_where_nothing_tells_that_it_is_a_copy(bool hasSomethingInCommon)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var folder = new TempFolder();
        string path = folder.CreateFile("backing", Length);
        SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(16));
        var options = new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes, Maintenance = MaintenanceMode.Manual };
        byte[] image;
        using (PCacheDevice device = PCacheDevice.Create(region, BlockDevice.OpenFile(path), options))
        {
            device.Write(0, new byte[8192]);
            if (hasSomethingInCommon)
            {
                device.Drain();
            }

            device.Write(8192, new byte[512]);
            device.Flush();
            image = region.KillImage();
        }

        string copy = folder["copy"];
        File.Copy(path, copy);
        if (hasSomethingInCommon)
        {
            PCacheDevice.Open(Rig.Load(image), BlockDevice.OpenFile(copy), options).Dispose();
        }
        else
        {
            using IBlockDevice other = BlockDevice.OpenFile(copy);
            // by what the backing held when the cache was made
            PCacheDevice.Open(Rig.Load(image), other, options with { LeaveBackingOpen = true }).Dispose();
            using PmemRegion without = Rig.Load(image);
            ExtensionBlocks.ClearFingerprint(without, MediaLoader.Load(without));
            Assert.Equal(BackingMismatchReason.File,
                Assert.Throws<PCacheBackingMismatchException>(() => PCacheDevice.Open(without, other, options)).Reason);
            image = Rig.Copy(without);
        }

        PCacheDevice.Open(Rig.Load(image), BlockDevice.OpenFile(path), options).Dispose();
    }

    private static SmallCache Make(Func<PCacheOptions, PCacheOptions>? with = null, bool canResize =
        false, bool canDiscard = false)
    {
        var content = new byte[Length];
        new Random(4).NextBytes(content);
        return new SmallCache(64, content: content, canResize: canResize, canDiscard: canDiscard, with: with);
    }

    private static PCacheOptions Options(SmallCache cache) => cache.Options with { LeaveRegionOpen = false };

    private static void Write(SmallCache cache, int page, int pages, byte value)
    {
        var bytes = new byte[4096];
        for (int i = page; i < page + pages; i++)
        {
            bytes.AsSpan().Fill(value);
            bytes[0] = (byte)i;
            cache.Device.Write(i * 4096L, bytes);
        }
    }

    private static void AssertAccepted(SmallCache cache, byte[] backing)
    {
        using PCacheDevice device = PCacheDevice.Open(Rig.Load(cache.Region.KillImage()),
            Disks.Make(backing, canResize: cache.Backing.CanResize), Options(cache));
        Assert.Equal(BackingCheck.MatchedAfterCrash, device.Recovery.BackingCheck);
    }

    private static void AssertRefused(SmallCache cache, byte[] backing)
    {
        byte[] image = cache.Region.KillImage();
        foreach (bool readOnly in new[] { false, true })
        {
            using PmemRegion region = Rig.Load(image);
            PCacheBackingMismatchException error = Assert.Throws<PCacheBackingMismatchException>(
                () => PCacheDevice.Open(region, Disks.Make(backing, canResize: cache.Backing.CanResize),
                    Options(cache) with { ReadOnly = readOnly }));
            Assert.Equal(BackingMismatchReason.Content, error.Reason);
            Assert.NotEmpty(error.ChangedBlocks);
            Assert.Contains("RebindBacking", error.Message, StringComparison.Ordinal);
        }

        PCacheDevice.Open(Rig.Load(image), Disks.Make(backing, canResize: cache.Backing.CanResize),
            Options(cache) with { RebindBacking = true }).Dispose();
    }
}
