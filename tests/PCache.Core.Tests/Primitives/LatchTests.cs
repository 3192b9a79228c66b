using System.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Primitives;

public class LatchTests
{
    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    [Fact]
    public void The_version_is_odd_while_it_is_held_and_differs_after_every_hold()
    {
        var latch = new Latch();
        long before = latch.Version;
        Assert.Equal(0, before & 1);
        latch.Enter();
        Assert.Equal(1, latch.Version & 1);
        Assert.False(latch.TryEnter());
        latch.Exit();
        Assert.Equal(0, latch.Version & 1);
        Assert.NotEqual(before, latch.Version);
        using (latch.Hold())
        {
            Assert.Equal(1, latch.Version & 1);
        }

        Assert.True(latch.TryEnter());
        latch.Exit();
    }

    [Fact]
    public void Entering_unchanged_fails_after_any_hold()
    {
        var latch = new Latch();
        long version = latch.Version;
        Assert.True(latch.IsUnchangedSince(version));
        Assert.True(latch.TryEnterUnchanged(version));
        Assert.False(latch.IsUnchangedSince(version));
        Assert.False(latch.TryEnterUnchanged(version));
        latch.Exit();
        Assert.False(latch.IsUnchangedSince(version));
        Assert.False(latch.TryEnterUnchanged(version)); // free again, but not as it was
        Assert.True(latch.TryEnterUnchanged(latch.Version));
        latch.Exit();
    }

    [Theory]
    [InlineData(0, 2, 60_000)]
    [InlineData(0, 6, 10_000)]
    [InlineData(40, 4, 100_000)]
    public void One_holder_at_a_time_and_no_waiter_sleeps_for_good(int pauses, int threads, int rounds)
    {
        // Without pauses every meeting ends in a sleep: the leaver's look and the sleeper's announcement race all the
        // time. A wake-up that is lost leaves a thread asleep beside a free latch; it hangs for good once all others
        // are done (or asleep too).
        var latch = new Latch(pauses: pauses);
        long counter = 0;
        int inside = 0;
        bool two = false;
        void Work()
        {
            for (int i = 0; i < rounds; i++)
            {
                latch.Enter();
                two |= ++inside != 1;
                counter++;
                inside--;
                latch.Exit();
            }
        }

        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Work) { IsBackground = true })];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }

        long start = Stopwatch.GetTimestamp();
        foreach (Thread worker in workers)
        {
            Assert.True(worker.Join(Hung - Stopwatch.GetElapsedTime(start)), "A thread sleeps beside a free latch.");
        }

        Assert.False(two);
        Assert.Equal((long)threads * rounds, counter);
    }

    [Fact]
    public void A_leaver_and_one_who_goes_to_sleep_never_miss_each_other()
    {
        // One meeting a round: the leaver does nothing more until the other has come through, so that a wake-up that is
        // lost is lost for good.
        int rounds = TestRuns.Many(suite: 15_000, longRun: 60_000);
        var latch = new Latch(pauses: 0);
        int held = 0;
        int through = 0;
        void Work()
        {
            for (int round = 1; round <= rounds; round++)
            {
                SpinUntil(ref held, round);
                latch.Enter();
                latch.Exit();
                Volatile.Write(ref through, round);
            }
        }

        var worker = new Thread(Work) { IsBackground = true };
        worker.Start();
        long start = Stopwatch.GetTimestamp();
        for (int round = 1; round <= rounds; round++)
        {
            latch.Enter();
            Volatile.Write(ref held, round);
            for (int pause = round % 512; pause > 0; pause--)
            {
                Volatile.Read(ref through);
            }

            latch.Exit();
            var wait = default(SpinWait);
            while (Volatile.Read(ref through) < round)
            {
                wait.SpinOnce(sleep1Threshold: -1);
                Assert.True(Stopwatch.GetElapsedTime(start) < Hung, $"Round {round}: it sleeps beside a free latch.");
            }
        }

        worker.Join();
    }

    private static void SpinUntil(ref int value, int wanted)
    {
        var wait = default(SpinWait);
        while (Volatile.Read(ref value) < wanted)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    [Fact]
    public void Reads_between_two_equal_even_versions_are_of_one_moment()
    {
        var latch = new Latch();
        long first = 0;
        long second = 0;
        bool stop = false;
        void Write()
        {
            while (!Volatile.Read(ref stop))
            {
                latch.Enter();
                Volatile.Write(ref first, first + 1);
                Volatile.Write(ref second, second + 1);
                latch.Exit();
            }
        }

        var writer = new Thread(Write) { IsBackground = true };
        writer.Start();
        int good = 0;
        for (int i = 0; i < 2_000_000 && good < 200_000; i++)
        {
            long version = latch.Version;
            long a = Volatile.Read(ref first);
            long b = Volatile.Read(ref second);
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && latch.Version == version)
            {
                good++;
                Assert.Equal(a, b);
            }
        }

        Volatile.Write(ref stop, true);
        writer.Join();
    }
}
