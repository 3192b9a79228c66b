using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>
/// A backing that was changed, swapped, cut or put back while the cache was away is refused, and nothing is changed;
/// one that wasn't is never refused.
/// </summary>
public sealed class BackingFingerprintTests
{
    private const int Block = 4096;

    [Fact]
    public void A_change_of_any_byte_of_a_block_of_the_fingerprint_is_found()
    {
        TestRuns.ForSeeds(200, seed =>
        {
            var random = new Random(seed);
            int blockSize = new[] { 1, 512, 4096, 65536 }[random.Next(4)];
            int length = (random.Next(1, 40) * 65536) + (blockSize == 1 ? random.Next(2) * 300 : 0);
            var first = new byte[length];
            random.NextBytes(first);
            using var cache = new SmallCache(with: o => o with { BackingFingerprintBlocks = random.Next(1, 24) },
                content: first, blockSize: blockSize);
            for (int i = random.Next(20); i > 0; i--)
            {
                int offset = random.Next(length / Patterns.Sector) * Patterns.Sector;
                cache.Device.Write(offset, Patterns.Make(offset, Patterns.Sector, 2));
            }

            cache.Device.Drain();
            cache.Device.Dispose();
            (FingerprintRecord record, long[] places) = Fingerprint(cache);
            long place = places[random.Next(places.Length)];
            long changed = place + random.NextInt64(Math.Min(1 << record.BlockShift, length - place));
            byte[] content = cache.Backing.Snapshot();
            content[changed] ^= (byte)(1 << random.Next(8));
            byte[] before = cache.Region.KillImage();
            var error = Assert.Throws<PCacheBackingMismatchException>(() =>
                PCacheDevice.Open(cache.Region, Disks.Make(content, blockSize), cache.Options));
            Assert.True(error.ChangedBlocks.Any(range => changed >= range.Offset && changed < range.End),
                $"seed {seed}: {changed} isn't in {string.Join(", ", error.ChangedBlocks)}");
            Assert.Equal(places.Length, error.ComparedBlocks);
            Rig.AssertSame(before, cache.Region.KillImage(), $"seed {seed}: the region after the refusal");
            cache.Reopen();
            Assert.Equal(BackingCheck.Matched, cache.Status.BackingCheck);
        });
    }

    [Fact]
    public void An_older_copy_of_the_backing_is_found_by_what_was_written_last()
    {
        TestRuns.ForSeeds(50, seed =>
        {
            var random = new Random(seed);
            using var cache = new SmallCache(with: o => o with { BackingFingerprintBlocks = 1 },
                backingBytes: 64 << 20);
            SimulatedDisk older = cache.Backing.AfterKill();
            long offset = random.NextInt64((64 << 20) / Patterns.Sector) * Patterns.Sector;
            cache.Device.Write(offset, Patterns.Make(offset, Patterns.Sector, 1));
            cache.Device.Drain();
            cache.Reopen();
            cache.Reopen(); // what was written last is remembered, also where nothing was written since
            cache.Device.Dispose();
            var error = Assert.Throws<PCacheBackingMismatchException>(() =>
                PCacheDevice.Open(cache.Region, older, cache.Options));
            Assert.Contains(error.ChangedBlocks, range => offset >= range.Offset && offset < range.End);
        });
    }

    [Fact]
    public void An_older_copy_of_the_cache_is_found_too()
    {
        using var cache = new SmallCache(backingBytes: 64 << 10);
        cache.Device.Dispose();
        using SimulatedPmem older = cache.Region.AfterKill();
        cache.Reopen();
        cache.Device.Write(8192, Patterns.Make(8192, 512, 1));
        cache.Device.Drain();
        cache.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(older, cache.Backing.AfterKill(), cache.Options));
    }

    [Fact]
    public void Two_caches_swapped_between_backings_of_one_length_are_found()
    {
        using var a = new SmallCache(content: Patterns.Make(0, 1 << 20, 1));
        using var b = new SmallCache(content: Patterns.Make(0, 1 << 20, 2));
        a.Device.Dispose();
        b.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(a.Region, b.Backing.AfterKill(), a.Options));
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(b.Region, a.Backing.AfterKill(), b.Options));
        a.Reopen();
        b.Reopen();
        Assert.Equal((BackingCheck.Matched, BackingCheck.Matched), (a.Status.BackingCheck, b.Status.BackingCheck));
    }

    [Fact]
    public void The_error_says_what_was_expected_and_what_was_found()
    {
        var identity = new Guid("00112233-4455-6677-8899-aabbccddeeff");
        using var cache = new SmallCache(with: o => o with { Label = "mail", BackingIdentity = identity });
        Guid id = cache.Status.CacheId;
        cache.Clock.Advance(TimeSpan.FromDays(1));
        DateTimeOffset closed = cache.Clock.GetUtcNow();
        cache.Device.Dispose();
        byte[] content = cache.Backing.Snapshot();
        content[^1] = 1;
        var changed = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(content), cache.Options));
        Assert.Equal((BackingMismatchReason.Content, id, "mail", closed),
            (changed.Reason, changed.CacheId, changed.CacheLabel, changed.LastKnown));
        Assert.Equal((16, new DeviceRange((1 << 20) - Block, Block)),
            (changed.ComparedBlocks, Assert.Single(changed.ChangedBlocks)));
        string[] contained = [$"{id}", "'mail'", "of 16 blocks compared, 1 differ", $"at byte {(1 << 20) - Block}",
            $"{closed:u}", nameof(PCacheOptions.RebindBacking)];
        Assert.All(contained, text => Assert.Contains(text, changed.Message, StringComparison.Ordinal));

        var other = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(content), cache.Options with { BackingIdentity = id }));
        Assert.Equal((BackingMismatchReason.Identity, identity, id),
            (other.Reason, other.ExpectedIdentity, other.ActualIdentity));
        Assert.Contains($"{identity}", other.Message, StringComparison.Ordinal);
        var shorter = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(1 << 19), cache.Options));
        Assert.Equal((BackingMismatchReason.Length, 1 << 20, 1 << 19),
            (shorter.Reason, shorter.ExpectedLength, shorter.ActualLength));
        Assert.Contains($"{1 << 20} bytes", shorter.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Data_beyond_the_end_of_a_backing_says_how_long_it_should_be()
    {
        using var cache = new SmallCache();
        cache.Device.Write(8192, Patterns.Make(8192, 512, 1));
        cache.Device.Dispose();
        var error = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(4096), cache.Options with { RebindBacking = true }));
        Assert.Equal((BackingMismatchReason.TooShort, 8192 + 1, 4096),
            (error.Reason, error.ExpectedLength, error.ActualLength));
    }

    [Fact]
    public void Consent_opens_with_the_changed_backing_and_knows_it_from_then_on()
    {
        using var cache = new SmallCache();
        cache.Device.Write(0, Patterns.Make(0, 512, 1));
        cache.Device.Dispose();
        SimulatedDisk changed = Disks.Make(Patterns.Make(0, 1 << 20, 7));
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, changed, cache.Options with { ReadOnly = true, LeaveBackingOpen = true }));
        using (PCacheDevice readOnly = PCacheDevice.Open(cache.Region, changed,
            cache.Options with { ReadOnly = true, LeaveBackingOpen = true, RebindBacking = true }))
        {
            Assert.Equal(BackingCheck.PassedOver, readOnly.GetStatus().BackingCheck);
        }

        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, changed, cache.Options with { LeaveBackingOpen = true }));
        cache.Reopen(o => o with { RebindBacking = true }, backing: changed);
        Assert.Equal(BackingCheck.PassedOver, cache.Status.BackingCheck);
        cache.Device.Drain();
        cache.Reopen();
        Assert.Equal(BackingCheck.Matched, cache.Status.BackingCheck);
        cache.Device.Dispose();
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(1 << 20), cache.Options));
    }

    [Fact]
    public void A_read_only_open_compares_and_leaves_the_fingerprint()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        byte[] before = cache.Region.KillImage();
        PCacheOptions reading = cache.Options with { ReadOnly = true };
        using (PCacheDevice device = PCacheDevice.Open(cache.Region, cache.Backing.AfterKill(), reading))
        {
            Assert.Equal(BackingCheck.Matched, device.Recovery.BackingCheck);
        }

        Rig.AssertSame(before, cache.Region.KillImage(), "the region");
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, 1 << 20, 1)), reading));
    }

    [Fact]
    public void After_a_crash_nothing_is_compared_by_who_does_not_want_it()
    {
        using var cache = new SmallCache();
        cache.Reopen();
        var other = Disks.Make(Patterns.Make(0, 1 << 20, 1));
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(Rig.Load(cache.Region.KillImage()), other, cache.Options));
        using PCacheDevice device = PCacheDevice.Open(Rig.Load(cache.Region.KillImage()), other,
            cache.Options with { BackingFingerprintBlocks = 0 });
        Assert.Equal(BackingCheck.NoFingerprint, device.Recovery.BackingCheck);
    }

    [Fact]
    public void What_was_appended_to_a_backing_that_can_grow_is_a_change()
    {
        using var cache = new SmallCache(canResize: true);
        cache.Device.Write((1 << 20) + 1000, [1, 2, 3]);
        cache.Device.Dispose();
        SimulatedDisk longer = cache.Backing.AfterKill();
        longer.SetLength(longer.Length + 1);
        var error = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, longer, cache.Options));
        Assert.Equal((BackingMismatchReason.Length, 1 << 20, (1 << 20) + 1), // what was appended is in the log
            (error.Reason, error.ExpectedLength, error.ActualLength));
        cache.Reopen();
        Assert.Equal(BackingCheck.Matched, cache.Status.BackingCheck);
        cache.Device.SetLength(700);
        cache.Reopen();
        Assert.Equal((700, BackingCheck.Matched), (cache.Device.Length, cache.Status.BackingCheck));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(4097)]
    public void Short_backings_have_one_too(long length)
    {
        using var cache = new SmallCache(backingBytes: length, canResize: true);
        cache.Reopen();
        bool bound = length > 0; // a cache isn't bound to no bytes at all
        Assert.Equal(bound ? BackingCheck.Matched : BackingCheck.NoFingerprint, cache.Status.BackingCheck);
        cache.Device.Dispose();
        if (bound)
        {
            byte[] content = cache.Backing.Snapshot();
            content[^1] = 1;
            Assert.Throws<PCacheBackingMismatchException>(() =>
                PCacheDevice.Open(cache.Region, Disks.Make(content, canResize: true), cache.Options));
        }
    }

    [Fact]
    public void Another_block_size_of_the_same_backing_is_no_change()
    {
        using var cache = new SmallCache(content: Patterns.Make(0, 1 << 20, 1), blockSize: 512);
        foreach (int blockSize in (int[])[65536, 1, 4096, 65536])
        {
            SimulatedDisk other = Disks.Make(cache.Backing.Snapshot(), blockSize);
            cache.Reopen(backing: other);
            Assert.Equal(BackingCheck.Matched, cache.Status.BackingCheck);
        }
    }

    [Fact]
    public void Switched_off_it_costs_no_call_of_the_backing_and_is_still_cleared()
    {
        using var cache = new SmallCache();
        cache.Reopen(o => o with { BackingFingerprintBlocks = 0 });
        SimulatedDisk backing = cache.Backing;
        Assert.Equal(BackingCheck.PassedOver, cache.Status.BackingCheck);
        cache.Device.Dispose();
        Assert.Equal((0, 0), (backing.Calls(DiskOperation.Read), backing.Calls(DiskOperation.Flush)));
        Assert.Null(CacheImage.ReadStatus(cache.Region).BackingFingerprint);
        using PCacheDevice device = PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, 1 << 20, 1)),
            cache.Options);
        Assert.Equal(BackingCheck.NoFingerprint, device.Recovery.BackingCheck);
    }

    [Fact]
    public void A_label_changed_meanwhile_leaves_it()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        ExtensionBlocks.SetLabel(cache.Region, MediaLoader.Load(cache.Region), "another");
        Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(cache.Region, Disks.Make(Patterns.Make(0, 1 << 20, 1)), cache.Options));
        cache.Reopen();
        Assert.Equal((BackingCheck.Matched, "another"), (cache.Status.BackingCheck, cache.Status.Label));
    }

    [Fact]
    public void Status_shows_the_binding()
    {
        var identity = new Guid("00112233-4455-6677-8899-aabbccddeeff");
        using var cache = new SmallCache(with: o => o with { BackingIdentity = identity });
        Assert.Equal((1L << 20, identity, BackingCheck.NoFingerprint),
            (cache.Status.BackingLength, cache.Status.BackingIdentity, cache.Status.BackingCheck));
        Assert.Null(CacheImage.ReadStatus(cache.Region).BackingFingerprint);
        cache.Clock.Advance(TimeSpan.FromDays(3));
        DateTimeOffset closed = cache.Clock.GetUtcNow();
        cache.Device.Dispose();
        Assert.Equal(closed, CacheImage.ReadStatus(cache.Region).BackingFingerprint);
    }

    [Fact]
    public void Samples_are_spread_over_the_backing()
    {
        TestRuns.ForSeeds(500, seed =>
        {
            var random = new Random(seed);
            long blocks = random.NextInt64(1, 1L << random.Next(1, 52));
            int count = random.Next(1, 40);
            long[] samples = BackingFingerprint.Sample(blocks, count, (ulong)random.NextInt64());
            Assert.Equal(Math.Min(blocks, count), samples.Length);
            Assert.All(samples, sample => Assert.InRange(sample, 0, blocks - 1));
            Assert.Equal(samples.Order().Distinct(), samples);
            if (count > 1)
            {
                Assert.Equal((0, blocks - 1), (samples[0], samples[^1]));
                Assert.All(samples.Zip(samples.Skip(1)),
                    pair => Assert.InRange(pair.Second - pair.First, 1,
                    Math.Max(2, 2 * (blocks / Math.Max(1, count - 2)) + 3)));
            }
        });
        Assert.NotEqual(BackingFingerprint.Sample(1 << 20, 16, 1), BackingFingerprint.Sample(1 << 20, 16, 2));
    }

    /// <summary>The fingerprint of a closed cache, and where its blocks are.</summary>
    internal static (FingerprintRecord Record, long[] Places) Fingerprint(SmallCache cache)
    {
        MediaState media = MediaLoader.Load(cache.Region);
        ExtensionBlock block = media.Extension!.Value;
        Assert.Equal(ExtensionBlocks.FingerprintKind, block.Fingerprint.Kind);
        BackingFingerprint fingerprint =
            BackingFingerprint.Of(cache.Backing, block.CacheId.ToGuid(), in block.Fingerprint);
        return (block.Fingerprint, [.. fingerprint.SampledPlaces, .. fingerprint.RecentPlaces]);
    }
}
