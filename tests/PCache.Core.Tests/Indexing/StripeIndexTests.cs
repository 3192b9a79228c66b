using PCache.Core.Indexing;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

public class StripeIndexTests
{
    [Fact]
    public void New_covers_old() => Assert.Equal("[5-30)2", AfterInserts((10, 20), (5, 30)));

    [Fact]
    public void Old_covers_new_and_is_split() =>
        Assert.Equal("[10-14)1 [14-16)2 [16-20)1", AfterInserts((10, 20), (14, 16)));

    [Fact]
    public void New_overlaps_the_end_of_old() => Assert.Equal("[10-15)1 [15-25)2", AfterInserts((10, 20), (15, 25)));

    [Fact]
    public void New_overlaps_the_start_of_old() => Assert.Equal("[5-15)2 [15-20)1", AfterInserts((10, 20), (5, 15)));

    [Fact]
    public void New_equals_old() => Assert.Equal("[10-20)2", AfterInserts((10, 20), (10, 20)));

    [Fact]
    public void Same_start_but_shorter() => Assert.Equal("[10-12)2 [12-20)1", AfterInserts((10, 20), (10, 12)));

    [Fact]
    public void Same_end_but_shorter() => Assert.Equal("[10-18)1 [18-20)2", AfterInserts((10, 20), (18, 20)));

    [Fact]
    public void Adjacent_behind() => Assert.Equal("[10-20)1 [20-30)2", AfterInserts((10, 20), (20, 30)));

    [Fact]
    public void Adjacent_before() => Assert.Equal("[5-10)2 [10-20)1", AfterInserts((10, 20), (5, 10)));

    [Fact]
    public void Disjoint_behind() => Assert.Equal("[10-20)1 [25-30)2", AfterInserts((10, 20), (25, 30)));

    [Fact]
    public void Disjoint_before() => Assert.Equal("[1-4)2 [10-20)1", AfterInserts((10, 20), (1, 4)));

    [Fact]
    public void New_covers_several_and_trims_both_outer_ones() =>
        Assert.Equal("[0-5)1 [5-35)5 [35-40)4", AfterInserts((0, 10), (10, 20), (22, 28), (30, 40), (5, 35)));

    [Fact]
    public void A_trimmed_extent_is_trimmed_again() =>
        Assert.Equal("[0-10)2 [10-12)4 [12-20)1 [20-21)3 [21-30)1", AfterInserts((0, 30), (0, 10), (20, 21), (10, 12)));

    [Fact]
    public void The_whole_stripe_is_one_extent()
    {
        Assert.Equal("[0-8192)3", AfterInserts((0, 1), (8191, 8192), (0, 8192)));
        Assert.Equal("[0-1)2 [1-8191)1 [8191-8192)3", AfterInserts((0, 8192), (0, 1), (8191, 8192)));
    }

    [Fact]
    public void Lookup_of_an_empty_stripe_is_one_gap() => Assert.Equal("[7-9)-", ShowLookup(NewIndex(), 7, 9));

    [Fact]
    public void Lookup_tiles_the_range_with_clipped_pieces_and_gaps()
    {
        StripeIndex index = Filled((10, 20), (20, 30), (40, 50));
        Assert.Equal("[0-10)- [10-20)1 [20-30)2 [30-40)- [40-50)3 [50-60)-", ShowLookup(index, 0, 60));
        Assert.Equal("[15-20)1 [20-25)2", ShowLookup(index, 15, 25));
        Assert.Equal("[30-40)-", ShowLookup(index, 30, 40));
        Assert.Equal("[29-30)2 [30-40)- [40-41)3", ShowLookup(index, 29, 41));
        Assert.Equal("[12-13)1", ShowLookup(index, 12, 13));
        Assert.Equal("[49-50)3 [50-8192)-", ShowLookup(index, 49, 8192));
    }

    [Fact]
    public void Lookup_appends()
    {
        StripeIndex index = Filled((10, 20));
        ExtentBuffer pieces = new();
        Assert.Equal(2, index.Lookup(5, 15, pieces));
        Assert.Equal(2, index.Lookup(15, 25, pieces));
        Assert.Equal("[5-10)- [10-15)1 [15-20)1 [20-25)-", Show(pieces.AsSpan()));
        Assert.Equal(10, pieces[1].Start);
        pieces.Clear();
        Assert.Equal(0, pieces.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => pieces[0].Start);
    }

    [Fact]
    public void TryGetSingle_wants_one_extent_for_the_whole_range()
    {
        StripeIndex index = Filled((10, 20), (20, 30));
        Assert.True(index.TryGetSingle(10, 20, out Extent piece));
        Assert.Equal("[10-20)1", Show([piece]));
        Assert.True(index.TryGetSingle(22, 30, out piece));
        Assert.Equal("[22-30)2", Show([piece]));
        Assert.False(index.TryGetSingle(19, 21, out _));
        Assert.False(index.TryGetSingle(9, 11, out _));
        Assert.False(index.TryGetSingle(29, 31, out _));
        Assert.False(index.TryGetSingle(30, 31, out _));
        Assert.False(NewIndex().TryGetSingle(0, 1, out _));
    }

    [Theory]
    [InlineData(0, 50, "")]
    [InlineData(10, 20, "[20-30)2")]
    [InlineData(20, 30, "[10-20)1")]
    [InlineData(14, 16, "[10-14)1 [16-20)1 [20-30)2")]
    [InlineData(15, 25, "[10-15)1 [25-30)2")]
    [InlineData(5, 15, "[15-20)1 [20-30)2")]
    [InlineData(29, 8192, "[10-20)1 [20-29)2")]
    [InlineData(0, 10, "[10-20)1 [20-30)2")]
    [InlineData(30, 40, "[10-20)1 [20-30)2")]
    public void Remove_makes_a_gap(int start, int end, string left)
    {
        StripeIndex index = Filled((10, 20), (20, 30));
        index.Remove(start, end);
        Assert.Equal(left, Show(index));
    }

    [Theory]
    [InlineData(0, 60, "[20-30)2")]
    [InlineData(12, 15, "[10-12)1 [15-20)1 [20-30)2 [30-40)1")]
    [InlineData(15, 35, "[10-15)1 [20-30)2 [35-40)1")]
    [InlineData(20, 30, "[10-20)1 [20-30)2 [30-40)1")]
    [InlineData(10, 12, "[12-20)1 [20-30)2 [30-40)1")]
    [InlineData(38, 40, "[10-20)1 [20-30)2 [30-38)1")]
    public void RemoveWhere_removes_only_the_parts_in_the_range_that_match(int start, int end, string left)
    {
        StripeIndex index = NewIndex();
        index.Insert(Make(10, 40, 1));
        index.Insert(Make(20, 30, 2));
        IdFilter filter = new(1);
        index.RemoveWhere(start, end, ref filter);
        Assert.Equal(left, Show(index));
    }

    [Fact]
    public void RemoveWhere_leaves_alone_what_does_not_match()
    {
        StripeIndex index = Filled((10, 20), (20, 30));
        IdFilter filter = new(9);
        index.RemoveWhere(12, 8192, ref filter);
        Assert.Equal("[10-20)1 [20-30)2", Show(index));
        Assert.Equal(2, filter.Asked);
    }

    [Fact]
    public void ReplaceWhere_replaces_a_placeholder_but_not_what_was_written_meanwhile()
    {
        StripeIndex index = NewIndex();
        index.Insert(Make(10, 40, 1, ExtentFlags.Placeholder));
        index.Insert(Make(15, 18, 2));
        index.Insert(Make(30, 35, 3));
        index.Remove(20, 22);
        Assert.Equal("[10-15)4 [18-20)4 [22-30)4 [35-40)4", Replace(index, 10, 40, 4, 1));
        Assert.Equal("[10-15)4 [15-18)2 [18-20)4 [22-30)4 [30-35)3 [35-40)4", Show(index));
    }

    [Fact]
    public void ReplaceWhere_joins_parts_that_touch()
    {
        StripeIndex index = NewIndex();
        index.Insert(Make(10, 20, 2));
        index.Insert(Make(20, 30, 4));
        index.Insert(Make(31, 32, 6));
        index.Insert(Make(32, 40, 7));
        EvenFilter filter = default;
        ExtentBuffer replaced = new();
        Assert.Equal(2, index.ReplaceWhere(Make(12, 38, 8), ref filter, replaced));
        Assert.Equal("[12-30)8 [31-32)8", Show(replaced.AsSpan()));
        Assert.Equal("[10-12)2 [12-30)8 [31-32)8 [32-40)7", Show(index));
    }

    [Fact]
    public void ReplaceWhere_leaves_what_sticks_out_of_its_range()
    {
        StripeIndex index = Filled((10, 40));
        Assert.Equal("[20-30)2", Replace(index, 20, 30, 2, 1));
        Assert.Equal("[10-20)1 [20-30)2 [30-40)1", Show(index));
    }

    [Fact]
    public void ReplaceWhere_does_nothing_where_nothing_matches()
    {
        StripeIndex index = Filled((10, 20), (30, 40));
        Assert.Equal("", Replace(index, 0, 100, 9, 3));
        Assert.Equal("", Replace(index, 20, 30, 9, 1));
        Assert.Equal("[10-20)1 [30-40)2", Show(index));
    }

    [Fact]
    public void Clear_leaves_nothing_and_gives_the_memory_back()
    {
        StripeIndex index = Filled((10, 20), (30, 40));
        index.Clear();
        Assert.Equal("", Show(index));
        index.Insert(Make(1, 2, 1));
        Assert.Equal("[1-2)1", Show(index));
    }

    [Theory]
    [InlineData(-1, 4)]
    [InlineData(4, 4)]
    [InlineData(5, 4)]
    [InlineData(8191, 8193)]
    [InlineData(int.MinValue, int.MaxValue)]
    public void Ranges_outside_the_stripe_are_refused(int start, int end)
    {
        StripeIndex index = Filled((10, 20));
        IdFilter filter = new(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Lookup(start, end, new ExtentBuffer()));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.TryGetSingle(start, end, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Remove(start, end));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.RemoveWhere(start, end, ref filter));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Insert(new Extent { Start = 8191, Length = 2 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Insert(new Extent { Start = 8, Length = 0 }));
        Assert.Equal("[10-20)1", Show(index));
    }

    [Fact]
    public void Validate_finds_an_extent_outside_its_key()
    {
        StripeIndex index = NewIndex();
        index.Insert(new Extent { Start = 4, Length = 4, KeyStart = 4, KeyLength = 3 });
        Assert.Throws<InvalidOperationException>(index.Validate);
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        StripeIndex index = NewIndex();
        ExtentBuffer pieces = new();
        Random random = new(7);
        Churn(index, pieces, random, 5000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Churn(index, pieces, random, 5000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.InRange(index.Count, 300, 1100);

        static void Churn(StripeIndex index, ExtentBuffer pieces, Random random, int rounds)
        {
            EvenFilter filter = default;
            for (int i = 0; i < rounds; i++)
            {
                int start = random.Next(1024) * 8;
                index.Insert(Make(start, start + 8, i));
                pieces.Clear();
                index.Lookup(0, StripeIndex.SectorCount / 4, pieces);
                index.TryGetSingle(start, start + 8, out _);
                start = random.Next(1024) * 8;
                index.ReplaceWhere(Make(start, start + 8, i), ref filter, pieces);
                if (i % 4 == 0)
                {
                    start = random.Next(1024) * 8;
                    index.Remove(start, start + 8);
                    index.RemoveWhere(start, start + 8, ref filter);
                }
            }
        }
    }

    private static StripeIndex Filled(params (int Start, int End)[] ranges)
    {
        StripeIndex index = NewIndex();
        int id = 0;
        foreach ((int start, int end) in ranges)
        {
            index.Insert(Make(start, end, ++id));
            index.Validate();
        }

        return index;
    }

    private static string AfterInserts(params (int Start, int End)[] ranges) => Show(Filled(ranges));

    private static string Replace(StripeIndex index, int start, int end, int id, int replacedId)
    {
        IdFilter filter = new(replacedId);
        ExtentBuffer replaced = new();
        Assert.Equal(index.ReplaceWhere(Make(start, end, id), ref filter, replaced), replaced.Count);
        return Show(replaced.AsSpan());
    }
}
