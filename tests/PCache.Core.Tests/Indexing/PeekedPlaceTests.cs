using PCache.Core.Indexing;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// A page's slot that was found without the lock is overwritten under it only if nothing has changed since.
/// </summary>
public class PeekedPlaceTests
{
    private const long Stripe = 7;

    public static TheoryData<string> Changes() => ["other page", "same page", "sector of it", "gone", "other stripe"];

    [Fact]
    public void What_is_set_is_what_is_looked_up_afterwards()
    {
        using ShardedIndex index = new(1);
        IndexShard shard = index.For(Stripe);
        Insert(shard, Stripe, 16, 8, payload: 100);
        Assert.True(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 16, wholePage: true, out PeekedPlace page));
        Assert.True(shard.Gate.TryEnterUnchanged(page.Version));
        page.Set(Slot.PackWhole(8, crc: 5, generation: 6, segment: 7, payloadSector: 80));
        shard.Gate.Exit();
        Assert.True(shard.Stripes.GetOrAdd(Stripe).TryGetSingle(16, 24, out Extent found));
        Assert.Equal((16, 8, 7u, 80, 5u, 6ul),
            (found.Start, found.Length, found.Segment, found.PayloadSector, found.PayloadCrc, found.Generation));
        Assert.Equal((16, 8), (found.KeyStart, found.KeyLength));
    }

    [Fact]
    public void A_sector_of_a_page_that_is_taken_apart_is_overwritten_in_place()
    {
        using ShardedIndex index = new(1);
        IndexShard shard = index.For(Stripe);
        Insert(shard, Stripe, 16, 8, payload: 100);
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 18, wholePage: false, out _));
        Insert(shard, Stripe, 18, 1, payload: 200);
        Assert.True(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 18, wholePage: false, out PeekedPlace place));
        Assert.True(shard.Gate.TryEnterUnchanged(place.Version));
        place.Set(Slot.PackWhole(1, crc: 5, generation: 6, segment: 7, payloadSector: 80));
        shard.Gate.Exit();
        StripeIndex stripe = shard.Stripes.GetOrAdd(Stripe);
        stripe.Validate();
        Assert.True(stripe.TryGetSingle(18, 19, out Extent found));
        Assert.Equal((18, 1, 7u, 80, 5u, 6ul),
            (found.Start, found.Length, found.Segment, found.PayloadSector, found.PayloadCrc, found.Generation));
        Assert.True(stripe.TryGetSingle(19, 24, out found));
        Assert.Equal(103, found.PayloadSector);
        Insert(shard, Stripe, 33, 1, payload: 300);
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 34, wholePage: false, out _)); // not there
        Assert.True(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 33, wholePage: false, out place));
        Insert(shard, Stripe, 32, 1, payload: 400); // the sectors' slots move
        Assert.False(shard.Gate.TryEnterUnchanged(place.Version));
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void After_any_change_of_the_shard_the_place_is_not_used(string change)
    {
        using ShardedIndex index = new(1);
        IndexShard shard = index.For(Stripe);
        Insert(shard, Stripe, 16, 8, payload: 100);
        Assert.True(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 16, wholePage: true, out PeekedPlace page));
        switch (change)
        {
            case "other page":
                Insert(shard, Stripe, 8, 8, payload: 200); // in the same chunk: the slot moves
                break;
            case "same page":
                Insert(shard, Stripe, 16, 8, payload: 200);
                break;
            case "sector of it":
                Insert(shard, Stripe, 17, 1, payload: 200);
                break;
            case "gone":
                using (shard.Gate.Hold())
                {
                    shard.Stripes.GetOrAdd(Stripe).Remove(16, 24);
                    shard.Stripes.RemoveIfEmpty(Stripe);
                }

                break;
            default:
                long other = Enumerable.Range(8, 1000).First(stripe => ReferenceEquals(index.For(stripe), shard));
                Insert(shard, other, 16, 8, payload: 200);
                break;
        }

        Assert.False(shard.Gate.TryEnterUnchanged(page.Version));
    }

    [Fact]
    public void Nothing_is_found_where_there_is_no_slot_of_a_whole_page_or_a_writer_holds_the_lock()
    {
        using ShardedIndex index = new(1);
        IndexShard shard = index.For(Stripe);
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 16, wholePage: true, out _));
        Insert(shard, Stripe, 16, 8, payload: 100);
        Insert(shard, Stripe, 33, 1, payload: 200);
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 24, wholePage: true, out _));
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 32, wholePage: true, out _)); // taken apart
        Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe + 1, 16, wholePage: true, out _));
        Assert.True(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 16, wholePage: true, out _));
        using (shard.Gate.Hold())
        {
            Assert.False(shard.Stripes.TryPeekPlace(shard.Gate, Stripe, 16, wholePage: true, out _));
        }
    }

    private static void Insert(IndexShard shard, long stripe, int start, int length, int payload)
    {
        using (shard.Gate.Hold())
        {
            shard.Stripes.GetOrAdd(stripe).Insert(new Extent
            {
                Start = (ushort)start,
                Length = (ushort)length,
                KeyStart = (ushort)start,
                KeyLength = (ushort)length,
                Segment = 3,
                PayloadSector = (ushort)payload,
                Generation = 1,
            });
        }
    }
}
