using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>
/// Fingerprints where something fails, hangs, crashes or was written by another program: never a wrong one, and no
/// close that fails or hangs for one.
/// </summary>
public sealed class BackingFingerprintFailureTests
{
    [Fact]
    public void A_backing_that_cannot_be_read_or_flushed_costs_the_fingerprint_only()
    {
        foreach (DiskOperation operation in (DiskOperation[])[DiskOperation.Read, DiskOperation.Flush])
        {
            using var cache = new SmallCache();
            cache.Device.Write(0, Patterns.Make(0, 512, 1));
            cache.Backing.FailWhere(call => call.Operation == operation ? new IOException("planned") : null);
            cache.Device.Dispose();
            Assert.Null(CacheImage.ReadStatus(cache.Region).BackingFingerprint);
            cache.Reopen();
            // by what it held when the cache was made
            Assert.Equal(BackingCheck.MatchedAfterCrash, cache.Status.BackingCheck);
        }
    }

    [Fact]
    public void A_medium_that_cannot_be_written_costs_the_fingerprint_only()
    {
        using var cache = new SmallCache();
        cache.Backing.AfterCall = call =>
        {
            if (call.Operation == DiskOperation.Read)
            {
                cache.Region.DrainError = new IOException("planned"); // all that is left to be done is the fingerprint
            }
        };
        cache.Device.Dispose();
        cache.Region.DrainError = null;
        using PCacheDevice device = PCacheDevice.Open(cache.Region.AfterPowerCut(new Random(1)),
            cache.Backing.AfterKill(), cache.Options with { LeaveRegionOpen = false });
        Assert.NotEqual(BackingCheck.PassedOver, device.Recovery.BackingCheck);
    }

    [Theory]
    [InlineData(DiskOperation.Read)]
    [InlineData(DiskOperation.Flush)]
    public async Task A_backing_that_hangs_at_the_close_holds_neither_caller_nor_region(DiskOperation operation)
    {
        using var region = SimulatedPmem.Allocate(Rig.RegionLength(8));
        SimulatedDisk backing = Disks.Make(1 << 20);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = TimeSpan.FromMilliseconds(200),
            LeaveRegionOpen = true,
            WritebackDelay = TimeSpan.FromHours(1)
        };
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        device.Write(0, Patterns.Make(0, 512, 1));
        backing.Hang(operation);
        await Task.Run(device.Dispose).WaitAsync(TestRuns.HangLimit);
        Assert.Equal(1, backing.HangingCount);
        Assert.False(backing.IsDisposed);
        using (PCacheDevice again = PCacheDevice.Open(region, Disks.Make(1 << 20), options))
        {
            Assert.Equal((BackingCheck.MatchedAfterCrash, 1), (again.Recovery.BackingCheck, again.Recovery.LiveKeys));
        }

        byte[] image = region.KillImage();
        backing.ReleaseHanging();
        Eventually.True(() => backing.IsDisposed, "the backing is disposed");
        Rig.AssertSame(image, region.KillImage(), "the region after the call that hung returned");
    }

    [Fact]
    public async Task A_backing_that_hangs_at_the_open_does_not_keep_it_from_being_cancelled()
    {
        using var region = SimulatedPmem.Allocate(Rig.RegionLength(8));
        SimulatedDisk backing = Disks.Make(1 << 20);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true
        };
        PCacheDevice.Create(region, backing, options).Dispose();
        byte[] before = region.KillImage();
        backing.Hang(DiskOperation.Read);
        using var cancel = new CancellationTokenSource();
        Task<PCacheDevice> open = PCacheDevice.OpenAsync(region, backing, options, cancel.Token);
        await backing.WaitUntilHangingAsync().WaitAsync(TestRuns.HangLimit);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => open.WaitAsync(TestRuns.HangLimit));
        Rig.AssertSame(before, region.KillImage(), "the region");
        backing.ReleaseHanging();
    }

    [Fact]
    public void A_block_that_cannot_be_read_is_no_change()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        SimulatedDisk damaged = cache.Backing.AfterKill();
        damaged.FailWhere(call => call.Operation == DiskOperation.Read && call.Offset == 0 ? new IOException("planned")
            : null);
        cache.Reopen(backing: damaged);
        Assert.Equal(BackingCheck.PartlyMatched, cache.Status.BackingCheck);

        // The close can't read it either, and leaves what it was opened with.
        cache.Reopen();
        Assert.Equal(BackingCheck.MatchedAfterCrash, cache.Status.BackingCheck);
    }

    [Fact]
    public void A_backing_that_cannot_be_read_at_all_is_opened_for_reading_only()
    {
        using var cache = new SmallCache();
        cache.Device.Write(0, Patterns.Make(0, 512, 1));
        cache.Device.Dispose();
        byte[] before = cache.Region.KillImage();
        SimulatedDisk Dead()
        {
            SimulatedDisk disk = cache.Backing.AfterKill();
            disk.FailWhere(call => call.Operation == DiskOperation.Read ? new IOException("planned") : null);
            return disk;
        }

        var error = Assert.Throws<PCacheException>(() => PCacheDevice.Open(cache.Region, Dead(), cache.Options));
        Assert.Equal("planned", error.InnerException!.Message);
        Rig.AssertSame(before, cache.Region.KillImage(), "the region after the refusal");
        using (PCacheDevice reading = PCacheDevice.Open(cache.Region, Dead(), cache.Options with { ReadOnly = true }))
        {
            var bytes = new byte[512];
            reading.Read(0, bytes);
            Rig.AssertSame(Patterns.Make(0, 512, 1), bytes, "from the cache");
        }

        PCacheDevice.Open(cache.Region, Dead(), cache.Options with { BackingFingerprintBlocks = 0 }).Dispose();
    }

    [Fact]
    public void A_cache_used_by_a_program_that_keeps_none_has_a_stale_one()
    {
        using var cache = new SmallCache();
        cache.Device.Write(0, Patterns.Make(0, 512, 1));
        cache.Device.Dispose();
        MediaState media = MediaLoader.Load(cache.Region);
        ExtensionBlock kept = media.Extension!.Value;

        // What Linux does: it writes back, and knows nothing of the block.
        using SimulatedPmem region = cache.Region.AfterKill();
        SimulatedDisk disk = cache.Backing.AfterKill();
        using (PCacheDevice other = PCacheDevice.Open(region, disk,
            cache.Options with { BackingFingerprintBlocks = 0 }))
        {
            other.Drain();
        }

        media = MediaLoader.Load(region);
        media.Extension = kept;
        kept.Fingerprint.Sequence = media.ExtensionReplicas.Sequence;
        ExtensionBlocks.SetFingerprint(region, media, kept.Fingerprint);
        Assert.Null(CacheImage.ReadStatus(region).BackingFingerprint);
        byte[] changed = disk.Snapshot();
        changed.AsSpan(512).Fill(0xEE);
        using PCacheDevice device = PCacheDevice.Open(region, Disks.Make(changed), cache.Options);
        // by what the cache has in common with it; the fingerprint doesn't count
        Assert.Equal(BackingCheck.MatchedAfterCrash, device.Recovery.BackingCheck);
    }

    [Fact]
    public void A_block_rewritten_by_version_1_has_a_stale_one()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        RewriteAsVersion1(cache.Region);
        using PCacheDevice device = PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, 1 << 20, 9)),
            cache.Options);
        Assert.Equal(BackingCheck.Stale, device.Recovery.BackingCheck);
    }

    [Fact]
    public void A_block_of_a_later_version_is_read_and_keeps_its_version()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        MediaState media = MediaLoader.Load(cache.Region);
        ExtensionBlock block = media.Extension!.Value;
        block.FormatVersion = 9;
        media.Extension = block;
        ExtensionBlocks.SetFingerprint(cache.Region, media, block.Fingerprint with { Reserved = 77 });
        cache.Reopen();
        Assert.Equal(BackingCheck.Matched, cache.Status.BackingCheck);
        cache.Device.SetLabel("x");
        Assert.Equal(9u, MediaLoader.Load(cache.Region).Extension!.Value.FormatVersion);

        // A kind that isn't known is neither compared nor left behind.
        cache.Device.Dispose();
        ExtensionBlocks.Read(cache.Region, out ExtensionBlock? latest, out ReplicaState state);
        block = latest!.Value;
        block.Fingerprint.Kind = 200;
        block.Fingerprint.Sequence = (byte)(state.Sequence + 1);
        ExtensionBlocks.Write(cache.Region, ref block, ref state);
        using PCacheDevice device = PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, 1 << 20, 9)),
            cache.Options);
        Assert.Equal(BackingCheck.Stale, device.Recovery.BackingCheck);
        Assert.Equal(ExtensionBlocks.OpenFingerprintKind,
            MediaLoader.Load(cache.Region).Extension!.Value.Fingerprint.Kind);
    }

    [Fact]
    public void Impossible_fields_make_it_stale_and_do_no_harm()
    {
        TestRuns.ForSeeds(2000, seed =>
        {
            var random = new Random(seed);
            FingerprintRecord record = new()
            {
                Kind = 1,
                BlockShift = 12,
                SampleCount = 16,
                BackingLength = 1 << 20,
                RecentCount = 1
            };
            Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(
                new Span<FingerprintRecord>(ref record));
            for (int i = random.Next(1, 8); i > 0; i--)
            {
                bytes[random.Next(1, bytes.Length)] = (byte)random.Next(256);
            }

            ExtensionBlock block = ExtensionBlocks.Create(Guid.NewGuid(), null);
            block.Fingerprint = record;
            var state = new ReplicaState { Sequence = record.Sequence };
            if (ExtensionBlocks.TryGetFingerprint(in block, state, record.State, out FingerprintRecord read))
            {
                // What passes can be read and compared, whatever the backing's length: outside it nothing is asked for.
                SimulatedDisk backing = Disks.Make(1 << 20, blockSize: 4096);
                var fingerprint = Core.Opening.BackingFingerprint.Of(backing, Guid.Empty, in read);
                fingerprint.Read(CancellationToken.None);
                Assert.All(fingerprint.Differences(in read), range =>
                    Assert.True(range.Offset >= 0 && range.LengthBytes > 0, $"seed {seed}: {range}"));
                Assert.Empty(backing.Violations);
            }
        });
    }

    [Fact]
    public void No_power_cut_around_close_and_open_makes_a_wrong_one()
    {
        TestRuns.ForSeeds(6, seed =>
        {
            var random = new Random(seed);
            using var cache = new SmallCache(
                with: o => o with { WritebackDelay = TimeSpan.Zero, LeaveBackingOpen = true }, backingBytes: 64 << 10);
            int matched = 0;
            Exception? found = null;
            void Cut()
            {
                using SimulatedPmem left = cache.Region.AfterPowerCut(random);
                SimulatedDisk disk = cache.Backing.AfterPowerCut(random);
                found ??= Record.Exception(() =>
                {
                    using PCacheDevice device = PCacheDevice.Open(left, disk, cache.Options);
                    matched += device.Recovery.BackingCheck == BackingCheck.Matched ? 1 : 0;
                });
            }

            PCacheDevice device = cache.Device;
            for (int life = 0; life < 4; life++)
            {
                cache.Region.BeforeEvent = e => Cut();
                cache.Backing.BeforeCall = _ => Cut();
                for (int i = 0; i < 3; i++)
                {
                    int offset = random.Next(120) * Patterns.Sector;
                    device.Write(offset, Patterns.Make(offset, Patterns.Sector, (life * 10) + i + 1),
                        WriteDurability.ForceUnitAccess);
                    device.RunMaintenanceStep();
                    device.RunMaintenanceStep();
                }

                device.Dispose();
                device = PCacheDevice.Open(cache.Region, cache.Backing, cache.Options);
                cache.Region.BeforeEvent = null;
                cache.Backing.BeforeCall = null;
                Assert.True(found is null, $"seed {seed}, life {life}: {found}");
            }

            device.Dispose();
            Assert.True(matched > 0, $"seed {seed}");
        });
    }

    /// <summary>
    /// Binds anew as the first version of the block did: without a thought of what stands behind the label.
    /// </summary>
    internal static void RewriteAsVersion1(SimulatedPmem region)
    {
        ExtensionBlocks.Read(region, out ExtensionBlock? latest, out ReplicaState state);
        ExtensionBlock block = latest!.Value;
        for (int i = 0; i < 2; i++)
        {
            ExtensionBlocks.Write(region, ref block, ref state);
        }
    }
}
