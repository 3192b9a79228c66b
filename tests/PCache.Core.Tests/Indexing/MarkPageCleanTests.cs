using PCache.Core.Indexing;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// <see cref="StripeIndex.TryMarkPageClean"/>: what it makes clean is the very key that was written back, and where one
/// slot can't tell it does nothing.
/// </summary>
public sealed class MarkPageCleanTests
{
    private static readonly Extent Key = Make(16, 24, 1);

    [Fact]
    public void The_same_key_becomes_clean_and_stays_what_it_was()
    {
        StripeIndex index = With(Make(8, 16, 2), Key, Make(24, 32, 3));
        Assert.True(index.TryMarkPageClean(in Key));
        Extent clean = Key;
        clean.Flags |= ExtentFlags.Clean;
        Assert.Equal([Make(8, 16, 2), clean, Make(24, 32, 3)], All(index));
        Assert.True(index.TryMarkPageClean(in Key), "once more changes nothing");
        Assert.True(index.TryMarkPageClean(in clean));
        Assert.Equal([Make(8, 16, 2), clean, Make(24, 32, 3)], All(index));
    }

    [Fact]
    public void Another_key_stays_dirty_whatever_it_differs_by()
    {
        Extent generation = Key, segment = Key, payload = Key, crc = Key, shared = Key;
        generation.Generation++;
        segment.Segment++;
        payload.PayloadSector++;
        crc.PayloadCrc++;
        shared.Flags |= ExtentFlags.Shared;
        foreach (Extent other in (Extent[])[generation, segment, payload, crc, shared])
        {
            StripeIndex index = With(other);
            Assert.True(index.TryMarkPageClean(in Key), "one slot says that it isn't shown any more");
            Assert.Equal([other], All(index));
        }
    }

    [Fact]
    public void Shared_payload_becomes_clean_like_any_other()
    {
        Extent zeros = Key;
        zeros.Flags |= ExtentFlags.Shared;
        StripeIndex index = With(zeros);
        Assert.True(index.TryMarkPageClean(in zeros));
        zeros.Flags |= ExtentFlags.Clean;
        Assert.Equal([zeros], All(index));
    }

    [Theory]
    [InlineData(16, 23)]
    [InlineData(16, 32)]
    [InlineData(17, 25)]
    [InlineData(12, 20)]
    [InlineData(16, 17)]
    public void A_key_that_is_not_one_whole_page_is_left_to_others(int start, int end)
    {
        Extent key = Make(start, end, 1);
        StripeIndex index = With(key);
        Assert.False(index.TryMarkPageClean(in key));
        Assert.Equal([key], All(index));
    }

    [Fact]
    public void The_page_of_a_longer_key_is_not_taken_for_a_key_of_its_own()
    {
        // The same payload, generation and checksum, but the key in the log covers more: what is asked about is another
        // key.
        Extent whole = Make(8, 32, 1);
        StripeIndex index = With(whole);
        Extent page = whole.Clip(16, 24);
        page.KeyStart = page.Start;
        page.KeyLength = page.Length;
        Assert.True(index.TryMarkPageClean(in page));
        Assert.Equal([whole], All(index));
    }

    [Theory]
    [InlineData(16, 17)]
    [InlineData(20, 21)]
    [InlineData(23, 32)]
    public void A_key_that_was_trimmed_is_left_to_others(int start, int end)
    {
        StripeIndex index = With(Key, Make(start, end, 2));
        Extent[] before = All(index);
        Assert.False(index.TryMarkPageClean(in Key));
        Assert.Equal(before, All(index));
    }

    [Fact]
    public void A_page_of_single_sectors_is_left_to_others()
    {
        StripeIndex index = With(Make(16, 17, 2), Make(19, 20, 3));
        Extent[] before = All(index);
        Assert.False(index.TryMarkPageClean(in Key));
        Assert.Equal(before, All(index));
    }

    [Fact]
    public void A_placeholder_stays_a_placeholder()
    {
        StripeIndex index = With(Make(16, 24, 1, ExtentFlags.Placeholder));
        Extent[] before = All(index);
        Assert.True(before[0].IsPlaceholder);
        Assert.True(index.TryMarkPageClean(in Key));
        Assert.Equal(before, All(index));
    }

    [Fact]
    public void A_gap_stays_a_gap()
    {
        StripeIndex index = With(Make(8, 16, 2), Make(24, 32, 3));
        Assert.True(index.TryMarkPageClean(in Key));
        Assert.Equal([Make(8, 16, 2), Make(24, 32, 3)], All(index));
        StripeIndex empty = NewIndex();
        Assert.True(empty.TryMarkPageClean(in Key));
        Assert.True(empty.IsEmpty);
    }

    private static StripeIndex With(params Extent[] extents)
    {
        StripeIndex index = NewIndex();
        foreach (Extent extent in extents)
        {
            index.Insert(in extent);
        }

        return index;
    }

    private static Extent[] All(StripeIndex index)
    {
        index.Validate();
        List<Extent> all = [];
        foreach (Extent extent in index)
        {
            all.Add(extent);
        }

        return [.. all];
    }
}
