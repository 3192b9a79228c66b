using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>
/// What Linux does with forged images, as measured on 7.3.4: each is said by the check, and nothing that Linux takes
/// rightly is called refused.
/// </summary>
public class LinuxVerdictTests
{
    private static CheckReport Check(ImageBuilder image) =>
        CacheImage.Check(image.Region, new CheckOptions { CheckLinux = true });

    private static void Says(ImageBuilder image, LinuxVerdict verdict, string? code)
    {
        CheckReport report = Check(image);
        string findings = string.Join('\n', report.Findings);
        Assert.True(verdict == report.Linux, $"{report.Linux}\n{findings}");
        Assert.Equal(verdict == LinuxVerdict.Takes, report.IsAcceptedByLinux);
        if (code is null)
        {
            Assert.DoesNotContain(report.Findings, finding =>
                finding.Code.StartsWith("linux-", StringComparison.Ordinal));
        }
        else
        {
            Assert.Contains(report.Findings, finding => finding.Code == code && finding.Advice.Length > 0);
        }
    }

    private static ImageBuilder Linux(bool payloadCrc = false)
    {
        var image = new ImageBuilder(linux: true, payloadCrc: payloadCrc);
        image.AppendMany(2);
        image.AppendMany(2, offset: 8192);
        image.AppendMany(2, offset: 16384);
        return image;
    }

    private static void Destroy(ImageBuilder image, long offset, int length = 16) =>
        image.Region.Bytes(offset, length).Fill(0xEE);

    [Fact]
    public void A_dirty_image_is_taken()
    {
        using ImageBuilder image = Linux();
        Says(image, LinuxVerdict.Takes, null);
        Assert.True(Check(image).IsSound);
    }

    [Theory]
    [InlineData(0)] // the log
    [InlineData(1)] // payload
    [InlineData(17)] // unused
    [InlineData(29)] // unused, the last that is linked
    public void A_destroyed_linking_replica_is_refused(int segment)
    {
        using ImageBuilder image = Linux();
        Destroy(image, image.Geometry.SegmentOffset(segment));
        Says(image, LinuxVerdict.Refuses, "linux-segment-info");
        Assert.True(Check(image).IsSound);
    }

    [Fact]
    public void A_zeroed_or_unreadable_linking_replica_is_refused_too()
    {
        using ImageBuilder zeroed = Linux();
        zeroed.Region.Bytes(zeroed.Geometry.SegmentOffset(5), 16).Clear();
        Says(zeroed, LinuxVerdict.Refuses, "linux-segment-info");
        using ImageBuilder unreadable = Linux();
        unreadable.Region.Poison(unreadable.Geometry.SegmentOffset(5), 8);
        Says(unreadable, LinuxVerdict.Refuses, "linux-segment-info");
    }

    [Fact]
    public void The_other_replica_and_the_last_segments_first_one_do_no_harm()
    {
        using ImageBuilder image = Linux();
        Destroy(image, image.Geometry.SegmentOffset(3) + MediaConstants.SegmentInfoStride);
        Destroy(image, image.Geometry.SegmentOffset(30));
        Says(image, LinuxVerdict.Takes, null);
    }

    [Fact]
    public void A_writable_open_links_the_chain_again()
    {
        using ImageBuilder image = Linux();
        Destroy(image, image.Geometry.SegmentOffset(4));
        PCacheDevice.Open(image.Region, Disks.Make(1 << 20),
            new PCacheOptions
            {
                LeaveRegionOpen = true,
                StartWritebackPaused = true,
                Maintenance = MaintenanceMode.Manual
            }).Dispose();
        Says(image, LinuxVerdict.Takes, null);

        // The replica that was left is not touched, and the image opens without either.
        Destroy(image, image.Geometry.SegmentOffset(4));
        Says(image, LinuxVerdict.Refuses, "linux-segment-info");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Without_a_valid_cache_info_linux_formats_over(int blank)
    {
        // As Linux and older versions of ours leave it: one replica is zeros, and the other one gets destroyed.
        using ImageBuilder image = Linux();
        image.Region.Bytes(MediaConstants.CacheInfoOffset + (blank * (long)MediaConstants.CacheInfoStride), 24).Clear();
        Says(image, LinuxVerdict.Takes, null);
        Destroy(image, MediaConstants.CacheInfoOffset + ((1 - blank) * (long)MediaConstants.CacheInfoStride));
        Says(image, LinuxVerdict.FormatsOver, "linux-format");
        Assert.Contains("format it over", Check(image).Findings[0].Text, StringComparison.Ordinal);

        // And zeros in both, which we call unfinished formatting.
        image.Region.Bytes(MediaConstants.CacheInfoOffset, 24).Clear();
        image.Region.Bytes(MediaConstants.CacheInfoOffset + MediaConstants.CacheInfoStride, 24).Clear();
        Says(image, LinuxVerdict.FormatsOver, "linux-format");
        Assert.False(Check(image).IsCache);
    }

    [Fact]
    public void A_zeroed_superblock_is_formatted_over_and_any_other_is_refused()
    {
        using ImageBuilder image = Linux();
        image.ChangeSuperblock((ref Superblock s) => s.Magic = 0);
        Says(image, LinuxVerdict.FormatsOver, "linux-format");
        image.ChangeSuperblock((ref Superblock s) => s.Magic = 42);
        Says(image, LinuxVerdict.Refuses, null);
    }

    [Fact]
    public void Formatted_images_survive_one_destroyed_replica_of_the_cache_info()
    {
        foreach (int replica in new[] { 0, 1 })
        {
            using ImageBuilder image = Linux();
            Destroy(image, MediaConstants.CacheInfoOffset + (replica * (long)MediaConstants.CacheInfoStride));
            Says(image, LinuxVerdict.Takes, null);
            Assert.True(Check(image).IsSound);
        }
    }

    [Fact]
    public void A_writable_open_completes_the_cache_info_of_an_image_of_linux()
    {
        GoldenSet golden = GoldenSet.Load("fresh");
        using TestRegion region = golden.OpenPmem(readOnly: false);
        Assert.True(MediaLoader.Load(region).CacheInfoInOneReplica);
        PCacheDevice.Open(region, Disks.Make(golden.BackingBytes),
            new PCacheOptions { LeaveRegionOpen = true, Maintenance = MaintenanceMode.Manual }).Dispose();
        Assert.False(MediaLoader.Load(region).CacheInfoInOneReplica);
        foreach (int replica in new[] { 0, 1 })
        {
            byte[] kept = region.Bytes(MediaConstants.CacheInfoOffset + (replica * 4096L), 24).ToArray();
            region.Bytes(MediaConstants.CacheInfoOffset + (replica * 4096L), 24).Fill(0xEE);
            Assert.Equal(31, MediaLoader.Load(region).ChainLength);
            kept.CopyTo(region.Bytes(MediaConstants.CacheInfoOffset + (replica * 4096L), 24));
        }
    }

    [Theory]
    [InlineData(40)] // off a boundary
    [InlineData(44)] // not even a multiple of 8
    [InlineData(416)] // just behind the head
    [InlineData(1 << 20)]
    public void A_dirty_tail_that_the_log_does_not_meet_is_taken_and_never_drained(int offset)
    {
        using ImageBuilder image = Linux();
        image.SetTail(MediaConstants.DirtyTailOffset, 0, (uint)offset);
        Says(image, LinuxVerdict.TakesWrongly, "linux-dirty-tail");
        Assert.False(Check(image).IsSound);
    }

    [Fact]
    public void A_tail_out_of_range_or_lost_is_refused()
    {
        foreach (long tail in new[] { MediaConstants.DirtyTailOffset, MediaConstants.KeyTailOffset })
        {
            using ImageBuilder beyond = Linux();
            beyond.SetTail(tail, 31, 0);
            Says(beyond, LinuxVerdict.Refuses, null);
            using ImageBuilder behind = Linux();
            behind.SetTail(tail, 0, 16 << 20);
            Says(behind, LinuxVerdict.Refuses, null);
            using ImageBuilder lost = Linux();
            Destroy(lost, tail, 32);
            Says(lost, LinuxVerdict.Refuses, null);
        }
    }

    [Fact]
    public void A_lost_generation_is_taken_and_harmless_only_where_no_key_is()
    {
        foreach (bool zeros in new[] { true, false })
        {
            using ImageBuilder unused = Linux();
            unused.Region.Bytes(unused.GenerationOffset(9), 32).Fill((byte)(zeros ? 0 : 0xEE));
            Says(unused, LinuxVerdict.Takes, null);
            Assert.False(Check(unused).IsSound);
            using ImageBuilder used = Linux();
            used.Region.Bytes(used.GenerationOffset(1), 32).Fill((byte)(zeros ? 0 : 0xEE));
            Says(used, LinuxVerdict.TakesWrongly, "linux-generation");
        }
    }

    [Fact]
    public void A_kset_destroyed_in_the_middle_is_the_end_to_linux()
    {
        using ImageBuilder image = Linux();
        image.Flip(image.DeviceOffset(new LogPosition(0, 104)) + 30);
        Says(image, LinuxVerdict.TakesWrongly, "linux-log-hole");
    }

    [Fact]
    public void An_old_kset_behind_the_end_is_replayed_by_linux()
    {
        using ImageBuilder image = Linux();
        image.NextSequence = 7;
        image.AppendMany(1);
        Says(image, LinuxVerdict.TakesWrongly, "linux-log-end");
        Assert.True(Check(image).IsSound);
    }

    [Fact]
    public void The_worst_verdict_counts()
    {
        using ImageBuilder image = Linux(payloadCrc: true);
        image.SetTail(MediaConstants.DirtyTailOffset, 0, 40);
        Says(image, LinuxVerdict.TakesWrongly, "linux-dirty-tail");
        image.Flip(image.DeviceOffset(new LogPosition(1, 3)));
        Says(image, LinuxVerdict.Refuses, "linux-dirty-tail");
        using ImageBuilder compact = new();
        Destroy(compact, MediaConstants.CacheInfoOffset, 24);
        Destroy(compact, MediaConstants.CacheInfoOffset + MediaConstants.CacheInfoStride, 24);
        Says(compact, LinuxVerdict.Refuses, "linux-geometry");
    }

    [Fact]
    public void Verdicts_do_not_depend_on_how_many_findings_are_kept()
    {
        using ImageBuilder image = Linux();
        image.Flip(image.DeviceOffset(new LogPosition(0, 104)) + 30);
        Destroy(image, image.Geometry.SegmentOffset(4) + MediaConstants.SegmentInfoStride);
        image.SetTail(MediaConstants.DirtyTailOffset, 0, 40);
        Assert.Equal(LinuxVerdict.TakesWrongly,
            CacheImage.Check(image.Region, new CheckOptions { CheckLinux = true, MaxFindings = 1 }).Linux);
    }
}
