using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using PCache.Lab.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// The simulator itself finds broken rules: each switch with the first of its worlds, by seed, that finds it. Keeps true: the same world is sound as long as nothing is
/// broken; nothing but seeds decides how far a search goes.
/// </summary>
public sealed class SimulatorFindsTests(ITestOutputHelper output)
{
    /// <summary>Worlds looked at of each kind before a switch counts as not found.</summary>
    private const int Budget = 20;

    private static readonly Dictionary<BrokenRule, (string Kind, int Seed)> Found = new()
    {
        [BrokenRule.PayloadBeforeKset] = ("explored", 3),
        [BrokenRule.GenerationNotDurable] = ("explored", 1),
        [BrokenRule.WaitingWriteLeavesHole] = ("plain", 3),
        [BrokenRule.SuperblockWrittenFirst] = ("rolling", 1),
        [BrokenRule.CacheInfoBeforeTails] = ("rolling", 10),
        [BrokenRule.WritebackPastTheEnd] = ("plain", 1),
        [BrokenRule.ExtensionAfterSuperblock] = ("rolling", 1),
        [BrokenRule.BadReplicaFatal] = ("explored", 1),
        [BrokenRule.NewerMarkedClean] = ("explored", 1),
        [BrokenRule.WritebackIgnoresBlockSize] = ("explored", 4),
        [BrokenRule.DataTakesLogReserve] = ("rolling", 3),
        [BrokenRule.PayloadNotFlushed] = ("rolling", 3),
        [BrokenRule.LogSegmentNotZeroed] = ("rolling", 3),
        [BrokenRule.LogEndNotZeroed] = ("explored", 1),
        [BrokenRule.LogRestNotZeroed] = ("explored", 1),
        [BrokenRule.FlushReturnsBeforeDrain] = ("rolling", 3),
        [BrokenRule.ForceUnitAccessNotFlushed] = ("plain", 3),
        [BrokenRule.KeysReversedInKset] = ("plain", 1),
        [BrokenRule.WritebackOldestWins] = ("plain", 1),
        [BrokenRule.MissReservesLate] = ("plain", 2),
        [BrokenRule.LateFillHidesWrite] = ("plain", 2),
        [BrokenRule.BackingNotFlushed] = ("plain", 1),
        [BrokenRule.CollectDirtyKeys] = ("plain", 1),
        [BrokenRule.CollectBeyondOlderDirtyTail] = ("rolling", 3),
        [BrokenRule.KeyTailNotWritten] = ("rolling", 3),
        [BrokenRule.GenerationInOneReplica] = ("explored", 1),
        [BrokenRule.SuperblockNotZeroedFirst] = ("rolling", 1),
        [BrokenRule.OldReplicasLeft] = ("rolling", 3),
        [BrokenRule.EverythingCleanAfterOpen] = ("plain", 1),
        [BrokenRule.ReplicaSequenceKept] = ("explored", 1),
        [BrokenRule.EverythingDirtyAfterOpen] = ("plain", 1),
        [BrokenRule.KsetBeforePredecessorDurable] = ("short", 1),
        [BrokenRule.GenerationNotRaised] = ("short", 1),
        [BrokenRule.LatestReplicaOverwritten] = ("short", 1),
        [BrokenRule.LinkBeforeTargetZeroed] = ("short", 2),
        [BrokenRule.ZeroingNotDrained] = ("short", 2),
        [BrokenRule.DirtyTailBeforeFlush] = ("short", 3),
        [BrokenRule.BackingFlushErrorIgnored] = ("short", 4),
        [BrokenRule.FormatUnderOneFence] = ("short", 5),
        [BrokenRule.OldKsetsLeft] = ("short", 6),
        [BrokenRule.LateFillLoggedWhole] = ("short", 7),
        [BrokenRule.ReferencesDroppedFirst] = ("short", 8),
        [BrokenRule.LogSegmentFreedFirst] = ("short", 9),
        [BrokenRule.MissIgnoresBlockSize] = ("short", 10),
        [BrokenRule.FirstDirtyTailOverLatest] = ("short", 11),
        [BrokenRule.KeyTailInOneReplica] = ("short", 12),
        [BrokenRule.KeyHeadAdvancedFirst] = ("short", 13),
        [BrokenRule.LaterKeysLoggedFirst] = ("short", 13),
        [BrokenRule.FailedAppendForgotten] = ("short", 13),
        [BrokenRule.LogRoomNotReserved] = ("short", 14),
        [BrokenRule.FlushSkipsShards] = ("short", 15),
        [BrokenRule.DeadKeysDropReferences] = ("short", 16),
        [BrokenRule.DeadKeysTakeReferences] = ("short", 16),
        [BrokenRule.MergeTakesOldSector] = ("short", 17),
        [BrokenRule.ShardLockReleasedBetween] = ("short", 18),
    };

    private static readonly Dictionary<(string Kind, int Seed), Exception?> Sound = [];

    public static TheoryData<string> Rules => [.. Found.Keys.Select(rule => rule.ToString())];

    /// <summary>Those to look for anew when workloads have changed: a name added here prints where it is found first.</summary>
    public static TheoryData<string> Sought => [nameof(BrokenRule.None)];

    [Theory]
    [MemberData(nameof(Rules))]
    public void Simulator_finds_it(string name)
    {
        BrokenRule rule = Enum.Parse<BrokenRule>(name);
        (string kind, int seed) = Found[rule];
        if (!Sound.TryGetValue((kind, seed), out Exception? sound))
        {
            Sound[(kind, seed)] = sound = Run(BrokenRule.None, kind, seed, new TortureCounters());
        }

        Assert.True(sound is null, $"nothing is broken, and yet in the {kind} world {seed}: {sound}");
        var counters = new TortureCounters();
        Exception? found = Run(rule, kind, seed, counters);
        Assert.True(found is not null, $"{rule} is broken, and the {kind} world {seed} didn't notice");
        string about = kind == "short" ? $" ({ShortWorlds.Name(seed)})" : "";
        output.WriteLine($"{rule}: {kind} world {seed}{about}, {counters.States} states: {found.Message}");
    }

    [Fact]
    public void Page_has_what_the_simulator_finds()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "testing-rules.md"));
        page = page[page.IndexOf("## What the simulator finds", StringComparison.Ordinal)..];
        foreach (IGrouping<(string Kind, int Seed), BrokenRule> world in Found.GroupBy(row => row.Value, row => row.Key))
        {
            string row = $"| {world.Key.Kind} {world.Key.Seed} | {string.Join(", ", world.Select(rule => rule.ToString()).Order(StringComparer.Ordinal))} |";
            Assert.True(page.Contains(row, StringComparison.Ordinal), $"missing in the page: {row}");
        }
    }

    [Theory]
    [MemberData(nameof(Sought))]
    public void Search(string name)
    {
        BrokenRule rule = Enum.Parse<BrokenRule>(name);
        var counters = new TortureCounters();
        for (int i = 0; i < (rule == BrokenRule.None ? 1 : Budget) * 3; i++)
        {
            string kind = (i % 3) switch { 0 => "explored", 1 => "rolling", _ => "plain" };
            if (Run(rule, kind, (i / 3) + 1, counters) is { } found)
            {
                output.WriteLine($"{rule}: {kind} world {(i / 3) + 1} after {counters.States} states: {found.Message}");
                Assert.NotEqual(BrokenRule.None, rule);
                return;
            }
        }

        output.WriteLine($"{rule}: not found in {counters.States} states");
    }

    /// <summary>One world on a thread of its own; what it finds.</summary>
    private static Exception? Run(BrokenRule rule, string kind, int seed, TortureCounters counters)
    {
        Exception? result = null;
        var thread = new Thread(() =>
        {
            using (RuleSwitch.Break(rule))
            {
                result = Record.Exception(() => Run(kind, seed, counters));
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread.Join(2 * TestRuns.HangLimit) ? result : new TimeoutException("The world doesn't end.");
    }

    private static void Run(string kind, int seed, TortureCounters counters)
    {
        bool crashes = seed % 2 == 0;
        WorldSettings settings = WorldSettings.FromSeed(seed);
        switch (kind)
        {
            case "explored":
                new World(settings, new CrashExplorer(new ExplorerOptions { PointOneIn = 4 }, seed, counters)).Run(Workloads.Random(settings, seed, 40, crashes));
                break;
            case "rolling":
                (settings, List<WorldAction> script) = RollingWorkloads.Get(seed, crashes);
                new World(settings, new CrashExplorer(new ExplorerOptions { PointOneIn = 8 }, seed, counters)).Run(script);
                break;
            case "short":
                ShortWorlds.Run(seed, counters);
                break;
            default:
                for (int i = 0; i < 12; i++)
                {
                    new World(settings).Run(Workloads.Random(settings, seed + (i * 1000), 150, !crashes));
                }

                break;
        }
    }
}
