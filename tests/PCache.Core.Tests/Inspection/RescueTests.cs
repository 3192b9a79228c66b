using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>Rescue of small images made by hand, one kind of damage each.</summary>
public sealed class RescueTests
{
    [Fact]
    public void A_sound_image_is_sound()
    {
        using ImageBuilder image = Make();
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.True(rescue.IsSound, Text(rescue));
        Assert.Equal([(0L, 512L, RescueState.Sound), (512, 512, RescueState.Sound), (1024, 512, RescueState.Sound)],
            Ranges(rescue));
        Assert.Equal((byte)13, First(rescue, 512));
    }

    [Fact]
    public void Arguments_are_checked()
    {
        using ImageBuilder image = Make();
        Assert.Throws<ArgumentNullException>(() => CacheRescue.Open(null!));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            CacheRescue.Open(image.Region, new RescueOptions { SegmentSizeBytes = 100_000 }));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            CacheRescue.Open(image.Region, new RescueOptions { MaxFindings = 0 }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20479)]
    [InlineData(1 << 20)]
    public void What_is_no_cache_is_refused(int length)
    {
        using TestRegion zeros = TestRegion.Create(length);
        Assert.Throws<PCacheNotFormattedException>(() => CacheRescue.Open(zeros));
        byte[] noise = new byte[length];
        new Random(3).NextBytes(noise);
        using TestRegion random = TestRegion.Of(noise);
        Assert.Throws<PCacheNotFormattedException>(() => CacheRescue.Open(random));
    }

    [Theory]
    [InlineData(64 << 10, 6)]
    [InlineData(128 << 10, 5)]
    [InlineData(1 << 20, 9)]
    [InlineData(16 << 20, 4)]
    public void The_segment_size_is_inferred_or_given(int segmentSize, int segments)
    {
        using TestRegion region = TestRegion.Create(MediaConstants.SegmentsOffset + ((long)segments * segmentSize));
        Formatter.Format(region, new FormatParameters
        {
            SegmentSizeBytes = segmentSize,
            PayloadCrc = true,
            CacheId = Guid.NewGuid()
        });
        region.Bytes(4096, 4096).Clear();
        RescueImage rescue = CacheRescue.Open(region);
        Assert.Equal((segmentSize, segments), (rescue.SegmentSizeBytes, rescue.SegmentCount));
        Assert.False(rescue.IsSound);
        Assert.Equal(1 << 20, CacheRescue.Open(region,
            new RescueOptions { SegmentSizeBytes = 1 << 20 }).SegmentSizeBytes);
    }

    [Fact]
    public void A_chain_that_goes_round_is_taken_to_be_in_order()
    {
        using ImageBuilder image = Make();
        image.ChangeSegmentInfo(2, (ref SegmentInfo info) => info.Next = 1);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Contains(rescue.Findings, finding => finding.Code == "chain");
        Assert.All(rescue.Extents, extent => Assert.Equal(RescueState.Sound, extent.State));
        Assert.Equal(3, rescue.Extents.Count);
    }

    [Fact]
    public void Ranges_named_behind_a_lost_kset_are_sound_and_others_possibly_stale()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0), image.Key(512));
        LogPosition lost = image.Append(image.Key(2048), image.Key(4096));
        image.Append(image.Key(512, fill: 9));
        image.Flip(image.DeviceOffset(lost) + 25);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, RescueState.PossiblyStale), (512, 512, RescueState.Sound)], Ranges(rescue));
        RescueHole hole = Assert.Single(rescue.Holes);
        Assert.Equal((lost, 104L, 2L, true), (hole.Position, hole.LengthBytes, hole.MaxKeys, hole.IsDirty));
    }

    [Fact]
    public void A_lost_link_makes_nothing_stale()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0));
        LogPosition link = image.Link(4);
        image.Append(image.Key(512));
        image.Region.Bytes(image.DeviceOffset(link), 24).Clear();
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, RescueState.Sound), (512, 512, RescueState.Sound)], Ranges(rescue));
        Assert.Empty(rescue.Holes);
        Assert.Equal("kset-link", Assert.Single(rescue.Findings).Code);
    }

    [Theory]
    [InlineData(1000u)]
    [InlineData(uint.MaxValue - 1)]
    public void Without_tails_the_numbers_give_the_order(uint firstNumber)
    {
        using ImageBuilder image = new(firstSequence: firstNumber);
        image.Append(image.Key(0));
        image.Link(5);
        image.Append(image.Key(0, fill: 8));
        image.Link(3);
        image.Append(image.Key(512), image.Key(0, fill: 9));
        image.Region.Bytes(MediaConstants.ControlOffset, 64).Fill(0xEE);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, RescueState.Sound), (512, 512, RescueState.Sound)], Ranges(rescue));
        Assert.Equal((byte)9, First(rescue, 0));
    }

    [Fact]
    public void Without_tails_and_with_numbers_of_two_series_nothing_is_certain()
    {
        using ImageBuilder image = new(firstSequence: 1000);
        image.Append(image.Key(0));
        image.Head = new LogPosition(4, 0);
        image.NextSequence = 3_000_000_000;
        image.Append(image.Key(0, fill: 8));
        image.Region.Bytes(MediaConstants.ControlOffset, 64).Fill(0xEE);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, RescueState.PossiblyStale)], Ranges(rescue));
        Assert.Contains(rescue.Findings, finding => finding.Code == "log-order");
    }

    [Fact]
    public void Dead_keys_and_what_they_hide_never_come_out()
    {
        // As a crash inside Linux's GC leaves it: payload checksums on, the dead key's payload gone.
        using ImageBuilder image = new(firstSequence: 0);
        image.Append(image.Key(0, fill: 1, segment: 1));
        image.Append(image.Key(0, fill: 2, segment: 2));
        image.SetDirtyTail(image.Head);
        image.Append(image.Key(512, fill: 3, segment: 3));
        image.SetGeneration(2, 1);
        image.Region.Bytes(image.DeviceOffset(new LogPosition(2, 0)), 512).Fill(0xEE);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.True(rescue.IsSound, Text(rescue));
        Assert.Equal([(512L, 512L, RescueState.Sound)], Ranges(rescue));
        Assert.False(CacheImage.Check(image.Region, new CheckOptions { CheckLinux = true }).IsAcceptedByLinux);

        // Nor where the dirty tail is lost: older data doesn't go over what was written back.
        image.Region.Bytes(MediaConstants.DirtyTailOffset, 32).Fill(0xEE);
        rescue = CacheRescue.Open(image.Region);
        using var backing = Disks.Make(new byte[4096]);
        rescue.WriteBack(backing);
        Assert.Equal((0, 3), (backing.Snapshot()[0], backing.Snapshot()[512]));
    }

    [Fact]
    public void Lost_writes_are_listed()
    {
        using ImageBuilder image = Make();
        image.SetGeneration(1, 1);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Empty(rescue.Extents);
        Assert.Equal(3 * 512, rescue.Lost.Sum(range => range.LengthBytes));
        Assert.False(rescue.IsSound);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_generation_only_a_checksum_makes_a_key_sound(bool crc)
    {
        using ImageBuilder image = new(payloadCrc: crc);
        image.Append(image.Key(0));
        image.Region.Bytes(image.GenerationOffset(1), 32).Fill(0xEE);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, crc ? RescueState.Sound : RescueState.Unverifiable)], Ranges(rescue));
    }

    [Fact]
    public void Unreadable_and_changed_payload_is_damaged_and_alone()
    {
        using ImageBuilder image = new();
        CacheKey good = image.Key(0);
        CacheKey flipped = image.Key(512);
        CacheKey poisoned = image.Key(1024, length: 8192);
        image.Append(good, flipped, poisoned);
        image.Flip(image.DeviceOffset(new LogPosition(1, (int)flipped.SegmentOffset)));
        image.Region.Poison(image.DeviceOffset(new LogPosition(1, 4096)), 64);
        RescueImage rescue = CacheRescue.Open(image.Region);
        Assert.Equal([(0L, 512L, RescueState.Sound), (512, 512, RescueState.Damaged),
            (1024, 8192, RescueState.Damaged)], Ranges(rescue));
        byte[] content = new byte[16384];
        using var backing = Disks.Make(Enumerable.Repeat((byte)0x55, 16384).ToArray());
        List<RescueExtent> untrusted = [];
        Assert.Equal(512, rescue.Read(0, content, backing, RescueFill.Stop, untrusted: untrusted));
        Assert.Equal(16384, rescue.Read(0, content, backing, RescueFill.Backing));
        Assert.Equal((7, 0x55, 0x55, 0x55), (content[0], content[512], content[1024], content[9216]));
        Assert.Equal(16384, rescue.Read(0, content, backing, RescueFill.Zeros));
        Assert.Equal((7, 0, 0, 0x55), (content[0], content[512], content[1024], content[9216]));
        Assert.Equal(512, Assert.Single(untrusted).Offset);
    }

    [Fact]
    public void A_cut_image_gives_what_lies_before_the_cut()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0, segment: 1), image.Key(512, segment: 3));
        using TestRegion cut = TestRegion.Of(image.Region.ToArray()
            .AsSpan(0, (int)image.Geometry.SegmentOffset(3) - 1000));
        RescueImage rescue = CacheRescue.Open(cut);
        Assert.Equal([(0L, 512L, RescueState.Sound), (512, 512, RescueState.Damaged)], Ranges(rescue));
        Assert.Contains(rescue.Findings, finding => finding.Code == "cut");
    }

    [Fact]
    public void Write_back_goes_in_log_order_with_a_flush_at_each_barrier()
    {
        using ImageBuilder image = new(firstSequence: 0);
        image.Append(image.Key(0, fill: 1), image.Key(512, fill: 1));
        image.Append(image.Key(0, fill: 2));
        RescueImage rescue = CacheRescue.Open(image.Region);
        List<string> calls = [];
        using var backing = Disks.Make(new byte[4096]);
        backing.AfterCall = call => calls.Add($"{call.Operation} {call.Offset}");
        RescueWriteback done = rescue.WriteBack(backing);
        Assert.Equal(["Write 0", "Write 512", "Flush 0", "Write 0", "Flush 0"], calls);
        Assert.Equal(new RescueWriteback(1536, 1024, 0), done);
        Assert.Equal((2, 1), (backing.Snapshot()[0], backing.Snapshot()[512]));
    }

    [Theory]
    [InlineData(4096, 4096)]
    [InlineData(1, 700)]
    public void Backings_with_large_blocks_or_odd_ends_are_written_right(int blockSize, int length)
    {
        using ImageBuilder image = new();
        image.Append(image.Key(512));
        byte[] content = Enumerable.Repeat((byte)0x55, length).ToArray();
        using var backing = Disks.Make(content, blockSize);
        RescueWriteback done = CacheRescue.Open(image.Region).WriteBack(backing);
        content.AsSpan(512, Math.Min(512, length - 512)).Fill(7);
        Assert.Equal(content, backing.Snapshot());
        Assert.Equal(0, done.SkippedBytes);
        Assert.Empty(backing.Violations);
    }

    private static ImageBuilder Make()
    {
        ImageBuilder image = new();
        image.Append(image.Key(0), image.Key(512));
        image.Append(image.Key(512, fill: 13), image.Key(1024));
        return image;
    }

    private static (long Offset, long Length, RescueState State)[] Ranges(RescueImage image) =>
        [.. image.Extents.Select(extent => (extent.Offset, extent.LengthBytes, extent.State))];

    private static byte First(RescueImage image, long offset)
    {
        byte[] one = new byte[1];
        RescueExtent extent = image.Extents[image.FindExtent(offset)];
        Assert.True(image.TryReadPayload(in extent, offset - extent.Offset, one));
        return one[0];
    }

    private static string Text(RescueImage image) => string.Join('\n', image.Findings);
}
