using PCache.Core;
using PCache.Core.Checked;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Lab.Audits;

namespace PCache.Lab.Torture;

/// <summary>Sees every moment at which a simulated machine could stop.</summary>
internal interface IWorldObserver
{
    /// <summary>Something is about to happen to region or disk; what has happened so far is what a crash now would leave.</summary>
    void BeforeEvent(World world, WorldEvent what);
}

/// <summary>What is about to happen.</summary>
internal enum WorldEvent
{
    /// <summary>A store to the region.</summary>
    Store,

    /// <summary>A drain of the region: all that was stored since the last one is still open.</summary>
    Drain,

    /// <summary>A call of the backing.</summary>
    Disk,

    /// <summary>Nothing: the workload's end.</summary>
    End,
}

/// <summary>
/// A simulated machine with one cache: region, backing, clock, device, and the oracle that knows what they may hold. Keeps true: one thread and no source of
/// chance but the settings' seed, so the same script makes the same run; the oracle is told of a write before it is made and of a flush after it returned; a
/// crash loses exactly what the fault model allows.
/// </summary>
internal sealed partial class World
{
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(1);

    private readonly WorldSettings _settings;
    private readonly IWorldObserver? _observer;
    private readonly TortureWatch? _watch;
    private readonly Random _crashes;
    private readonly VirtualClock _clock = new();
    private bool _hooked;
    private bool _observing;
    private TortureViolation? _found;
    private long _writeId;
    private bool _forcedBarriers;

    public World(WorldSettings settings, IWorldObserver? observer = null, TortureWatch? watch = null)
    {
        _settings = settings;
        _observer = observer;
        _watch = watch;
        _crashes = new Random(settings.Seed ^ 0x5CA1AB1E);
        Oracle = new CrashOracle(Universe, settings.Length);
        Options = settings.Options(_clock);
        Region = SimulatedPmem.Allocate(settings.RegionBytes, settings.DrainIsCheap);
        Disk = settings.MakeDisk(_clock);
        if (settings.Aged)
        {
            Age();
        }

        Hook();
        Device = PCacheDevice.Create(Region, Disk, WorldSettings.InFrontOf(Disk, Options));
        IsFormatted = true;
    }

    public WorldSettings Settings => _settings;

    public static Universe Universe { get; } = WorldSettings.Universe;

    public CrashOracle Oracle { get; }

    public PCacheOptions Options { get; }

    public SimulatedPmem Region { get; private set; }

    public SimulatedDisk Disk { get; private set; }

    /// <summary>The cache.</summary>
    public PCacheDevice Device { get; private set; }

    /// <summary>Whether the format has been completed: before, a crash may leave something that isn't a cache yet.</summary>
    public bool IsFormatted { get; private set; }

    /// <summary>What was done so far, for messages.</summary>
    public string Now { get; private set; } = "create";

    /// <summary>Number of the action being done.</summary>
    public int ActionNumber { get; private set; }

    /// <summary>Called when an action begins; null: nothing.</summary>
    public Action<World>? ActionBegins { get; init; }

    /// <summary>Called when the faults end: an action has reported one, or the run is over.</summary>
    public Action? Healed { get; set; }

    /// <summary>Crashes after which the run went on.</summary>
    public int Crashes { get; private set; }

    /// <summary>Whether write-back has ended a group itself, without a flush of the script's.</summary>
    public bool HasForcedBarriers => _forcedBarriers |= Device?.Internals is { CanWrite: true } engine && engine.Writable.ForcedBarriers > 0;

    /// <summary>Runs a script, then the final checks.</summary>
    /// <exception cref="TortureViolation">A promise was broken.</exception>
    public void Run(IReadOnlyList<WorldAction> script)
    {
        try
        {
            RunActions(script);
            Finish();
        }
        catch when (_found is not null)
        {
            // What follows from it says less than it does.
        }

        ThrowFound();
    }

    /// <summary>Runs a script, and leaves the machine running.</summary>
    /// <exception cref="TortureViolation">A promise was broken.</exception>
    public void RunActions(IReadOnlyList<WorldAction> script)
    {
        for (int i = 0; i < script.Count; i++)
        {
            ActionNumber = i;
            if (script[i].Kind == ActionKind.Within && i + 1 < script.Count)
            {
                _within.Add(new Later(script[i].Length, script[++i]));
                continue;
            }

            Now = script[i].ToString();
            _watch?.Begin($"action {i} ({Now})");
            ActionBegins?.Invoke(this);
            Do(script[i]);
            ThrowFound();
        }
    }

    /// <summary>Calls may fail from here on, because a test makes them fail: an action may report it, and is settled.</summary>
    public void ExpectFaults() => _faulted = true;

    /// <summary>The end: everything is there, can be drained, collected, checked, and stands on the backing alone.</summary>
    public void Finish()
    {
        Now = "the final check";
        _watch?.Begin(Now);
        _within.Clear();
        Heal();
        _cutAt = _drainFailsAt = 0;
        Device.ResumeWriteback();
        Observe(WorldEvent.End);
        Quietly(Oracle.CheckCurrent);
        Device.Drain();
        Oracle.CheckDrained(Disk.AfterPowerCut(null));
        CheckNoJournal();
        Quietly(Oracle.CheckCurrent);
        if (!Device.GetStatus().IsClean)
        {
            throw new TortureViolation("The device isn't clean after a drain.");
        }

        // What a failed store has left visible and the device doesn't count yet, its next try settles: maintenance comes to rest first.
        _clock.Advance(LongestRetry);
        for (int i = 0; Device.RunMaintenanceStep() == TimeSpan.Zero; i++)
        {
            if (i > 100_000)
            {
                throw new TortureViolation("Maintenance never comes to rest.");
            }
        }

        SegmentTable segments = Device.Internals.Store.Segments;
        int named = 1 + Enumerable.Range(0, segments.Count).Count(i => segments.References(i) > 0);
        if (segments.UsedCount < named)
        {
            throw new TortureViolation($"{segments.UsedCount} segments count as used, and log and payload are in {named}.");
        }

        StateChecks.Sound(Region);
        try
        {
            IntegrityAudit.Check(Device, Region);
        }
        catch (IntegrityException e)
        {
            throw new TortureViolation("At rest: " + e.Message, e);
        }

        if (Disk.Violations.Count > 0)
        {
            throw new TortureViolation($"The backing was used wrongly: {Disk.Violations[0]}.");
        }

        Unhook();
        Device.Dispose();
    }

    /// <summary>Beside a drained backing stands no journal, not even one that is done with.</summary>
    private void CheckNoJournal()
    {
        SimulatedDisk left = Disk.AfterPowerCut(null);
        if (left.Companion is { } journal && PCacheBacking.Recover(left, journal).Outcome != JournalOutcome.NoJournal)
        {
            throw new TortureViolation("A drained backing has a journal beside it.");
        }
    }

    private void Heal()
    {
        Disk.Heal();
        Disk.Companion?.Heal();
        Healed?.Invoke();
    }

    /// <summary>What an observer has found, be it in the middle of a maintenance step, which keeps failures to itself.</summary>
    private void ThrowFound()
    {
        if (_found is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_found);
        }

        if (Invariant.TakeBroken() is { } broken)
        {
            throw new TortureViolation(broken.Message, broken);
        }
    }

    private void Hook()
    {
        _hooked = true;
        Region.BeforeEvent = e =>
        {
            _watch?.Event();
            if (e != PmemEvent.Flush)
            {
                Observe(e == PmemEvent.Drain ? WorldEvent.Drain : WorldEvent.Store);
            }

            if (e == PmemEvent.Drain && _drainFailsAt > 0 && _left is null && --_drainFailsAt == 0)
            {
                _faulted = true; // a fault settled before it may have ended the expectation
                throw new IOException("Planned fault: a drain.");
            }
        };
        Disk.BeforeCall = _ => ObserveDisk();
        if (Disk.Companion is { } journal)
        {
            journal.BeforeCall = _ => ObserveDisk();
        }

        Mutation.Between = _settings.NestsOverlaps ? RunWithin : null;
    }

    private void ObserveDisk()
    {
        _watch?.Event();
        Observe(WorldEvent.Disk);
        RunWithin();
    }

    private void Unhook()
    {
        _hooked = false;
        Region.BeforeEvent = null;
        Disk.BeforeCall = null;
        if (Disk.Companion is { } journal)
        {
            journal.BeforeCall = null;
        }

        Mutation.Between = null;
    }

    private void Observe(WorldEvent what)
    {
        if (!_hooked || _observing)
        {
            return;
        }

        _observing = true;
        try
        {
            try
            {
                _observer?.BeforeEvent(this, what);
            }
            catch (TortureViolation e)
            {
                _found ??= e; // maintenance takes it for a failing step and goes on
                throw;
            }

            MayCrash();
        }
        finally
        {
            _observing = false;
        }
    }
}
