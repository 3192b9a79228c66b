using PCache.Core;

namespace PCache.Lab.Torture;

/// <summary>
/// Workloads by seed: random worlds whose every moment is a crash, random worlds that go on after crashes and faults,
/// scripted ones. Keeps true: a seed is one workload, whatever ran before it; a failure is made smaller and told with
/// its seed; one that gets stuck is a failure too (see <see cref="TortureWatch"/>). Not thread-safe: one for each
/// thread.
/// </summary>
internal sealed class TortureRun
{
    private const int ExploredActions = 40;
    private const int GoingOnActions = 250;
    private const int ScriptStride = 977; // a prime: neighbours in time aren't neighbours in the list

    /// <summary>What was done.</summary>
    public TortureCounters Counters { get; } = new();

    /// <summary>Crash states at each persist point of random worlds.</summary>
    public ExplorerOptions Options { get; init; } = new();

    /// <summary>Longest time without progress; more is a failure.</summary>
    public TimeSpan HangLimit { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Called when an action begins, for tests that make a run get stuck; null: nothing.</summary>
    public Action<World>? Sabotage { get; init; }

    /// <summary>Runs the workload of a seed; null: no promise was broken.</summary>
    /// <param name="seed">1 or more. Of eight seeds three explore a random world, one a world whose log rolls over, one
    /// goes on after crashes, one does both, two are scripted.</param>
    public TortureFailure? Run(int seed)
    {
        int kind = seed % 8;
        if (kind >= 6)
        {
            int number = (int)(((seed / 8 * 2L) + kind - 6) * ScriptStride % ScriptedWorkloads.Count);
            return RunScripted(seed, number, seed % 16 == 6 ? ExplorerOptions.AllSubsets : Options);
        }

        if (kind == 3)
        {
            (WorldSettings rolling, List<WorldAction> rolls) = RollingWorkloads.Get(seed, crashes: seed % 16 == 3);
            rolling = rolling with { Consistency = ConsistencyOf(seed) };
            return Run(seed, "a world whose log rolls over", rolling, [], rolls,
                Options with { PointOneIn = 8 * Options.PointOneIn });
        }

        bool goesOn = kind >= 4;
        bool explores = kind != 4;
        WorldSettings settings = WorldSettings.FromSeed(seed) with
        {
            PersistWrites = seed >= 256 && seed / 8 % 4 == 3,
            Consistency = ConsistencyOf(seed),
        };
        List<WorldAction> script = Workloads.Random(settings, seed, explores ? ExploredActions
            : GoingOnActions, goesOn);
        string name = !explores ? "a world that goes on after crashes" : goesOn
            ? "a world that goes on after crashes, explored" : "an explored world";
        return Run(seed, name, settings, [], script, explores
            ? Options with { PointOneIn = settings.SegmentBytes > 64 << 10 ? 16 : Options.PointOneIn } : null);
    }

    // The first seeds are those in which broken rules are known to be found.
    private static BackingConsistency ConsistencyOf(int seed) => seed < 64 ? BackingConsistency.EachFlush
        : (seed / 8 % 8) switch
        {
            1 or 3 or 5 => BackingConsistency.Checkpoint,
            7 => BackingConsistency.WhenDrained,
            _ => BackingConsistency.EachFlush,
        };

    /// <summary>Runs a scripted workload, see <see cref="ScriptedWorkloads"/>.</summary>
    /// <param name="seed">Decides what is drawn, where not everything is tried.</param>
    /// <param name="number">The script.</param>
    /// <param name="options">How thoroughly; null: as <see cref="Options"/> say.</param>
    public TortureFailure? RunScripted(int seed, int number, ExplorerOptions? options = null)
    {
        (string name, WorldSettings settings, WorldAction[] before, WorldAction[] explored) =
            ScriptedWorkloads.Get(number);
        return Run(seed, name, settings, before, explored, options ?? Options);
    }

    private TortureFailure? Run(int seed, string kind, WorldSettings settings, WorldAction[] before,
        IReadOnlyList<WorldAction> script, ExplorerOptions? options)
    {
        Counters.Workloads++;
        if (Try(seed, settings, before, script, options, Counters) is not { } error)
        {
            return null;
        }

        if (error is TortureHang)
        {
            // Smaller ones would take as long to be found out.
            return new TortureFailure(seed, kind, error.Message, settings.ToString(),
                [.. before.Concat(script).Select(action => action.ToString())], error);
        }

        Exception last = error;
        List<WorldAction> smaller = Shrinker.Shrink(script, candidate =>
        {
            Exception? again = Try(seed, settings, before, candidate, options, new TortureCounters());
            last = again ?? last;
            return again is not null;
        });
        return new TortureFailure(seed, kind, last.Message, settings.ToString(),
            [.. before.Concat(smaller).Select(action => action.ToString())], last);
    }

    private Exception? Try(int seed, WorldSettings settings, WorldAction[] before, IReadOnlyList<WorldAction> script,
        ExplorerOptions? options, TortureCounters counters)
    {
        try
        {
            return TortureWatch.Run(HangLimit, watch =>
                TryWatched(watch, seed, settings, before, script, options, counters));
        }
        catch (TortureHang e)
        {
            return e;
        }
    }

    private Exception? TryWatched(
        TortureWatch watch, int seed, WorldSettings settings, WorldAction[] before, IReadOnlyList<WorldAction> script,
            ExplorerOptions? options, TortureCounters counters)
    {
        try
        {
            var observer = options is null ? null
                : new CrashExplorer(options, seed, counters)
                {
                    FirstAction = before.Length,
                    ExploresCreation = script.Count > 2,
                    Watch = watch
                };
            var world = new World(settings, observer, watch) { ActionBegins = Sabotage };
            world.Run([.. before, .. script]);
            counters.Recoveries += world.Crashes;
            counters.States += world.Crashes;
            return null;
        }
        catch (Exception e) when (e is TortureViolation or IOException or PCacheException or InvalidOperationException
            or ArgumentException or NullReferenceException or IndexOutOfRangeException
            or OverflowException or KeyNotFoundException)
        {
            return e;
        }
    }
}
