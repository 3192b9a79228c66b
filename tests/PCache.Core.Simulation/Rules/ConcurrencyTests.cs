using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// What happens in the middle of something, at a moment that the check decides: nothing here depends on the scheduler.
/// </summary>
public sealed class ConcurrencyTests
{
    private static readonly RuleChecks Checks = new()
    {
        { Rule.FlushJoinedTooEarly, FlushCoversWhatReturnedBefore },
        { Rule.ShardLockReleasedBetween, LogOrderIsIndexOrder },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    /// <summary>While one flush is draining, after it has taken its keys, another thread writes and flushes.</summary>
    private static void FlushCoversWhatReturnedBefore()
    {
        using var cache = new SmallCache();
        cache.Device.Put(0, 1);
        Thread? other = null;
        object log = cache.Device.Internals.Writable.Writer.Log;
        cache.Region.OnDrain(() =>
        {
            cache.Region.BeforeEvent = null;
            other = Start(Rule.FlushJoinedTooEarly, () =>
            {
                cache.Device.Put(Sector, 2);
                cache.Device.Flush();
            });
            Assert.True(SpinWait.SpinUntil(() => (long)Field(log, "_flushesRequested") == 2, TestRuns.HangLimit),
                "the other flush is never asked for");
        });
        cache.Device.Flush();
        other!.Join();
        using PCacheDevice killed = cache.OpenKilledCopy();
        Assert.Equal((1, 2), (killed.IdAt(0), killed.IdAt(Sector)));
    }

    /// <summary>
    /// A write of the same sector comes whenever the lock is let go; whose content is seen last, that one the log has
    /// last.
    /// </summary>
    private static void LogOrderIsIndexOrder()
    {
        using var cache = new SmallCache();
        bool between = false;
        Mutation.Between = () =>
        {
            Mutation.Between = null;
            between = true;
            cache.Device.Put(0, 2);
        };
        cache.Device.Put(0, 1);
        Mutation.Between = null;
        if (!between)
        {
            cache.Device.Put(0, 2);
        }

        AssertIs(cache.Device, 0, 2);
        cache.Reopen();
        AssertIs(cache.Device, 0, 2);
    }

    /// <summary>Runs an action on another thread, with the rule broken there too if it is broken here.</summary>
    private static Thread Start(Rule rule, Action action)
    {
        Rule broken = Mutation.Is(rule) ? rule : Rule.None;
        var thread = new Thread(() =>
        {
            using (Mutation.Break(broken))
            {
                action();
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }
}
