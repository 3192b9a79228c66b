using PCache.Core.Indexing;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Indexing;

public class IndexArenaTests
{
    [Fact]
    public void Blocks_are_aligned_and_never_overlap()
    {
        TestRuns.ForSeeds(10, seed =>
        {
            using IndexArena arena = new();
            Random random = new(seed);
            List<(nint Block, int Order)> live = [];
            long used = 0;
            for (int i = 0; i < 3000; i++)
            {
                int at = random.Next(live.Count + 1);
                switch (random.Next(i < 2000 ? 5 : 8))
                {
                    case < 3:
                        int order = Math.Min(random.Next(IndexArena.MaxOrder + 1),
                            random.Next(IndexArena.MaxOrder + 1));
                        nint block = arena.Take(order);
                        Fill(block, order);
                        live.Add((block, order));
                        used += IndexArena.SizeOf(order);
                        break;
                    case 3 when at < live.Count:
                        int to = random.Next(live[at].Order + 1);
                        arena.Shrink(live[at].Block, live[at].Order, to);
                        used -= IndexArena.SizeOf(live[at].Order) - IndexArena.SizeOf(to);
                        live[at] = (live[at].Block, to);
                        break;
                    default:
                        if (at < live.Count)
                        {
                            CheckFilled(live[at].Block, live[at].Order, seed);
                            arena.Give(live[at].Block, live[at].Order);
                            used -= IndexArena.SizeOf(live[at].Order);
                            live[at] = live[^1];
                            live.RemoveAt(live.Count - 1);
                        }

                        break;
                }

                Assert.Equal(used, arena.UsedBytes);
                Assert.InRange(arena.ReservedBytes, used, long.MaxValue);
            }

            arena.Validate();
            foreach ((nint block, int order) in live)
            {
                Assert.True(block % IndexArena.SizeOf(order) == 0
                    && arena.Owns(block), $"Seed {seed}: a block of order {order} isn't aligned.");
                CheckFilled(block, order, seed);
                arena.Give(block, order);
            }

            arena.Validate();
            Assert.Equal(0, arena.UsedBytes);
        });

        // Each block knows itself; who overlaps it would have overwritten that.
        static unsafe void Fill(nint block, int order) =>
            new Span<long>((void*)block, IndexArena.SizeOf(order) / 8).Fill(block + order);

        static unsafe void CheckFilled(nint block, int order, int seed)
        {
            ReadOnlySpan<long> words = new((void*)block, IndexArena.SizeOf(order) / 8);
            Assert.True(!words.ContainsAnyExcept(words[0]) && words[0] >= block + order && words[0] <= block
                + IndexArena.MaxOrder, $"Seed {seed}: another owner wrote into a block of order {order}.");
        }
    }

    [Theory]
    [InlineData(0, 8)]
    [InlineData(2, 4)]
    [InlineData(4, 5)]
    public void What_small_blocks_leave_becomes_room_for_larger_ones(int small, int large)
    {
        using IndexArena arena = new();
        int count = (64 << 10) / IndexArena.SizeOf(small);
        List<nint> blocks = [.. Enumerable.Range(0, count).Select(_ => arena.Take(small))];
        long reserved = arena.ReservedBytes;
        new Random(3).Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(blocks));
        blocks.ForEach(block => arena.Give(block, small));
        for (int i = 0; i < (64 << 10) / IndexArena.SizeOf(large); i++)
        {
            arena.Take(large);
        }

        Assert.Equal(reserved, arena.ReservedBytes);
        Assert.Equal(64 << 10, arena.UsedBytes);
    }

    [Theory]
    [InlineData(8 << 10)]
    [InlineData(512 << 10)]
    [InlineData(IndexArena.RegionSize)]
    [InlineData(4 * IndexArena.RegionSize)]
    public void Runs_become_blocks_when_they_are_given_back(int bytes)
    {
        using IndexArena arena = new();
        nint run = arena.TakeRun(bytes);
        Assert.True(arena.Owns(run) && arena.Owns(run + bytes - 1));
        unsafe
        {
            new Span<byte>((void*)run, bytes).Fill(0xAB);
        }

        Assert.Equal(bytes, arena.UsedBytes);
        arena.GiveRun(run, bytes);
        Assert.Equal(0, arena.UsedBytes);
        arena.Validate();
        long reserved = arena.ReservedBytes;
        for (int i = 0; i < bytes * 0.99 / IndexArena.PieceSize; i++)
        {
            arena.Take(IndexArena.MaxOrder);
        }

        Assert.Equal(reserved, arena.ReservedBytes);
    }

    [Fact]
    public void Runs_of_all_sizes_come_and_go()
    {
        using IndexArena arena = new();
        for (long bytes = 2 * IndexArena.PieceSize; bytes <= 2 * IndexArena.RegionSize; bytes *= 2)
        {
            nint first = arena.TakeRun(bytes);
            nint second = arena.TakeRun(bytes);
            arena.GiveRun(first, bytes);
            arena.Validate();
            Assert.Equal(bytes, arena.UsedBytes);
            if (bytes < IndexArena.RegionSize)
            {
                arena.ShrinkRun(second, bytes, 512);
                Assert.Equal(512, arena.UsedBytes);
                arena.Give(second, IndexArena.OrderFor(512 / 16));
            }
            else
            {
                arena.GiveRun(second, bytes);
            }

            Assert.Equal(0, arena.UsedBytes);
            arena.Validate();
        }
    }

    [Fact]
    public void Owns_its_regions_and_nothing_else()
    {
        using IndexArena arena = new();
        using IndexArena other = new();
        Assert.False(arena.Owns(0));
        List<nint> runs = [.. Enumerable.Range(0, 40).Select(_ => arena.TakeRun(IndexArena.RegionSize))];
        nint foreign = other.Take(0);
        Assert.All(runs, run => Assert.True(arena.Owns(run) && arena.Owns(run + IndexArena.RegionSize - 1)));
        Assert.False(arena.Owns(foreign));
        Assert.False(arena.Owns(0));
        Assert.False(arena.Owns(1));
        Assert.False(arena.Owns(-1));
        Assert.False(arena.Owns(nint.MaxValue));
    }

    [Fact]
    public void Room_for_an_operation_is_there_without_asking_the_system()
    {
        using IndexArena arena = new();
        for (int i = 0; i < 300; i++)
        {
            arena.EnsureRoom();
            long reserved = arena.ReservedBytes;
            for (int block = 0; block < 64; block++)
            {
                arena.Take(4);
            }

            arena.Take(5);
            Assert.InRange(arena.ReservedBytes - reserved, 0, 32 << 10);
        }
    }

    [Fact]
    public void After_the_disposal_there_is_nothing()
    {
        IndexArena arena = new();
        nint block = arena.Take(3);
        arena.Dispose();
        arena.Dispose();
        Assert.Equal((0, 0), (arena.UsedBytes, arena.ReservedBytes));
        Assert.False(arena.Owns(block));
        Assert.Throws<ObjectDisposedException>(() => arena.Take(3));
        Assert.Throws<ObjectDisposedException>(() => arena.TakeRun(8192));
        Assert.Throws<ObjectDisposedException>(arena.EnsureRoom);
    }
}
