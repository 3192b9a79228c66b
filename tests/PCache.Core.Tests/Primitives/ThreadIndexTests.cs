using System.Collections.Concurrent;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Primitives;

public class ThreadIndexTests
{
    [Fact]
    public void Living_threads_share_no_number_but_the_shared_one()
    {
        int threads = ThreadIndex.Exclusive + 8;
        var seen = new ConcurrentBag<int>();
        using var all = new Barrier(threads);
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            seen.Add(ThreadIndex.Current);
            all.SignalAndWait();
            seen.Add(ThreadIndex.Current);
        }))];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }

        foreach (Thread worker in workers)
        {
            worker.Join();
        }

        Assert.All(seen.GroupBy(index => index).Where(group => group.Key != ThreadIndex.Shared), group =>
            Assert.Equal(2, group.Count()));
        Assert.All(seen, index => Assert.InRange(index, 1, ThreadIndex.Shared));
        Assert.Contains(ThreadIndex.Shared, seen);
    }

    [Fact]
    public void Numbers_of_threads_that_ended_come_back()
    {
        var exclusive = 0;
        for (int round = 0; round < 50; round++)
        {
            Thread[] workers = [.. Enumerable.Range(0, ThreadIndex.Exclusive).Select(_ => new Thread(() =>
            {
                if (ThreadIndex.Current != ThreadIndex.Shared)
                {
                    Interlocked.Increment(ref exclusive);
                }
            }))];
            foreach (Thread worker in workers)
            {
                worker.Start();
                worker.Join();
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        // If numbers never came back, only as many threads as there are numbers would ever get one.
        Assert.True(exclusive > 2 * ThreadIndex.Exclusive, $"{exclusive} threads had a number of their own.");
    }

    [Fact]
    public void A_counter_counts_everything_from_however_many_threads()
    {
        var counter = new CounterSet();
        int threads = ThreadIndex.Exclusive + 8;
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                counter.Add(ThreadIndex.Current, 5, 3);
            }
        }))];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }

        foreach (Thread worker in workers)
        {
            worker.Join();
        }

        Assert.Equal(threads * 30_000L, counter.Sum(5));
    }
}
