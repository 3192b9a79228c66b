using PCache.Core.Indexing;
using PCache.Core.Tests.Support;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// Bytes, managed and native, that a cached page costs; and that nothing ever comes from the managed heap.
/// </summary>
public class IndexMemoryTests
{
    private const int StripeCount = 256;
    private const int PagesPerStripe = 1024;

    /// <summary>
    /// What each shard that holds something takes besides: the bits of its first region, and half of a piece that isn't
    /// used up.
    /// </summary>
    private const int BytesPerShard = 10 << 10;

    [Theory]
    [InlineData(100, 17)]
    [InlineData(75, 24)]
    [InlineData(50, 28)]
    [InlineData(30, 28)]
    [InlineData(10, 28)]
    [InlineData(3, 34)]
    [InlineData(1, 52)]
    public void Pages_at_random_in_a_gibibyte_cost_few_bytes(int percent, int most)
    {
        using ShardedIndex index = new(2);
        int[] pages = Shuffled(StripeCount * PagesPerStripe);
        int count = pages.Length * percent / 100;
        for (int i = 0; i < count; i++)
        {
            Insert(index, pages[i], 8);
        }

        Assert.InRange((double)index.UsedBytes / count, 16, most);
        Assert.InRange((double)(index.MemoryBytes - (index.Shards.Length * BytesPerShard)) / count, 16, most);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(20_000)]
    [InlineData(66_000)]
    [InlineData(100_000)]
    public void One_page_in_each_of_many_stripes_costs_less_than_200_bytes(int count)
    {
        using ShardedIndex index = new(2);
        for (int i = 0; i < count; i++)
        {
            long stripe = i * 7L;
            index.For(stripe).Stripes.GetOrAdd(stripe).Insert(Make(i % 1024 * 8, (i % 1024 * 8) + 8, i));
        }

        Assert.InRange((double)index.UsedBytes / count, 16, 100);
        Assert.InRange((double)(index.MemoryBytes - (index.Shards.Length * BytesPerShard)) / count, 16, 200);
    }

    [Fact]
    public void A_single_sector_costs_at_most_48_bytes()
    {
        using ShardedIndex index = new(2);
        int[] pages = Shuffled(64 * PagesPerStripe);
        foreach (int page in pages)
        {
            Insert(index, page, 1);
        }

        Assert.InRange((double)index.MemoryBytes / pages.Length, 16, 48);
    }

    [Fact]
    public void Memory_that_was_given_back_is_used_again()
    {
        using ShardedIndex index = new(2);
        int[] pages = Shuffled(64 * PagesPerStripe);
        long after = 0;
        for (int round = 0; round < 4; round++)
        {
            foreach (int page in pages)
            {
                Insert(index, page, round % 2 == 0 ? 8 : 3);
            }

            foreach (IndexShard shard in index.Shards)
            {
                shard.Stripes.Validate();
                shard.Stripes.RemoveFrom(0);
                shard.Stripes.Validate();
            }

            Assert.Equal(0, index.UsedBytes);
            Assert.True(round < 2 || index.MemoryBytes <= after,
                $"Round {round}: {index.MemoryBytes} bytes, after two rounds {after}.");
            after = index.MemoryBytes;
        }
    }

    [Fact]
    public void Filling_looking_up_and_sweeping_allocate_nothing_on_the_managed_heap()
    {
        using ShardedIndex index = new(2);
        int[] pages = Shuffled(StripeCount * PagesPerStripe);
        Work(index, pages.AsSpan(0, 5000));
        Assert.Equal(0, Allocations.Least(() => Work(index, pages)));

        static void Work(ShardedIndex index, ReadOnlySpan<int> pages)
        {
            foreach (int page in pages)
            {
                Insert(index, page, 8 - (page % 64 == 0 ? 3 : 0));
                index.For(page / PagesPerStripe).Stripes.TryFind(page / PagesPerStripe, out StripeIndex stripe);
                int start = page % PagesPerStripe * 8;
                Assert.True(stripe.TryGetSingle(start, start + 5, out _));
                index.Prefetch(page / PagesPerStripe, start);
            }

            var even = default(EvenFilter);
            foreach (IndexShard shard in index.Shards)
            {
                for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out _, out StripeIndex stripe);)
                {
                    stripe.RemoveWhere(0, StripeIndex.SectorCount, ref even);
                }
            }
        }
    }

    [Fact]
    public void After_the_disposal_nothing_is_found_and_nothing_goes_in()
    {
        ShardedIndex index = new(1);
        Insert(index, 5, 8);
        Assert.True(index.UsedBytes > 0);
        index.Dispose();
        index.Dispose();
        Assert.Equal(0, index.UsedBytes);
        Assert.InRange(index.MemoryBytes, 0, index.Shards.Length * 512);
        Assert.Null(index.For(0).Stripes.Find(0));
        Assert.Throws<ObjectDisposedException>(() => Insert(index, 5, 8));
    }

    [Fact]
    public void A_closed_device_has_no_index_memory()
    {
        using var cache = new SmallCache(16, 1 << 20);
        cache.Device.Write(0, new byte[8192]);
        ShardedIndex index = cache.Device.Internals.Store.Index;
        Assert.True(index.UsedBytes > 0);
        cache.Device.Dispose();
        Assert.Equal(0, index.UsedBytes);
    }

    private static int[] Shuffled(int count)
    {
        int[] pages = [.. Enumerable.Range(0, count)];
        new Random(1).Shuffle(pages);
        return pages;
    }

    private static void Insert(ShardedIndex index, int page, int sectors)
    {
        int start = page % PagesPerStripe * 8;
        index.For(page / PagesPerStripe).Stripes.GetOrAdd(page / PagesPerStripe)
            .Insert(Make(start, start + sectors, page & 0xFFFF));
    }
}
