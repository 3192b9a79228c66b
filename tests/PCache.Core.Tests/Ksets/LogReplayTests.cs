using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Ksets;

public partial class LogReplayTests
{
    private const int MaxKset = KsetReader.MaxKsetBytes;

    [Fact]
    public void Walks_ksets_over_a_link()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0), image.Key(512));
        LogPosition second = image.AppendMany(128, 4096);
        LogPosition link = image.Link(3);
        LogPosition third = image.Append(image.Key(8192));
        image.SetDirtyTail(link);
        CountingSink sink = new();
        ReplayResult result = image.Replay(sink: sink);
        Assert.Equal([(new LogPosition(0, 0), false), (second, false), (link, true), (third, true)], sink.Positions);
        Assert.Equal((4L, 131L, 0L, 1L), (result.Ksets, result.LiveKeys, result.DeadKeys, result.DirtyKeys));
        Assert.Equal(1003u, result.LastSequence);
        Assert.Equal(image.Head, result.KeyHead);
        Assert.Equal(LogEnd.Clean, result.End);
        Assert.Equal([0, 3], result.LogSegments);
        Assert.Equal([0, 131, 0, 0, 0, 0], result.Use.References.ToArray());
        Assert.Equal(3, result.Use.UsedCount);
        Assert.True(result.Use.IsUsed(1) && result.Use.IsLog(3) && !result.Use.IsUsed(2));
    }

    [Fact]
    public void A_log_segment_can_be_filled_to_the_last_byte()
    {
        using ImageBuilder image = new();
        int room = image.Geometry.DataSize;
        while (room - image.Head.Offset >= MaxKset + 24 + 24 + 64)
        {
            image.AppendMany(128);
        }

        int keys = (room - image.Head.Offset - 48) / 40;
        image.AppendMany(keys);
        Assert.InRange(room - image.Head.Offset, 24, 63);
        image.Link(2);
        image.Append(image.Key(0));
        ReplayResult result = image.Replay();
        Assert.Equal([0, 2], result.LogSegments);
        Assert.Equal(image.Head, result.KeyHead);
    }

    [Fact]
    public void A_kset_that_leaves_no_room_for_a_link_is_corruption()
    {
        using ImageBuilder image = new();
        image.Head = new LogPosition(0, image.Geometry.DataSize - 64 - 16);
        image.SetKeyTail(image.Head);
        image.SetDirtyTail(image.Head);
        image.Append(image.Key(0));
        Assert.Equal("kset", Assert.Throws<PCacheCorruptionException>(() => image.Replay()).Structure);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(uint.MaxValue - 1)]
    [InlineData(uint.MaxValue)]
    public void Numbers_go_round_and_skip_zero(uint first)
    {
        using ImageBuilder image = new(firstSequence: first);
        for (int i = 0; i < 4; i++)
        {
            image.AppendMany(1);
        }

        Assert.Equal(4, image.Replay().Ksets);
    }

    [Fact]
    public void Unnumbered_ksets_are_accepted_and_change_no_expectation()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        image.NextSequence = 0;
        image.AppendMany(2);
        image.AppendMany(3);
        image.NextSequence = 1001;
        image.AppendMany(4);
        image.NextSequence = 1003;
        image.AppendMany(5);
        ReplayResult result = image.Replay();
        Assert.Equal(4, result.Ksets);
        Assert.Equal(1001u, result.LastSequence);
        Assert.Equal(LogEnd.Leftover, result.End);
    }

    [Fact]
    public void A_leftover_ends_the_log()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        LogPosition end = image.Head;
        image.NextSequence = 17;
        image.AppendMany(1);
        image.AppendMany(1);
        ReplayResult result = image.Replay();
        Assert.Equal((1L, LogEnd.Leftover, end), (result.Ksets, result.End, result.KeyHead));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(143)]
    public void A_torn_last_kset_ends_the_log(int at)
    {
        using ImageBuilder image = new();
        image.AppendMany(2);
        LogPosition end = image.AppendMany(3);
        image.Flip(image.DeviceOffset(end) + at);
        ReplayResult result = image.Replay();
        Assert.Equal((1L, LogEnd.Torn, end), (result.Ksets, result.End, result.KeyHead));
    }

    [Fact]
    public void Damage_in_any_kset_but_the_last_is_found()
    {
        // Each kset of a log over two segments in turn, links included, and the first one too: never a silent loss.
        List<LogPosition> ksets = [];
        Build(ksets).Dispose();
        for (int i = 0; i < ksets.Count - 1; i++)
        {
            foreach (int at in new[] { 0, 5, 9, 20, 23, 63 })
            {
                if (at > 23 && i == LinkIndex)
                {
                    continue;
                }

                using ImageBuilder image = Build([]);
                image.Flip(image.DeviceOffset(ksets[i]) + at);
                PCacheCorruptionException e = Assert.Throws<PCacheCorruptionException>(() => image.Replay());
                Assert.Equal(image.DeviceOffset(ksets[i]), e.DeviceOffset);
            }

            // And all of it gone: zeros stand for an orderly end. Not told from a new format only where a format
            // begins.
            using ImageBuilder zeroed = Build([]);
            zeroed.Region.Bytes(zeroed.DeviceOffset(ksets[i]), 24).Clear();
            if (i > 0)
            {
                Assert.Throws<PCacheCorruptionException>(() => zeroed.Replay());
            }
        }
    }

    private const int LinkIndex = 5;

    private static ImageBuilder Build(List<LogPosition> ksets)
    {
        ImageBuilder image = new(firstSequence: uint.MaxValue - 3);
        for (int i = 1; i <= LinkIndex; i++)
        {
            ksets.Add(image.AppendMany(i));
        }

        ksets.Add(image.Link(4));
        for (int i = 1; i < 4; i++)
        {
            ksets.Add(image.AppendMany(i));
        }

        return image;
    }

    [Fact]
    public void Damage_in_the_first_kset_behind_a_moved_key_tail_is_found()
    {
        // Also with a new start of the numbers, and where all keys are dead.
        using ImageBuilder image = new();
        image.AppendMany(2);
        image.NextSequence = 77;
        image.SetGeneration(1, 1);
        LogPosition tail = image.AppendMany(2);
        image.AppendMany(2);
        image.SetKeyTail(tail);
        image.SetDirtyTail(tail);
        image.Region.Bytes(image.DeviceOffset(tail), 24).Clear();
        Assert.Throws<PCacheCorruptionException>(() => image.Replay());
    }

    [Fact]
    public void A_page_lost_at_the_end_of_a_segment_is_found()
    {
        using ImageBuilder image = new();
        image.AppendMany(100);
        LogPosition lost = image.AppendMany(5);
        image.AppendMany(6);
        LogPosition link = image.Link(2);
        image.AppendMany(1);
        image.Region.Bytes(image.DeviceOffset(lost), link.Offset + 24 - lost.Offset).Clear();
        PCacheCorruptionException e = Assert.Throws<PCacheCorruptionException>(() => image.Replay());
        Assert.Equal(image.DeviceOffset(lost), e.DeviceOffset);
    }

    [Fact]
    public void Old_ksets_behind_the_end_are_no_damage()
    {
        // A segment reused by Linux, which zeroes only 24 bytes: earlier numbers behind the end, also one at the head
        // of a free segment.
        using ImageBuilder image = new();
        image.Head = new LogPosition(0, 256);
        image.NextSequence = 900;
        for (int i = 0; i < 20; i++)
        {
            image.AppendMany(3);
        }

        image.Head = new LogPosition(4, 0);
        image.AppendMany(3);
        image.Head = default;
        image.NextSequence = 1000;
        image.AppendMany(1);
        image.NextSequence = 0;
        image.AppendMany(1);
        ReplayResult result = image.Replay();
        Assert.Equal((2L, LogEnd.Clean), (result.Ksets, result.End));
    }

    [Fact]
    public void Old_ksets_behind_an_emptied_log_of_linux_are_no_damage()
    {
        // Linux reused a segment that was ours, wrote everything back and collected it: its last kset has no number.
        using ImageBuilder image = new();
        image.AppendMany(2);
        image.AppendMany(2);
        image.AppendMany(2);
        image.Head = default;
        image.NextSequence = 0;
        image.AppendMany(2);
        image.SetKeyTail(image.Head);
        image.SetDirtyTail(image.Head);
        image.Region.Bytes(image.DeviceOffset(image.Head), 24).Clear();
        Assert.Equal((0L, LogEnd.Clean), (image.Replay().Ksets, image.Replay().End));
        image.Region.Bytes(image.DeviceOffset(image.Head), 24).Fill(1);
        Assert.Equal((0L, LogEnd.Torn), (image.Replay().Ksets, image.Replay().End));
    }

    [Fact]
    public void At_the_head_of_a_segment_live_keys_tell_old_ksets_from_damage()
    {
        using ImageBuilder image = new();
        image.Head = new LogPosition(3, 0);
        image.AppendMany(2);
        image.AppendMany(2);
        image.SetKeyTail(new LogPosition(3, 0));
        image.SetDirtyTail(new LogPosition(3, 0));
        image.Region.Bytes(image.DeviceOffset(new LogPosition(3, 0)), 24).Clear();
        Assert.Throws<PCacheCorruptionException>(() => image.Replay());

        // The payload segment was freed since: then they are of an earlier use.
        image.SetGeneration(1, 1);
        Assert.Equal((0L, LogEnd.Clean), (image.Replay().Ksets, image.Replay().End));
    }

    [Fact]
    public void A_fresh_format_over_an_old_log_is_no_damage()
    {
        using ImageBuilder image = new();
        image.AppendMany(2);
        image.AppendMany(2);

        // As Linux does it: generations and tails as new, 24 bytes of segment 0 zeroed.
        image.Region.Bytes(image.DeviceOffset(default), 24).Clear();
        Assert.Equal(0, image.Replay().Ksets);
    }

    [Fact]
    public void Expected_number_further_on_than_ksets_could_lie_is_old()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        image.Head = new LogPosition(0, 64 + 640);
        image.NextSequence = 1001 + 11;
        image.AppendMany(1);
        Assert.Equal(1, image.Replay().Ksets);
        image.Head = new LogPosition(0, 64 + 640);
        image.NextSequence = 1001 + 10;
        image.AppendMany(1);
        Assert.Throws<PCacheCorruptionException>(() => image.Replay());
    }

    [Fact]
    public void The_dirty_tail_has_to_be_met()
    {
        using ImageBuilder image = new();
        image.AppendMany(2);
        LogPosition second = image.AppendMany(2);
        image.SetDirtyTail(image.Head);
        Assert.Equal(0, image.Replay().DirtyKeys);
        image.SetDirtyTail(new LogPosition(0, second.Offset + 8));
        Assert.Equal("dirty tail", Assert.Throws<PCacheCorruptionException>(() => image.Replay()).Structure);
        image.SetDirtyTail(new LogPosition(2, 0));
        Assert.Throws<PCacheCorruptionException>(() => image.Replay());
        image.SetKeyTail(second);
        image.SetDirtyTail(default);
        Assert.Throws<PCacheCorruptionException>(() => image.Replay());
    }

    [Fact]
    public void Whether_the_older_dirty_tail_is_on_the_way_is_told()
    {
        using ImageBuilder image = new();
        image.AppendMany(2);
        LogPosition second = image.AppendMany(2);
        image.SetDirtyTail(second);
        Assert.True(image.Replay().DirtyTailOlderMet);
        image.SetKeyTail(second);
        Assert.False(image.Replay().DirtyTailOlderMet);
        image.SetDirtyTail(image.Head);
        Assert.True(image.Replay().DirtyTailOlderMet);
    }

    [Fact]
    public void A_key_count_that_makes_no_kset_ends_the_log_before_any_checksum()
    {
        foreach (uint count in new[] { 0u, 129u, uint.MaxValue })
        {
            using ImageBuilder image = new();
            image.AppendMany(1);
            image.Put(count, [], last: false);
            Assert.Equal((1L, LogEnd.Torn), (image.Replay().Ksets, image.Replay().End));
        }

        using ImageBuilder overrun = new();
        overrun.Head = new LogPosition(0, overrun.Geometry.DataSize - 24);
        overrun.SetKeyTail(overrun.Head);
        overrun.SetDirtyTail(overrun.Head);
        overrun.Put(1, [], last: false);
        Assert.Equal(LogEnd.Torn, overrun.Replay().End);
    }

    [Fact]
    public void An_unreadable_kset_is_an_error_and_never_an_end()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        LogPosition second = image.AppendMany(1);
        image.AppendMany(1);
        MediaState media = image.Load();
        image.Region.Poison(image.DeviceOffset(second) + 30, 1);
        Assert.ThrowsAny<IOException>(() => LogReplay.Run(image.Region, media, new CountingSink(), null));
        Layout.MediaLoaderTests.Collector findings = new();
        Assert.Equal(1, LogReplay.Run(image.Region, media, new CountingSink(), null, findings).Ksets);
        Assert.Contains(findings.All, f => f.Severity == FindingSeverity.Damage);
    }

    [Fact]
    public void A_bad_place_behind_the_log_does_no_harm()
    {
        using ImageBuilder image = new();
        image.AppendMany(1);
        MediaState media = image.Load();
        image.Region.Poison(image.DeviceOffset(new LogPosition(0, 20000)), 64);
        image.Region.Poison(image.DeviceOffset(new LogPosition(3, 0)), 64);
        Assert.Equal(1, LogReplay.Run(image.Region, media, new CountingSink(), null).Ksets);
    }

    [Fact]
    public void The_reader_without_read_ahead_sees_what_was_stored_since()
    {
        using ImageBuilder image = new();
        image.AppendMany(3);
        KsetReader reader = new(image.Region, image.Geometry, image.Load().Chain);
        SequenceTracker sequence = default;
        Assert.Equal(KsetOutcome.Valid, reader.Read(default, ref sequence));
        Assert.Equal(3, reader.Keys.Length);
        Assert.Equal(144, reader.SizeBytes);
        LogPosition next = reader.Next;
        Assert.Equal(KsetOutcome.Zeros, reader.Read(next, ref sequence));
        image.AppendMany(128);
        Assert.Equal(KsetOutcome.Valid, reader.Read(next, ref sequence));
        Assert.Equal(128, reader.Keys.Length);
        Assert.Equal(512ul * 127, reader.Keys[127].Offset);
        Assert.Equal(1001u, sequence.Last);
        image.Link(2);
        Assert.Equal(KsetOutcome.Valid, reader.Read(reader.Next, ref sequence));
        Assert.Equal((0, 24, new LogPosition(2, 0)), (reader.Keys.Length, reader.SizeBytes, reader.Next));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(new LogPosition(0, image.Geometry.DataSize - 16)));
    }
}
