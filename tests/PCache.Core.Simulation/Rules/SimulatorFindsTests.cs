using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using PCache.Lab.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// The simulator itself finds broken rules: each switch with the first of its worlds, by seed, that finds it. Keeps
/// true: the same world is sound as long as nothing is broken; nothing but seeds decides how far a search goes.
/// </summary>
public sealed class SimulatorFindsTests(ITestOutputHelper output)
{
    /// <summary>Worlds looked at of each kind before a switch counts as not found.</summary>
    private const int Budget = 20;

    /// <summary>Each rule is found before so many states, and the sound world isn't looked at any longer.</summary>
    private static readonly int MostStates = TestRuns.Many(suite: 5000, longRun: int.MaxValue);

    private static readonly Dictionary<Rule, (string Kind, int Seed)> Found = new()
    {
        [Rule.PayloadBeforeKset] = ("explored", 3),
        [Rule.GenerationNotDurable] = ("explored", 1),
        [Rule.WaitingWriteLeavesHole] = ("plain", 3),
        [Rule.SuperblockWrittenFirst] = ("rolling", 1),
        [Rule.CacheInfoBeforeTails] = ("rolling", 10),
        [Rule.WritebackPastTheEnd] = ("plain", 1),
        [Rule.ExtensionAfterSuperblock] = ("rolling", 1),
        [Rule.BadReplicaFatal] = ("explored", 1),
        [Rule.NewerMarkedClean] = ("explored", 1),
        [Rule.WritebackIgnoresBlockSize] = ("explored", 4),
        [Rule.DataTakesLogReserve] = ("rolling", 3),
        [Rule.PayloadNotFlushed] = ("rolling", 3),
        [Rule.LogSegmentNotZeroed] = ("rolling", 3),
        [Rule.LogEndNotZeroed] = ("explored", 1),
        [Rule.LogRestNotZeroed] = ("explored", 1),
        [Rule.FlushReturnsBeforeDrain] = ("rolling", 3),
        [Rule.ForceUnitAccessNotFlushed] = ("plain", 3),
        [Rule.KeysReversedInKset] = ("plain", 1),
        [Rule.WritebackOldestWins] = ("plain", 1),
        [Rule.MissReservesLate] = ("plain", 2),
        [Rule.LateFillHidesWrite] = ("plain", 2),
        [Rule.BackingNotFlushed] = ("plain", 1),
        [Rule.CollectDirtyKeys] = ("plain", 1),
        [Rule.CollectBeyondOlderDirtyTail] = ("rolling", 3),
        [Rule.KeyTailNotWritten] = ("rolling", 3),
        [Rule.GenerationInOneReplica] = ("explored", 1),
        [Rule.SuperblockNotZeroedFirst] = ("rolling", 1),
        [Rule.OldReplicasLeft] = ("rolling", 3),
        [Rule.EverythingCleanAfterOpen] = ("plain", 1),
        [Rule.ReplicaSequenceKept] = ("explored", 1),
        [Rule.EverythingDirtyAfterOpen] = ("plain", 1),
        [Rule.KsetBeforePredecessorDurable] = ("short", 1),
        [Rule.GenerationNotRaised] = ("short", 1),
        [Rule.LatestReplicaOverwritten] = ("short", 1),
        [Rule.LinkBeforeTargetZeroed] = ("short", 2),
        [Rule.ZeroingNotDrained] = ("short", 2),
        [Rule.DirtyTailBeforeFlush] = ("short", 3),
        [Rule.BackingFlushErrorIgnored] = ("short", 4),
        [Rule.FormatUnderOneFence] = ("short", 5),
        [Rule.OldKsetsLeft] = ("short", 6),
        [Rule.LateFillLoggedWhole] = ("short", 7),
        [Rule.ReferencesDroppedFirst] = ("short", 8),
        [Rule.LogSegmentFreedFirst] = ("short", 9),
        [Rule.MissIgnoresBlockSize] = ("short", 10),
        [Rule.FirstDirtyTailOverLatest] = ("short", 11),
        [Rule.KeyTailInOneReplica] = ("short", 12),
        [Rule.KeyHeadAdvancedFirst] = ("short", 13),
        [Rule.LaterKeysLoggedFirst] = ("short", 13),
        [Rule.FailedAppendForgotten] = ("short", 13),
        [Rule.LogRoomNotReserved] = ("short", 14),
        [Rule.FlushSkipsShards] = ("short", 15),
        [Rule.DeadKeysDropReferences] = ("short", 16),
        [Rule.DeadKeysTakeReferences] = ("short", 16),
        [Rule.MergeTakesOldSector] = ("short", 17),
        [Rule.ShardLockReleasedBetween] = ("short", 18),
    };

    private static readonly Dictionary<(string Kind, int Seed), Exception?> Sound = [];

    public static TheoryData<string> Rules => [.. Found.Keys.Select(rule => rule.ToString())];

    [Theory]
    [MemberData(nameof(Rules))]
    public void Simulator_finds_it(string name)
    {
        Rule rule = Enum.Parse<Rule>(name);
        (string kind, int seed) = Found[rule];
        if (!Sound.TryGetValue((kind, seed), out Exception? sound))
        {
            Sound[(kind, seed)] = sound = Run(Rule.None, kind, seed, new TortureCounters());
        }

        Assert.True(sound is null, $"nothing is broken, and yet in the {kind} world {seed}: {sound}");
        var counters = new TortureCounters();
        Exception? found = Run(rule, kind, seed, counters);
        if (found is null)
        {
            Assert.Fail($"{rule} is broken, and the {kind} world {seed} didn't notice; {Search(rule)}.");
        }

        string about = kind == "short" ? $" ({ShortWorlds.Name(seed)})" : "";
        output.WriteLine($"{rule}: {kind} world {seed}{about}, {counters.States} states: {found.Message}");
    }

    [Fact]
    public void Page_has_what_the_simulator_finds()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "testing-rules.md"));
        page = page[page.IndexOf("## What the simulator finds", StringComparison.Ordinal)..];
        foreach (IGrouping<(string Kind, int Seed), Rule> world in Found.GroupBy(row => row.Value, row => row.Key))
        {
            string row =
                $"| {world.Key.Kind} {world.Key.Seed} | "
                + $"{string.Join(", ", world.Select(rule => rule.ToString()).Order(StringComparer.Ordinal))} |";
            Assert.True(page.Contains(row, StringComparison.Ordinal), $"missing in the page: {row}");
        }
    }

    /// <summary>Where a rule is found first, when workloads have changed: for the table above.</summary>
    private static string Search(Rule rule)
    {
        for (int i = 0; i < Budget * 3; i++)
        {
            string kind = (i % 3) switch { 0 => "explored", 1 => "rolling", _ => "plain" };
            if (Run(rule, kind, (i / 3) + 1, new TortureCounters()) is not null)
            {
                return $"{kind} world {(i / 3) + 1} does";
            }
        }

        return "no other does";
    }

    /// <summary>One world on a thread of its own; what it finds.</summary>
    private static Exception? Run(Rule rule, string kind, int seed, TortureCounters counters)
    {
        Exception? result = null;
        var thread = new Thread(() =>
        {
            using (Mutation.Break(rule))
            {
                result = Record.Exception(() => Run(kind, seed, counters)) ?? Invariant.TakeBroken();
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
                new World(settings, new CrashExplorer(new ExplorerOptions { PointOneIn = 4, MostStates = MostStates },
                    seed, counters)).Run(Workloads.Random(settings, seed, 40, crashes));
                break;
            case "rolling":
                (settings, List<WorldAction> script) = RollingWorkloads.Get(seed, crashes);
                new World(settings, new CrashExplorer(new ExplorerOptions { PointOneIn = 8, MostStates = MostStates },
                    seed, counters)).Run(script);
                break;
            case "short":
                ShortWorlds.Run(seed, counters, MostStates);
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
