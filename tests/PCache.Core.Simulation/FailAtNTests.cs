using System.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using PCache.Testing.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation;

/// <summary>
/// Operations with the n-th call of backing or region failing. Keeps true: the suite runs each single operation in each situation with one plan at least; with
/// PCACHE_TEST_SECONDS it goes on through all plans, then pairs; PCACHE_TEST_SEED runs one number only.
/// </summary>
public sealed class FailAtNTests(ITestOutputHelper output)
{
    /// <summary>Not a divisor of anything, so that a short run takes from everywhere.</summary>
    private const int Runs = 210;

    [Fact]
    public void The_nth_call_fails()
    {
        var counters = new TortureCounters();
        var fail = new FailAtN(counters) { SkipPercent = TestRuns.Seconds > 0 ? 3 : 30 };
        var time = Stopwatch.StartNew();
        var found = new List<TortureFailure>();
        TestRuns.ForSeeds(Runs, seed =>
        {
            if (found.Count < 4 && fail.Run((seed - 1) % FailAtN.Count) is { } failure)
            {
                found.Add(failure with { Seed = seed });
            }
        });
        Assert.True(found.Count == 0, string.Join('\n', found));
        output.WriteLine($"{counters.Workloads} runs, {fail.Struck} struck calls, {counters.States} crashes, {time.Elapsed}");
        Assert.True(fail.Struck > 0 || TestRuns.Only is not null);
    }

    [Theory]
    [InlineData(BrokenRule.BackingFlushErrorIgnored)]
    public void A_broken_rule_is_found(object rule)
    {
        TortureFailure? found = null;
        var fail = new FailAtN(new TortureCounters()) { SkipPercent = 30 };
        using (RuleSwitch.Break((BrokenRule)rule))
        {
            for (int number = 0; number < FailAtN.SingleCount && found is null; number++)
            {
                found = fail.Run(number);
            }
        }

        Assert.NotNull(found);
        output.WriteLine($"{found.Seed} {found.Kind}: {found.Text}");
    }
}
