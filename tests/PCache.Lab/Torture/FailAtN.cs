namespace PCache.Lab.Torture;

/// <summary>
/// Scripted operations with the n-th call of backing or region failing, for n = 0, 1, 2, ... until they complete
/// without meeting the fault. Keeps true: an operation throws nothing but documented errors of I/O; what failed is old
/// or new, sector by sector, everything else as it was; crashes while the fault lasts and after it are recovered from;
/// healed, the cache drains, its counts agree with a recount, and the strict check finds nothing. Not thread-safe: one
/// for each thread.
/// </summary>
internal sealed class FailAtN(TortureCounters counters)
{
    private const int MostCalls = 100_000;
    private const int MostCrashesWhileItLasts = 6;

    private static readonly ExplorerOptions Crashes = new()
    {
        StatesPerDrain = 2,
        StatesPerDiskCall = 2,
        KillOneStoreIn = 16,
        NestOneIn = 0,
        Depth = 2,
        SecondLifeOneIn = 6,
        ReadOnlyOneIn = 0,
        LoseReplicaOneIn = 0,
    };

    /// <summary>Number of runs with one operation each; those with pairs follow.</summary>
    public static int SingleCount { get; } = ScriptedWorkloads.SingleCount * FailPlan.All.Count;

    /// <summary>Number of all runs.</summary>
    public static int Count { get; } = ScriptedWorkloads.Count * FailPlan.All.Count;

    /// <summary>One in so many events is a crash while the fault lasts; 0: none.</summary>
    public int CrashOneEventIn { get; init; } = 40;

    /// <summary>Beyond the first calls n grows by so many hundredths of itself; 0: no n is left out.</summary>
    public int SkipPercent { get; init; }

    /// <summary>Failing calls so far.</summary>
    public long Struck { get; private set; }

    /// <summary>A script and a plan, with n from 0 on; null: no promise was broken.</summary>
    /// <param name="number">0 to <see cref="Count"/> - 1. Neighbours differ in the plan and in the script, so that any
    /// stretch of numbers is a mixture.</param>
    public TortureFailure? Run(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, Count);
        bool single = number < SingleCount;
        int scripts = single ? ScriptedWorkloads.SingleCount : ScriptedWorkloads.Count - ScriptedWorkloads.SingleCount;
        (int round, int script) = Math.DivRem(single ? number : number - SingleCount, scripts);
        FailPlan plan = FailPlan.All[(script + round) % FailPlan.All.Count];
        (string name, WorldSettings settings, WorldAction[] before, WorldAction[] explored) =
            ScriptedWorkloads.Get(single ? script : script + ScriptedWorkloads.SingleCount);
        counters.Workloads++;
        for (int n = 0; ; n += 1 + (n * SkipPercent / 100))
        {
            var attempt = new Attempt(settings, plan, n, CrashOneEventIn, counters);
            try
            {
                if (n > MostCalls)
                {
                    throw new TortureViolation("The operations never complete without meeting the fault.");
                }

                int struck = attempt.Run(before, explored);
                Struck += struck;
                if (struck == 0)
                {
                    return null;
                }
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                string[] script0 = [.. before.TakeLast(12).Select(action => $"before: {action}"),
                    .. explored.Select(action => action.ToString())];
                return new TortureFailure(number, $"{name}; {plan}, from call {n} on", e.Message, settings.ToString(),
                    script0, e);
            }
        }
    }

    /// <summary>One run. Keeps true: nothing fails before the explored part, nor after the healing.</summary>
    private sealed class Attempt(WorldSettings settings, FailPlan plan, int n, int crashOneEventIn,
        TortureCounters counters) : IWorldObserver
    {
        private CrashExplorer _explorer = null!;
        private Random _random = null!;
        private World _world = null!;
        private bool _armed;
        private int _calls;
        private int _crashes;
        private bool _healed;
        private int _struck;

        public int Run(WorldAction[] before, WorldAction[] explored)
        {
            _explorer = new CrashExplorer(Crashes, n, counters);
            _random = new Random(n);
            _world = new World(settings, this);
            _world.RunActions(before);
            SimulatedDisk disk = _world.Disk;
            SimulatedPmem region = _world.Region;
            _world.Healed = () => _healed = true;
            _world.ExpectFaults();
            _armed = true;
            if (plan.IsRegion)
            {
                region.BeforeMetadataRead = (_, _) => Strike(FailPoint.RegionRead);
            }
            else
            {
                disk.Plan(plan.ToFault(n));
            }

            _world.RunActions([.. explored, new WorldAction(ActionKind.Read)]);
            _world.Finish();
            return _struck + disk.Struck;
        }

        public void BeforeEvent(World world, WorldEvent what)
        {
            if (!_armed)
            {
                return;
            }

            bool lasts = _struck + world.Disk.Struck > 0 && what != WorldEvent.End;
            if (what == WorldEvent.End || (lasts && _crashes < MostCrashesWhileItLasts && crashOneEventIn > 0
                && _random.Next(crashOneEventIn) == 0))
            {
                _crashes++;
                _explorer.BeforeEvent(world, what);
            }

            if (what == WorldEvent.Drain)
            {
                Strike(FailPoint.RegionDrain);
            }
        }

        private void Strike(FailPoint point)
        {
            if (plan.Point != point || _healed || _calls++ < n || _struck >= plan.Times)
            {
                return;
            }

            _struck++;
            _world.ExpectFaults();
            throw new IOException($"Planned fault: {point}.");
        }
    }
}
