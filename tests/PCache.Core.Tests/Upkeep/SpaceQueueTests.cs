using PCache.Core.Tests.Support;
using PCache.Core.Upkeep;

namespace PCache.Core.Tests.Upkeep;

/// <summary>Who may take room when, counted in writes: no thread and no clock.</summary>
public class SpaceQueueTests
{
    private const int Size = 4096;
    private const int BurstWrites = 1024;

    [Fact]
    public void A_writer_that_comes_while_others_wait_finds_nothing_to_spare_before_one_was_served()
    {
        var queue = new SpaceQueue();
        Assert.True(queue.MayTake(null, Size));
        SpaceWaiter first = queue.Enter(Size);
        SpaceWaiter second = queue.Enter(Size);
        Assert.False(queue.MayTake(null, Size));
        queue.Signal(1 << 20);
        Assert.False(queue.MayTake(null, Size));
        queue.Leave(first);
        Assert.True(queue.MayTake(null, Size));
        Assert.True(queue.MayTake(second, Size), "what is to spare is besides the turn of who waits");
    }

    [Fact]
    public void What_waiters_want_is_never_to_spare()
    {
        var queue = new SpaceQueue();
        SpaceWaiter first = queue.Enter(Size);
        SpaceWaiter second = queue.Enter(1 << 20);
        queue.Signal((1 << 20) + Size);
        queue.Leave(first);
        Assert.False(queue.MayTake(null, Size));
        Assert.True(queue.MayTake(second, Size));
    }

    [Fact]
    public void Shares_end_and_all_of_them_together_leave_what_others_want()
    {
        const long Free = 1 << 20;
        const int Waiters = 16;
        var queue = new SpaceQueue();
        SpaceWaiter[] waiters = [.. Enumerable.Range(0, Waiters).Select(_ => queue.Enter(Size))];
        queue.Signal(Free);
        long taken = 0;
        foreach (SpaceWaiter waiter in waiters[..^1])
        {
            Assert.True(queue.MayTake(waiter, Size));
            queue.Leave(waiter);
            int share = 0;
            while (queue.MayTake(null, Size))
            {
                share++;
                Assert.True(share < 1000, "a share without end");
            }

            taken += share * Size;
            Assert.InRange(share, 0, 32);
        }

        Assert.InRange(taken, 32 * Size, Free - (Free / 16) - (Waiters * Size));
    }

    [Fact]
    public void A_queue_that_begins_anew_has_nothing_to_spare()
    {
        var queue = new SpaceQueue();
        SpaceWaiter first = queue.Enter(Size);
        SpaceWaiter second = queue.Enter(Size);
        queue.Signal(1 << 20);
        queue.Leave(first);
        queue.Leave(second);
        Assert.True(queue.MayTake(null, Size), "none waits");
        SpaceWaiter third = queue.Enter(Size);
        SpaceWaiter fourth = queue.Enter(Size);
        Assert.False(queue.MayTake(null, Size));
        queue.Leave(third);
        Assert.False(queue.MayTake(null, Size));
        Assert.True(queue.MayTake(fourth, Size));
    }

    /// <summary>Writers that never pause, on one core that gives each of those who can run a while in turn.</summary>
    [Fact]
    public void Writers_take_turns_and_seldom_queue() => TestRuns.ForSeeds(5, seed =>
    {
        const int Writers = 4;
        var random = new Random(seed);
        var queue = new SpaceQueue();
        var turns = new SpaceWaiter?[Writers];
        int[] served = new int[Writers];
        long room = 0;
        int entered = 0;
        bool MayRun(int writer) => turns[writer] is not { } turn || (room >= Size && queue.MayTake(turn, Size));
        for (int slices = 0; served.Sum() < 100 * BurstWrites; slices++)
        {
            Assert.True(slices < 1_000_000, $"seed {seed}: no progress");
            int[] runnable = [.. Enumerable.Range(0, Writers).Where(MayRun)];
            if (runnable.Length == 0)
            {
                Assert.True(room < Size, $"seed {seed}: there is room, and no waiter may take it");
                room += BurstWrites * Size;
                queue.Signal(room);
                continue;
            }

            int runs = runnable[random.Next(runnable.Length)];
            for (int left = random.Next(1, 100); left > 0 && MayRun(runs); left--)
            {
                if (turns[runs] is { } turn)
                {
                    turns[runs] = null;
                    queue.Leave(turn);
                }
                else if (!queue.MayTake(null, Size) || room < Size)
                {
                    turns[runs] = queue.Enter(Size);
                    entered++;
                    continue;
                }

                room -= Size;
                served[runs]++;
            }
        }

        Assert.True(served.Min() >= served.Max() * 0.7, $"seed {seed}: unfair: {string.Join(", ", served)}");
        Assert.True(entered < served.Sum() / 4, $"seed {seed}: {entered} of {served.Sum()} writes had to queue");
    });
}
