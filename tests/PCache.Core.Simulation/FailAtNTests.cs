using System.Diagnostics;
using PCache.Core.Tests.Support;
using PCache.Lab.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation;

/// <summary>
/// Operations with the n-th call of backing or region failing. Keeps true: the suite runs each single operation in each
/// situation with one plan at least; with PCACHE_TEST_SECONDS it goes on through all plans, then pairs;
/// PCACHE_TEST_SEED runs one number only.
/// </summary>
public sealed class FailAtNTests(ITestOutputHelper output)
{
    /// <summary>Each single operation in each situation on each machine, with one plan.</summary>
    private static readonly int Runs = ScriptedWorkloads.SingleCount;

    [Fact]
    public void The_nth_call_fails()
    {
        var counters = new TortureCounters();
        var fail = new FailAtN(counters) { SkipPercent = TestRuns.Seconds > 0 ? 3 : 60 };
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
        output.WriteLine(
            $"{counters.Workloads} runs, {fail.Struck} struck calls, {counters.States} crashes, {time.Elapsed}");
        Assert.True(fail.Struck > 0 || TestRuns.Only is not null);
    }

    [Theory]
    [InlineData(Rule.BackingFlushErrorIgnored)]
    public void A_broken_rule_is_found(object rule)
    {
        TortureFailure? found = null;
        var fail = new FailAtN(new TortureCounters()) { SkipPercent = 30 };
        using (Mutation.Break((Rule)rule))
        {
            for (int number = 0; number < FailAtN.SingleCount && found is null; number++)
            {
                found = fail.Run(number);
            }
        }

        Assert.NotNull(found);
        output.WriteLine($"{found.Seed} {found.Kind}: {found.Text}");
    }

    [Theory]
    [InlineData(true, 70, true)]
    [InlineData(false, 0, false)]
    public void A_poisoned_line_spoils_nothing_else(bool drainIsCheap, int gcPercent, bool cacheReads)
    {
        var lines = new PoisonedLines(new TortureCounters());
        TortureFailure? found = lines.Run(
            Machine with { DrainIsCheap = drainIsCheap, GcPercent = gcPercent, CacheReads = cacheReads });
        Assert.True(found is null, found?.ToString());
        output.WriteLine($"{lines.Lines} lines");
        Assert.True(lines.Lines > 60);
    }

    [Theory]
    [InlineData(Rule.UnreadableReplicaFatal, "replica")]
    [InlineData(Rule.PayloadDamageWrittenBack, "dirty payload")]
    [InlineData(Rule.PayloadDamageStopsWriteback, "dirty payload")]
    public void A_broken_rule_of_damage_is_found(object rule, string where)
    {
        using (Mutation.Break((Rule)rule))
        {
            TortureFailure? found = new PoisonedLines(new TortureCounters()).Run(Machine);
            Assert.NotNull(found);
            output.WriteLine($"{found.Kind}: {found.Text}");
            Assert.Contains(where, found.Kind, StringComparison.Ordinal);
        }
    }

    private static WorldSettings Machine { get; } = new() { OddBytes = 300, PayloadCrc = true };
}
