using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>The queue of discards against a set of sectors: exactly what was discarded and not rewritten since is
/// forwarded, and not before its time.</summary>
public sealed class DiscardQueueTests
{
    private const int Sectors = 64;

    [Fact]
    public void Nothing_is_forwarded_before_the_dirty_tail_has_passed_what_was_logged_before_it()
    {
        var queue = new DiscardQueue();
        queue.Add(4, 8, distance: 100);
        Assert.False(queue.TryPeek(99, out _, out _));
        Assert.True(queue.TryPeek(100, out long first, out long end));
        Assert.Equal((4, 8), (first, end));
        queue.Add(20, 24, distance: 50);
        Assert.True(queue.TryPeek(60, out first, out _), "a later one that may go isn't held up by an earlier one");
        Assert.Equal(20, first);
    }

    [Fact]
    public void A_rewrite_of_the_middle_leaves_both_ends()
    {
        var queue = new DiscardQueue();
        queue.Add(0, 16, 0);
        queue.Rewritten(0, 4, 8);
        Assert.Equal([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15], Take(queue, 16).Order());
        Assert.True(queue.IsEmpty);
    }

    [Fact]
    public void What_is_forwarded_is_what_was_discarded_and_not_rewritten_since() => TestRuns.ForSeeds(30, seed =>
    {
        var random = new Random(seed);
        var queue = new DiscardQueue();
        var expected = new List<long>(); // a sector that was discarded twice is forwarded twice
        for (int step = 0; step < 100; step++)
        {
            int first = random.Next(Sectors - 1);
            int end = random.Next(first + 1, Sectors + 1);
            switch (random.Next(4))
            {
                case 0:
                    queue.Rewritten(0, first, end);
                    expected.RemoveAll(sector => sector >= first && sector < end);
                    break;
                case 1:
                    queue.TruncateTo(first);
                    expected.RemoveAll(sector => sector >= first);
                    break;
                case 2:
                    queue.Add(first, end, 0);
                    expected.AddRange(Enumerable.Range(first, end - first).Select(sector => (long)sector));
                    break;
                default:
                    Assert.True(queue.TryPeek(0, out long next, out _) == expected.Count > 0,
                        $"seed {seed}, step {step}");
                    if (expected.Count > 0)
                    {
                        Assert.True(queue.TryTake(next, next + 3, out long taken), $"seed {seed}, step {step}");
                        Assert.InRange(taken, next + 1, next + 3);
                        for (long sector = next; sector < taken; sector++)
                        {
                            Assert.True(expected.Remove(sector), $"seed {seed}, step {step}: sector {sector}");
                        }
                    }

                    break;
            }

            Assert.Equal(expected.Count == 0, queue.IsEmpty);
        }

        Assert.Equal(expected.Order(), Take(queue, Sectors).Order());
    });

    private static List<long> Take(DiscardQueue queue, int limit)
    {
        List<long> sectors = [];
        while (queue.TryPeek(long.MaxValue, out long first, out _))
        {
            Assert.True(queue.TryTake(first, first + limit, out long end));
            for (long sector = first; sector < end; sector++)
            {
                sectors.Add(sector);
            }

            Assert.True(sectors.Count < 100_000, "a range is taken again and again");
        }

        return sectors;
    }
}
