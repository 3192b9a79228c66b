using PCache.Lab.Torture;

namespace PCache.Core.Simulation;

/// <summary>A run that gets stuck ends for the thread that waits for it, and says where it is.</summary>
public sealed class TortureWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    [Fact]
    public void A_wait_that_never_ends_is_told_with_seed_action_and_stack()
    {
        TortureFailure failure = Stuck(
            new TortureRun { HangLimit = Limit, Sabotage = world => OnThirdAction(world, WaitForNothing) });
        Assert.Contains(nameof(WaitForNothing), failure.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loop_that_stores_without_end_is_told_with_the_place_where_it_stores()
    {
        var stop = new Flag();
        try
        {
            TortureFailure failure = Stuck(
                new TortureRun
                {
                    HangLimit = Limit,
                    Sabotage = world =>
                OnThirdAction(world, () => DrainForEver(world, stop))
                });
            Assert.Contains(nameof(DrainForEver), failure.Text, StringComparison.Ordinal);
        }
        finally
        {
            stop.IsSet = true;
        }
    }

    [Fact]
    public void A_loop_that_does_nothing_at_all_is_told_with_its_action()
    {
        var stop = new Flag();
        try
        {
            TortureFailure failure = Stuck(new TortureRun
            {
                HangLimit = Limit,
                Sabotage = world => OnThirdAction(world, () => SpinWait.SpinUntil(() => stop.IsSet, 60_000)),
            });
            Assert.Contains("makes no progress", failure.Text, StringComparison.Ordinal);
        }
        finally
        {
            stop.IsSet = true;
        }
    }

    [Fact]
    public void A_session_ends_with_a_run_that_is_stuck_and_goes_on_to_nothing_new()
    {
        var session = new TortureSession(4)
        {
            HangLimit = Limit,
            Sabotage = world =>
            OnThirdAction(world, WaitForNothing)
        };
        session.Run(TimeSpan.FromMinutes(10), threads: 2);
        Assert.InRange(session.Failures.Count, 1, 2);
        Assert.InRange(session.Counters.Workloads, 1, 2);
    }

    /// <summary>States are progress, whatever time an action takes.</summary>
    [Fact]
    public void What_gets_on_is_left_alone()
    {
        int beats = TortureWatch.Run(TimeSpan.FromSeconds(1), watch =>
        {
            for (int i = 0; i < 20; i++)
            {
                Thread.Sleep(100);
                watch.Progress();
            }

            return 20;
        });
        Assert.Equal(20, beats);
        Assert.Throws<TortureHang>(() => TortureWatch.Run(TimeSpan.FromMilliseconds(200), watch =>
        {
            // More than an action may ever take, though it seems to get on.
            for (int i = 0; i < 600; i++)
            {
                Thread.Sleep(10);
                watch.Progress();
                watch.Event();
            }

            return 0;
        }));
    }

    [Fact]
    public void What_a_run_throws_its_caller_gets() =>
        Assert.Throws<KeyNotFoundException>(() => TortureWatch.Run<int>(Limit, _ => throw new KeyNotFoundException()));

    private static TortureFailure Stuck(TortureRun run)
    {
        TortureFailure? failure = run.Run(4); // a world that isn't explored: quick up to the third action
        Assert.NotNull(failure);
        Assert.Equal(4, failure.Seed);
        Assert.IsType<TortureHang>(failure.Exception);
        Assert.Contains("action 2 (", failure.Text, StringComparison.Ordinal);
        Assert.NotEmpty(failure.Script);
        return failure;
    }

    private static void OnThirdAction(World world, Action action)
    {
        if (world.ActionNumber == 2)
        {
            action();
        }
    }

    private static void WaitForNothing()
    {
        using var never = new ManualResetEventSlim();
        never.Wait();
    }

    private static void DrainForEver(World world, Flag stop)
    {
        while (!stop.IsSet)
        {
            world.Region.Drain();
        }
    }

    private sealed class Flag
    {
        public volatile bool IsSet;
    }
}
