using PCache.Core.Tests.Support;
using PCache.Core.Upkeep;

namespace PCache.Core.Tests.Upkeep;

/// <summary>The queue against a list: the first of those who are still there has the turn, one that leaves from
/// wherever.</summary>
public sealed class SpaceQueueModelTests
{
    private const int Size = 4096;

    [Fact]
    public void A_waiter_that_comes_after_the_last_one_has_left_gets_a_turn()
    {
        var queue = new SpaceQueue();
        SpaceWaiter first = queue.Enter(Size);
        SpaceWaiter last = queue.Enter(Size);
        queue.Leave(last);
        SpaceWaiter late = queue.Enter(Size);
        Assert.False(queue.MayTake(late, Size));
        queue.Leave(first);
        Assert.True(queue.MayTake(late, Size), "the turn is lost: no writer will ever write again");
        queue.Leave(late);
        SpaceWaiter alone = queue.Enter(Size);
        Assert.True(queue.MayTake(alone, Size));
        queue.Leave(alone);
        Assert.Equal(0, queue.Count);
        Assert.True(queue.MayTake(null, Size));
    }

    [Fact]
    public void Turns_go_by_arrival_whichever_waiter_leaves() => TestRuns.ForSeeds(20, seed =>
    {
        var random = new Random(seed);
        var queue = new SpaceQueue();
        List<SpaceWaiter> present = [];
        for (int step = 0; step < 500; step++)
        {
            if (present.Count == 0 || (present.Count < 6 && random.Next(2) == 0))
            {
                present.Add(queue.Enter(Size));
            }
            else
            {
                // The one with the turn, the last one, or any.
                int at = random.Next(3) switch { 0 => 0, 1 => present.Count - 1, _ => random.Next(present.Count) };
                queue.Leave(present[at]);
                present.RemoveAt(at);
            }

            Assert.Equal(present.Count, queue.Count);
            Assert.Equal(present.Count > 0, queue.HasWaiters);
            for (int i = 0; i < present.Count; i++)
            {
                Assert.True(queue.MayTake(present[i], Size) == (i == 0),
                    $"seed {seed}, step {step}: number {i} of {present.Count}");
            }
        }
    });

    /// <summary>A leaver's place goes to the next one, who is asleep: a signal each, or it sleeps for ever.</summary>
    [Fact]
    public async Task The_waiter_that_gets_the_turn_is_woken()
    {
        var queue = new SpaceQueue();
        SpaceWaiter[] waiters = [.. Enumerable.Range(0, 3).Select(_ => queue.Enter(Size))];
        queue.Signal(1 << 20);
        for (int i = 0; i < waiters.Length; i++)
        {
            using var limit = new CancellationTokenSource(TestRuns.HangLimit);
            await waiters[i].WaitAsync(limit.Token);
            queue.Leave(waiters[i]);
        }
    }

    [Fact]
    public async Task A_failure_reaches_all_who_wait()
    {
        var queue = new SpaceQueue();
        SpaceWaiter[] waiters = [.. Enumerable.Range(0, 3).Select(_ => queue.Enter(Size))];
        queue.FailAll(new IOException("planned"));
        foreach (SpaceWaiter waiter in waiters)
        {
            using var limit = new CancellationTokenSource(TestRuns.HangLimit);
            await Assert.ThrowsAsync<PCacheFullException>(() => waiter.WaitAsync(limit.Token));
            Assert.Throws<PCacheFullException>(waiter.ThrowIfFailed);
        }
    }

    /// <summary>Room that was announced to those who have gone is free: what comes next is told to the next ones
    /// only.</summary>
    [Fact]
    public void What_a_waiter_wanted_that_has_left_is_to_spare_again()
    {
        var queue = new SpaceQueue();
        SpaceWaiter first = queue.Enter(Size);
        SpaceWaiter greedy = queue.Enter(1 << 20);
        SpaceWaiter third = queue.Enter(Size);
        queue.Leave(greedy);
        queue.Signal(1 << 20);
        queue.Leave(first);
        Assert.True(queue.MayTake(null, Size), "the one who wanted it all is gone");
        queue.Leave(third);
    }
}
