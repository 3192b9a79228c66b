using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

public class CacheImageTests
{
    [Fact]
    public void Status_of_a_compact_image()
    {
        using ImageBuilder image = new();
        ExtensionBlocks.Bind(image.Region, image.Load(), 1 << 20, new Guid("ffffffff-0000-0000-0000-000000000001"),
            resizable: false);
        image.Append(image.Key(0, 1024));
        image.Link(2);
        LogPosition dirty = image.Append(image.Key(0, 4096), image.Key(2048, 4096),
            image.Key(65536, 512, flags: CacheKey.CleanFlag), image.Key(8192, 512));
        image.SetDirtyTail(dirty);
        CacheImageStatus status = CacheImage.ReadStatus(image.Region);
        Assert.False(status.IsLinuxGeometry);
        Assert.Equal(65536, status.SegmentSizeBytes);
        Assert.Equal((6, 6, 3), (status.SegmentCount, status.ChainLength, status.SegmentsUsed));
        Assert.Equal((3L, 6144L + 512), (status.DirtyKeys, status.DirtyBytes));
        Assert.Equal((default, dirty, image.Head), (status.KeyTail, status.DirtyTail, status.KeyHead));
        Assert.Equal(1002u, status.LastSequence);
        Assert.Equal((1L << 20, "test"), (status.BackingLength!.Value, status.Label));
        Assert.Equal(new Guid("ffffffff-0000-0000-0000-000000000001"), status.BackingIdentity);
        Assert.Equal("0 6 6 3 70 1183 2:184 2:0 0:0", status.DmStatus);
        KsetInfo[] ksets = [.. CacheImage.ReadLog(image.Region, withKeys: false).Ksets];
        Assert.Equal([1000u, 1001u, 1002u], ksets.Select(k => k.Sequence));
        Assert.Equal([false, true, false], ksets.Select(k => k.IsLast));
        Assert.Equal([false, false, true], ksets.Select(k => k.IsDirty));
        Assert.All(ksets, k => Assert.False(k.IsBarrier));
    }

    [Fact]
    public void Not_a_cache()
    {
        using TestRegion region = TestRegion.Create(1 << 20, readOnly: true);
        Assert.Throws<PCacheNotFormattedException>(() => CacheImage.ReadStatus(region));
        Assert.Throws<PCacheNotFormattedException>(() => CacheImage.ReadLog(region, withKeys: false));
        CheckReport report = CacheImage.Check(region);
        Assert.False(report.IsCache);
        Assert.False(report.IsSound);
        Assert.NotEmpty(report.Findings);
    }

    [Fact]
    public void Status_of_a_damaged_log_gives_what_is_sound()
    {
        using ImageBuilder image = new();
        image.AppendMany(2);
        LogPosition bad = image.AppendMany(2);
        image.AppendMany(2);
        image.Flip(image.DeviceOffset(bad) + 30);
        CacheImageStatus status = CacheImage.ReadStatus(image.Region);
        Assert.False(status.IsSound);
        Assert.Equal((2L, bad), (status.DirtyKeys, status.KeyHead));
        LogDump dump = CacheImage.ReadLog(image.Region, withKeys: true);
        Assert.False(dump.IsSound);
        Assert.Single(dump.Ksets);
    }

    [Fact]
    public void Status_without_usable_cache_info_names_the_damage()
    {
        using ImageBuilder image = new();
        image.ChangeInfo((ref CacheInfo c) => c.SegmentCount = 0);
        Assert.Equal("cache info", Assert.Throws<PCacheCorruptionException>(() =>
            CacheImage.ReadStatus(image.Region)).Structure);
        Assert.False(CacheImage.Check(image.Region).IsSound);
    }

    [Fact]
    public void Notes_leave_an_image_sound()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0, segment: 3));
        image.AppendMany(2);
        image.SetGeneration(3, 1);
        image.SetDirtyTail(new LogPosition(0, 64));
        image.SetDirtyTail(new LogPosition(0, 64));
        image.Flip(image.DeviceOffset(image.AppendMany(1)));
        image.Flip(MediaConstants.DirtyTailOffset);
        CheckReport report = CacheImage.Check(image.Region);
        Assert.Equal(["dirty tail", "kset", "key"], report.Findings.Select(f => f.Structure));
        Assert.All(report.Findings, f => Assert.Equal(FindingSeverity.Note, f.Severity));
        Assert.True(report.IsSound);
    }

    [Fact]
    public void Lost_writes_are_listed()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0), image.Key(512, flags: CacheKey.CleanFlag));
        image.SetGeneration(1, 1);
        CheckReport report = CacheImage.Check(image.Region);
        Assert.False(report.IsSound);
        Assert.Equal(FindingSeverity.Lost, Assert.Single(report.Findings).Severity);
        Assert.Equal((0L, 1L), (CacheImage.ReadStatus(image.Region).DirtyKeys,
            CacheImage.ReadStatus(image.Region).LostKeys));
    }

    [Fact]
    public void Linux_takes_no_compact_small_or_leftover_image()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        image.NextSequence = 5;
        image.AppendMany(1);
        CheckReport report = CacheImage.Check(image.Region, new CheckOptions { CheckLinux = true });
        Assert.True(report.IsSound);
        Assert.False(report.IsAcceptedByLinux);
        Assert.Equal(2, report.Findings.Count(f => f.Text.StartsWith("Linux doesn't take", StringComparison.Ordinal)));
        Assert.Equal(1, report.Findings.Count(f =>
            f.Text.StartsWith("Linux takes this image, but wrongly", StringComparison.Ordinal)));
    }

    [Fact]
    public void Linux_calls_a_kset_an_error_that_ends_our_log()
    {
        foreach ((uint count, bool fits, int reasons) in new[] { (0u, true, 3), (0u, false, 2) })
        {
            using ImageBuilder image = new();
            image.AppendMany(1);
            LogPosition end = image.Put(count, [], last: false);
            if (!fits)
            {
                image.Flip(image.DeviceOffset(end));
            }

            CheckReport report = CacheImage.Check(image.Region, new CheckOptions { CheckLinux = true });
            Assert.True(report.IsSound);
            Assert.Equal(reasons, report.Findings.Count(f =>
                f.Text.StartsWith("Linux doesn't take", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Damage_in_the_extension_block_is_none_for_linux()
    {
        GoldenSet golden = GoldenSet.Load("fresh");
        using TestRegion region = golden.OpenPmem(readOnly: false);
        ExtensionBlocks.Bind(region, MediaLoader.Load(region), golden.BackingBytes + 512, Guid.Empty, resizable: false);
        CheckReport report = CacheImage.Check(region,
            new CheckOptions { CheckLinux = true, BackingLengthBytes = golden.BackingBytes });
        Assert.False(report.IsSound);
        Assert.True(report.IsAcceptedByLinux);
    }

    [Fact]
    public void Payload_is_verified_where_checksums_are_on_only()
    {
        foreach (bool crc in new[] { true, false })
        {
            using ImageBuilder image = new(payloadCrc: crc);
            image.Append(image.Key(0), image.Key(512));
            image.Flip(image.DeviceOffset(new LogPosition(1, 600)));
            Assert.Equal(!crc, CacheImage.Check(image.Region).IsSound);
        }
    }

    [Fact]
    public void Unreadable_payload_and_unreadable_log_are_findings()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0), image.Key(512));
        image.Region.Poison(image.DeviceOffset(new LogPosition(1, 600)), 8);
        Assert.Equal("payload", Assert.Single(CacheImage.Check(image.Region).Findings).Structure);
        image.Region.Poison(image.DeviceOffset(default), 8);
        Assert.Equal("kset", Assert.Single(CacheImage.Check(image.Region).Findings).Structure);
        image.Region.Poison(4096, 8);
        Assert.Equal("superblock", Assert.Single(CacheImage.Check(image.Region).Findings).Structure);
    }

    [Fact]
    public void A_bound_backing_of_another_length_is_told()
    {
        using ImageBuilder image = new();
        ExtensionBlocks.Bind(image.Region, image.Load(), 8192, Guid.Empty, resizable: false);
        Assert.False(CacheImage.Check(image.Region, new CheckOptions { BackingLengthBytes = 4096 }).IsSound);
        Assert.Empty(CacheImage.Check(image.Region, new CheckOptions { BackingLengthBytes = 8192 }).Findings);
        CheckReport longer = CacheImage.Check(image.Region, new CheckOptions { BackingLengthBytes = 12288 });
        Assert.True(longer.IsSound);
        Assert.Single(longer.Findings);

        ExtensionBlocks.Bind(image.Region, image.Load(), 8192, Guid.Empty, resizable: true);
        Assert.Empty(CacheImage.Check(image.Region, new CheckOptions { BackingLengthBytes = 12288 }).Findings);
        Assert.False(CacheImage.Check(image.Region, new CheckOptions { BackingLengthBytes = 4096 }).IsSound);
    }

    [Fact]
    public void Findings_are_bounded()
    {
        using ImageBuilder image = new();
        for (int i = 0; i < 5; i++)
        {
            image.AppendMany(100);
        }

        image.Flip(image.DeviceOffset(new LogPosition(1, 3)));
        image.Region.Bytes(image.DeviceOffset(new LogPosition(1, 0)), 4096).Fill(9);
        CheckReport report = CacheImage.Check(image.Region, new CheckOptions { MaxFindings = 10 });
        Assert.Equal(11, report.Findings.Count);
        Assert.StartsWith("490 more", report.Findings[10].Text, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            CacheImage.Check(image.Region, new CheckOptions { MaxFindings = 0 }));
    }

    [Fact]
    public void Forged_payload_that_overlaps_without_end_costs_no_time_without_end()
    {
        // A million megabytes named by keys of a small image: verified up to a bound, and called damage.
        using TestRegion region = TestRegion.Create(MediaConstants.SegmentsOffset + (4 << 24));
        Formatter.Format(region, new FormatParameters { SegmentSizeBytes = 16 << 20, PayloadCrc = true });
        using ImageBuilder shape = new();
        CacheKey[] keys = new CacheKey[128];
        for (int i = 0; i < 4; i++)
        {
            for (int k = 0; k < keys.Length; k++)
            {
                keys[k] = new CacheKey
                {
                    Offset = 0,
                    Length = 4 << 20,
                    Segment = 1,
                    SegmentOffset = (uint)(((i * 128) + k) * 512),
                    PayloadCrc = 0
                };
            }

            LogPosition at = shape.Append(keys);
            shape.Region.Bytes(shape.DeviceOffset(at), 5144).CopyTo(region.Bytes(20480 + 12288 + at.Offset, 5144));
        }

        CheckReport report = CacheImage.Check(region, new CheckOptions { MaxFindings = 5000 });
        Assert.Contains(report.Findings, f => f.Text.Contains("overlap", StringComparison.Ordinal));
        Assert.InRange(report.Findings.Count, 2, 400);
    }
}
