using PCache.Core.Tests.Support;
using PCache.Core.Writeback;

namespace PCache.Core.Tests.Writeback;

public class WritebackPlanTests
{
    private const long Endless = long.MaxValue;

    [Fact]
    public void Nothing_makes_no_run() => Check(Plan(512, Endless, 1 << 20), "", "");

    [Fact]
    public void One_entry_is_one_run() =>
        Check(Plan(512, Endless, 1 << 20, (1024, 512, 7000)), "1024+512:1", "1024+512@7000");

    [Fact]
    public void Entries_come_out_sorted_and_adjacent_ones_merged() =>
        Check(Plan(1, Endless, 1000, (300, 10, 1000), (100, 10, 2000), (110, 10, 3000)), "100+20:2 300+10:1",
            "100+10@2000 110+10@3000 300+10@1000");

    [Fact]
    public void Entries_that_are_contiguous_in_the_region_too_become_one_piece() =>
        Check(Plan(1, Endless, 1000, (110, 10, 2010), (100, 10, 2000)), "100+20:1", "100+20@2000");

    [Fact]
    public void The_later_of_two_equal_entries_wins() =>
        Check(Plan(1, Endless, 1000, (100, 10, 1000), (100, 10, 2000)), "100+10:1", "100+10@2000");

    [Fact]
    public void Many_entries_come_out_sorted_however_far_apart_they_are()
    {
        var plan = new WritebackPlan();
        TestRuns.ForSeeds(20, seed =>
        {
            // From neighbours up to offsets with bits all over a long.
            var random = new Random(seed);
            long range = 1L << random.Next(12, 46);
            long start = random.NextInt64(1L << 60) & -512;
            long[] offsets = [.. Enumerable.Range(0, 3000).Select(_ => start + (random.NextInt64(range) * 512))
                .Distinct()];
            plan.Clear();
            for (int i = 0; i < offsets.Length; i++)
            {
                plan.Add(offsets[i], 512, i * 100_000L);
            }

            plan.Build(1, Endless, 512);
            int[] order = [.. Enumerable.Range(0, offsets.Length).OrderBy(i => offsets[i])];
            string what = $"seed {seed}";
            Assert.True(order.Select(i => (offsets[i], 512, i * 100_000L))
                .SequenceEqual(plan.Pieces.ToArray().Select(p => (p.Offset, p.LengthBytes, p.Source))), what);
            Assert.True(order.AsSpan().SequenceEqual(plan.SortedEntries), what);
            Assert.True(order.Select(i => offsets[i]).SequenceEqual(plan.SortedOffsets.ToArray()), what);
        });
    }

    [Fact]
    public void A_window_may_be_longer_than_those_before_it_after_one_was_cut_short()
    {
        // Grown for 513 entries of which 300 stay: what the sort changes places with has to have room for 513 too.
        var plan = new WritebackPlan();
        AddSectors(300);
        plan.Build(1, Endless, 512);
        plan.Clear();
        AddSectors(513);
        plan.Keep(300);
        plan.Build(1, Endless, 512);
        plan.Clear();
        AddSectors(600);
        plan.Build(1, Endless, 512);
        Assert.Equal(600, plan.Pieces.Length);

        void AddSectors(int count)
        {
            for (int i = 0; i < count; i++)
            {
                plan.Add(i * 1024L, 512, i * 100_000L);
            }
        }
    }

    [Fact]
    public void Later_inside_earlier() =>
        Check(Plan(1, Endless, 1000, (100, 30, 1000), (110, 10, 2000)), "100+30:3",
            "100+10@1000 110+10@2000 120+10@1020");

    [Fact]
    public void Later_covers_earlier() =>
        Check(Plan(1, Endless, 1000, (110, 10, 2000), (100, 30, 1000)), "100+30:1", "100+30@1000");

    [Fact]
    public void Later_overlaps_the_end_of_earlier() =>
        Check(Plan(1, Endless, 1000, (100, 10, 1000), (105, 10, 2000)), "100+15:2", "100+5@1000 105+10@2000");

    [Fact]
    public void Later_overlaps_the_start_of_earlier() =>
        Check(Plan(1, Endless, 1000, (105, 10, 2000), (100, 10, 1000)), "100+15:2", "100+10@1000 110+5@2005");

    [Fact]
    public void A_long_run_is_cut_at_the_limit() =>
        Check(Plan(512, Endless, 1024, (512, 2560, 9000)), "512+1024:1 1536+1024:1 2560+512:1",
            "512+1024@9000 1536+1024@10024 2560+512@11048");

    [Fact]
    public void The_limit_is_rounded_down_to_blocks_but_is_at_least_one_block()
    {
        Check(Plan(512, Endless, 1535, (0, 1536, 0)), "0+1024:1 1024+512:1", "0+1024@0 1024+512@1024");
        Check(Plan(512, Endless, 1, (0, 1024, 0)), "0+512:1 512+512:1", "0+512@0 512+512@512");
    }

    [Fact]
    public void A_run_is_aligned_outwards_and_says_that_it_has_to_be_filled() =>
        Check(Plan(4096, Endless, 1 << 20, (4608, 512, 9000)), "4096+4096:1 fill", "4608+512@9000");

    [Fact]
    public void Pieces_that_share_a_block_share_a_run() =>
        Check(Plan(4096, Endless, 1 << 20, (0, 512, 1000), (3584, 512, 2000)), "0+4096:2 fill",
            "0+512@1000 3584+512@2000");

    [Fact]
    public void Blocks_that_only_touch_stay_apart_when_their_pieces_do_not() =>
        Check(Plan(4096, Endless, 1 << 20, (0, 512, 1000), (4096, 512, 2000)), "0+4096:1 fill 4096+4096:1 fill",
            "0+512@1000 4096+512@2000");

    [Fact]
    public void A_piece_over_a_block_boundary_joins_the_blocks_on_both_sides() =>
        Check(Plan(4096, Endless, 1 << 20, (0, 512, 1000), (3584, 1024, 2000), (7680, 512, 3000)), "0+8192:3 fill",
            "0+512@1000 3584+1024@2000 7680+512@3000");

    [Fact]
    public void Blocks_that_are_covered_by_several_pieces_need_no_fill() =>
        Check(Plan(1024, Endless, 1 << 20, (512, 512, 1000), (0, 512, 2000)), "0+1024:2", "0+512@2000 512+512@1000");

    [Fact]
    public void Nothing_is_written_past_the_end_of_the_device()
    {
        Check(Plan(512, 1000, 1 << 20, (512, 512, 1000), (1024, 512, 2000), (900, 200, 3000)), "512+488:2",
            "512+388@1000 900+100@3000");
        Check(Plan(4096, 1000, 1 << 20, (512, 100, 1000)), "0+1000:1 fill", "512+100@1000");
        Check(Plan(4096, 1024, 1 << 20, (1024, 512, 1000)), "", "");
        Check(Plan(4096, 0, 1 << 20, (0, 512, 1000)), "", "");
    }

    [Fact]
    public void The_last_partial_block_needs_no_fill_when_it_is_covered() =>
        Check(Plan(4096, 5000, 1 << 20, (4096, 1024, 1000)), "4096+904:1", "4096+904@1000");

    [Fact]
    public void Offsets_may_be_as_large_as_the_format_allows()
    {
        long offset = (1L << 60) + 512;
        Check(Plan(4096, Endless, 1 << 20, (offset, 512, 1000)), $"{1L << 60}+4096:1 fill", $"{offset}+512@1000");
    }

    [Fact]
    public void Totals_tell_added_kept_and_written_bytes()
    {
        WritebackPlan plan = Plan(4096, Endless, 1 << 20, (0, 4096, 1000), (0, 4096, 9000), (8192, 512, 20_000));
        Assert.Equal(3, plan.EntryCount);
        Assert.Equal(8704, plan.AddedBytes);
        Assert.Equal(4608, plan.PieceBytes);
        Assert.Equal(8192, plan.RunBytes);
    }

    [Fact]
    public void Clear_forgets_everything()
    {
        WritebackPlan plan = Plan(4096, Endless, 1 << 20, (0, 4096, 1000));
        plan.Clear();
        Check(plan, "", "");
        Assert.Equal(0, plan.EntryCount + plan.AddedBytes + plan.PieceBytes + plan.RunBytes);
        plan.Build(4096, Endless, 1 << 20);
        Check(plan, "", "");
    }

    [Fact]
    public void Build_may_be_repeated_with_another_shape_and_more_entries()
    {
        WritebackPlan plan = Plan(4096, Endless, 1 << 20, (512, 512, 1000));
        plan.Add(1024, 512, 5000);
        plan.Build(512, Endless, 512);
        Check(plan, "512+512:1 1024+512:1", "512+512@1000 1024+512@5000");
    }

    [Fact]
    public void Senseless_arguments_are_refused()
    {
        WritebackPlan plan = new();
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Add(-1, 1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Add(0, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Add(long.MaxValue - 10, 20, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Build(0, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Build(131_072, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Build(768, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Build(1, -1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => plan.Build(1, 1, 0));
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        WritebackPlan plan = new();
        int first = Fill(plan);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int second = Fill(plan);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(first, second);
        Assert.InRange(first, 1000, 5000);

        static int Fill(WritebackPlan plan)
        {
            plan.Clear();
            for (int i = 0; i < 3000; i++)
            {
                plan.Add(i * 7919L % 10_000 * 512L, (1 + (i * 31 % 19)) * 512, i * 10_240L);
            }

            plan.Build(4096, 5_000_000, 65536);
            return plan.Runs.Length + plan.Pieces.Length;
        }
    }

    private static WritebackPlan Plan(int blockSize, long deviceLength, int maxRunBytes,
        params (long Offset, int LengthBytes, long Source)[] entries)
    {
        WritebackPlan plan = new();
        foreach ((long offset, int lengthBytes, long source) in entries)
        {
            plan.Add(offset, lengthBytes, source);
        }

        plan.Build(blockSize, deviceLength, maxRunBytes);
        return plan;
    }

    /// <summary>
    /// Runs as "offset+length:pieces", with "fill" behind those that need it; pieces as "offset+length@source".
    /// </summary>
    private static void Check(WritebackPlan plan, string runs, string pieces)
    {
        Assert.Equal(runs, string.Join(' ',
            plan.Runs.ToArray().Select(run =>
            $"{run.Offset}+{run.LengthBytes}:{run.PieceCount}{(run.NeedsFill ? " fill" : "")}")));
        Assert.Equal(pieces, string.Join(' ',
            plan.Pieces.ToArray().Select(piece => $"{piece.Offset}+{piece.LengthBytes}@{piece.Source}")));
    }
}
