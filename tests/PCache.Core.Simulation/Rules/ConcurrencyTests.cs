using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>Two threads, both with the rule broken.</summary>
public sealed class ConcurrencyTests
{
    private static readonly RuleChecks Checks = new()
    {
        { BrokenRule.FlushJoinedTooEarly, FlushCoversWhatReturnedBefore },
        { BrokenRule.ShardLockReleasedBetween, LogOrderIsIndexOrder },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    /// <summary>While one flush is draining, after it has taken its keys, somebody else writes and flushes.</summary>
    private static void FlushCoversWhatReturnedBefore()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        Thread? other = null;
        cache.Region.BeforeDrain = () =>
        {
            cache.Region.BeforeDrain = null;
            other = Start(BrokenRule.FlushJoinedTooEarly, () =>
            {
                cache.Device.Put(Sector, 2);
                cache.Device.Flush();
            });
            SpinWait.SpinUntil(() => (other.ThreadState & (ThreadState.WaitSleepJoin | ThreadState.Stopped)) != 0);
        };
        cache.Device.Flush();
        other!.Join();
        using PCacheDevice killed = cache.OpenKilledCopy();
        Assert.Equal((1, 2), (killed.IdAt(0), killed.IdAt(Sector)));
    }

    /// <summary>Two threads write the same sectors; whoever's write is seen last is the one that the log has last.</summary>
    private static void LogOrderIsIndexOrder()
    {
        const int Sectors = 16;
        for (int round = 0; round < 12; round++)
        {
            using var cache = new SmallCache(segments: 64);
            void Write(int writer)
            {
                for (int i = 0; i < 800; i++)
                {
                    cache.Device.Put(i % Sectors * Sector, (writer * 1_000_000) + i + 1);
                }
            }

            Thread other = Start(BrokenRule.ShardLockReleasedBetween, () => Write(1));
            Write(0);
            other.Join();
            long[] now = [.. Enumerable.Range(0, Sectors).Select(i => cache.Device.IdAt(i * Sector))];
            cache.Reopen();
            Assert.Equal(now, Enumerable.Range(0, Sectors).Select(i => cache.Device.IdAt(i * Sector)));
        }
    }

    /// <summary>Runs an action on another thread, with the rule broken there too if it is broken here.</summary>
    private static Thread Start(BrokenRule rule, Action action)
    {
        BrokenRule broken = RuleSwitch.IsBroken(rule) ? rule : BrokenRule.None;
        var thread = new Thread(() =>
        {
            using (RuleSwitch.Break(broken))
            {
                action();
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }
}
