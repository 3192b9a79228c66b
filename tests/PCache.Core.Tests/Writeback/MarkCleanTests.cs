using PCache.Core.Indexing;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Writeback;

/// <summary>After a drain the index says of everything that it is clean, in whichever stripe and of whatever size: a
/// later discard, damage or truncation goes by that.</summary>
public sealed class MarkCleanTests
{
    private const int Stripe = 4 << 20;

    [Fact]
    public void All_that_was_written_back_is_clean_in_the_index()
    {
        using var cache = new SmallCache(40, backingBytes: 4L * Stripe);
        var random = new Random(3);
        for (int i = 0; i < 120; i++)
        {
            long at = (random.Next(4) * (long)Stripe) + (random.Next(64) * 512);
            cache.Device.Write(at, new byte[i % 3 == 0 ? 4096 : 512 * random.Next(1, 12)]);
        }

        // Some of it twice, over the boundary of a group.
        cache.Device.Flush();
        cache.Device.Write(Stripe, new byte[4096]);
        cache.Device.Drain();
        int extents = 0;
        foreach (IndexShard shard in cache.Device.Internals.Store.Index.Shards)
        {
            using (shard.Gate.Hold())
            {
                for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out long stripe, out StripeIndex index);)
                {
                    foreach (Extent extent in index)
                    {
                        extents++;
                        Assert.True(extent.IsClean, $"stripe {stripe}, sectors {extent.Start} to {extent.End}");
                    }
                }
            }
        }

        Assert.True(extents > 20);
    }
}
