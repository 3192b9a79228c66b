using PCache.Core.Layout;
using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>Settings are checked as a whole before anything changes.</summary>
public sealed class OptionsTests
{
    [Fact]
    public void Ranges_end_where_format_and_engine_do()
    {
        Assert.True(OptionRanges.IsSegmentSize(MediaConstants.MinSegmentSize));
        Assert.False(OptionRanges.IsSegmentSize(MediaConstants.MinSegmentSize / 2));
        Assert.True(OptionRanges.IsSegmentSize(MediaConstants.LinuxSegmentSize));
        Assert.False(OptionRanges.IsSegmentSize(MediaConstants.LinuxSegmentSize * 2));
        Assert.True(OptionRanges.IsGcThreshold(CacheFlags.MaxGcPercent));
        Assert.False(OptionRanges.IsGcThreshold(CacheFlags.MaxGcPercent + 1));
        Assert.True(OptionRanges.IsFingerprint(ExtensionBlocks.MaxSamples));
        Assert.False(OptionRanges.IsFingerprint(ExtensionBlocks.MaxSamples + 1));
        Assert.True(OptionRanges.IsIndexMemory(IndexMemory.FixedBytes));
        Assert.False(OptionRanges.IsIndexMemory(IndexMemory.FixedBytes - 1));
        Assert.True(OptionRanges.IsLabel(new string('x', ExtensionBlocks.MaxLabelBytes)));
        Assert.False(OptionRanges.IsLabel(new string('x', ExtensionBlocks.MaxLabelBytes + 1)));
    }

    public static TheoryData<string, PCacheOptions> Wrong()
    {
        PCacheOptions good = new() { SegmentSizeBytes = 65536 };
        var data = new TheoryData<string, PCacheOptions>();
        foreach (int size in new[] { int.MinValue, -65536, 0, 1, 32768, 65535, 65537, 98304, (16 << 20) + 1, 32 << 20 })
        {
            data.Add($"segments of {size}", good with { SegmentSizeBytes = size });
        }

        foreach (int percent in new[] { int.MinValue, -1, 91, 100, 256, 256 + 70, int.MaxValue })
        {
            data.Add($"threshold {percent}", good with { GcThresholdPercent = percent });
        }

        foreach (int n in new[] { -1, 0, 257, int.MaxValue })
        {
            data.Add($"concurrency {n}", good with { WritebackConcurrency = n });
        }

        foreach (int n in new[] { -1, 0, 65535, (1 << 30) + 1 })
        {
            data.Add($"group of {n}", good with { WritebackGroupBytes = n });
        }

        foreach (int n in new[] { -1, 0, 65 })
        {
            data.Add($"reserve {n}", good with { LogReserveSegments = n });
        }

        data.Add("label of 65 bytes", good with { Label = new string('a', 65) });
        data.Add("label of 66 bytes in 33 characters", good with { Label = new string('\u00e9', 33) });
        data.Add("label with NUL", good with { Label = "a\0b" });
        data.Add("kset time-out below zero", good with { KsetTimeout = TimeSpan.FromSeconds(-2) });
        data.Add("write-back delay below zero", good with { WritebackDelay = TimeSpan.FromSeconds(-2) });
        data.Add("space time-out below zero", good with { SpaceTimeout = TimeSpan.FromSeconds(-2) });
        data.Add("dispose time-out below zero", good with { DisposeTimeout = TimeSpan.FromSeconds(-2) });
        data.Add("no such maintenance mode", good with { Maintenance = (MaintenanceMode)7 });
        data.Add("index memory below its least", good with { MaxIndexMemoryBytes = (256 << 10) - 1 });
        data.Add("no clock", good with { TimeProvider = null! });
        return data;
    }

    public static TheoryData<string, PCacheOptions> Right()
    {
        PCacheOptions good = new() { SegmentSizeBytes = 65536 };
        return new TheoryData<string, PCacheOptions>
        {
            { "64 KiB", good },
            { "128 KiB", good with { SegmentSizeBytes = 131_072 } },
            { "threshold 0", good with { GcThresholdPercent = 0 } },
            { "threshold 90", good with { GcThresholdPercent = 90 } },
            { "concurrency 1", good with { WritebackConcurrency = 1 } },
            { "concurrency 256", good with { WritebackConcurrency = 256 } },
            { "group 64 KiB", good with { WritebackGroupBytes = 65536 } },
            { "group 1 GiB", good with { WritebackGroupBytes = 1 << 30 } },
            { "reserve 1", good with { LogReserveSegments = 1 } },
            { "empty label", good with { Label = "" } },
            { "label of 64 bytes", good with { Label = new string('a', 64) } },
            { "label of 64 bytes in 32 characters", good with { Label = new string('\u00e9', 32) } },
            { "no delays", good with { KsetTimeout = TimeSpan.FromTicks(1), WritebackDelay = TimeSpan.Zero,
                DisposeTimeout = TimeSpan.Zero } },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_setting_is_refused_before_anything_changes(string what, PCacheOptions options)
    {
        using var region = SimulatedPmem.Allocate(Rig.RegionLength(16));
        using var backing = Disks.Make(1 << 20);
        Exception? error = Record.Exception(() => PCacheDevice.Create(region, backing, options));
        Assert.True(error is ArgumentException, $"{what}: {error?.ToString() ?? "accepted"}");
        Rig.AssertSame(new byte[region.LengthBytes], region.KillImage(), what);
        Assert.False(backing.IsDisposed);
        PCacheDevice.Create(region, backing,
            new PCacheOptions { SegmentSizeBytes = 65536, LeaveRegionOpen = true, LeaveBackingOpen = true }).Dispose();
        if (options.SegmentSizeBytes == 65536)
        {
            byte[] before = region.KillImage();
            error = Record.Exception(() => PCacheDevice.Open(region, backing, options));
            Assert.True(error is ArgumentException, $"open, {what}: {error?.ToString() ?? "accepted"}");
            Rig.AssertSame(before, region.KillImage(), what);
        }
    }

    [Theory]
    [MemberData(nameof(Right))]
    public void A_setting_at_its_limit_works(string what, PCacheOptions options)
    {
        using var cache = new SmallCache(16, with: o =>
            options with { LeaveRegionOpen = true, LeaveBackingOpen = true });
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(0, 4096, 1), cache.Backing.Peek(0, 4096), what);
        Assert.Equal(options.Label ?? "", cache.Status.Label);
        Assert.Equal(options.GcThresholdPercent ?? 70, cache.Status.GcThresholdPercent);
        Assert.Equal(options.SegmentSizeBytes, cache.Status.SegmentSizeBytes);
        Assert.False(cache.Status.IsLinuxGeometry);
    }

    [Fact]
    public void Regions_that_are_too_small_are_refused()
    {
        foreach ((long bytes, PCacheOptions options) in new[]
        {
            (4096L, new PCacheOptions { SegmentSizeBytes = 65536 }),
            (Rig.RegionLength(3), new PCacheOptions { SegmentSizeBytes = 65536 }),
            (Rig.RegionLength(4), new PCacheOptions { SegmentSizeBytes = 131_072 }),
            (1L << 20, new PCacheOptions()),
        })
        {
            using var region = SimulatedPmem.Allocate(bytes);
            Exception? error = Record.Exception(() => PCacheDevice.Create(region, Disks.Make(1 << 20), options));
            Assert.True(error is ArgumentException, $"{bytes}: {error?.ToString() ?? "accepted"}");
        }
    }

    [Fact]
    public void Nulls_are_refused()
    {
        using var region = SimulatedPmem.Allocate(Rig.RegionLength(16));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Create(null!, Disks.Make(512)));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Create(region, (IBlockDevice)null!));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Create(region, (Stream)null!));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Open(null!, Disks.Make(512)));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Open(region, (IBlockDevice)null!));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.Open(region, (Stream)null!));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.OpenOrCreate(null!, Disks.Make(512)));
        Assert.Throws<ArgumentNullException>(() => PCacheDevice.OpenOrCreate(region, (IBlockDevice)null!));
        Assert.Throws<ArgumentNullException>(() => new PCacheStream(null!));
        Assert.Throws<ArgumentNullException>(() => PCacheStream.OpenOrCreate(null!, 1 << 20, new MemoryStream()));
        Assert.Throws<ArgumentNullException>(() => BlockDevice.FromStream(null!));
    }

    [Fact]
    public void Threshold_and_label_can_be_changed_and_stay_changed()
    {
        using var cache = new SmallCache(with: o => o with { Label = "before" });
        for (int percent = 0; percent <= 90; percent += 30)
        {
            cache.Device.SetGcThreshold(percent);
            cache.Device.SetLabel($"label {percent}");
            cache.Reopen();
            Assert.Equal(percent, cache.Status.GcThresholdPercent);
            Assert.Equal($"label {percent}", cache.Status.Label);
        }

        foreach (int wrong in new[] { -1, 91, 256, 300, int.MaxValue, int.MinValue })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.SetGcThreshold(wrong));
        }

        Assert.ThrowsAny<ArgumentException>(() => cache.Device.SetLabel(null!));
        Assert.ThrowsAny<ArgumentException>(() => cache.Device.SetLabel(new string('x', 65)));
        Assert.ThrowsAny<ArgumentException>(() => cache.Device.SetLabel("a\0"));
        Assert.Equal("label 90", cache.Status.Label);
        Assert.Equal(90, cache.Status.GcThresholdPercent);
        ImageChecks.AssertSound(cache.Region.KillImage());
    }
}
