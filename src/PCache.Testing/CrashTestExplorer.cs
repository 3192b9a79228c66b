namespace PCache.Testing;

/// <summary>One moment at which a crash may come.</summary>
internal sealed record CrashMoment(
    CrashMachine Machine, int Point, string What, CrashTestLog Log, CrashMoment? Parent, CrashChoice? ParentChoice,
    CrashFault? Fault)
{
    /// <summary>Number of crashes if one comes here.</summary>
    public int Crashes => 1 + (Parent?.Crashes ?? 0);

    /// <summary>This moment and those before it, the workload's first.</summary>
    public IEnumerable<CrashMoment> Path => Parent is null ? [this] : Parent.Path.Append(this);
}

/// <summary>
/// Goes through the crashes of a test. Keeps true: nothing of the machine whose crash is tried changes; the first
/// failure ends the search, without throwing through the application; all choices come from the test's seed and from
/// the place where they are made.
/// </summary>
internal sealed partial class CrashTestExplorer(CrashTest test) : IDisposable
{
    private const int NestedStatesPerPoint = 4;
    private const int StatesAfterFault = 6;

    // by number of crashes: what the machine after that many crashes uses
    private readonly List<SimulatedPmem?> _regions = [];
    private CrashTestFailure? _failure;
    private Exception? _misfit;
    private double _nestedPointsPerState;
    private double _nestedPointsPerKill;
    private double _nestedPoints;
    private double _nestedKillPoints;
    private int _firstState;
    private int _points;
    private int _pointsTried;
    private long _states;
    private long _nestedStates;
    private long _verifications;
    private int _faults;

    public CrashTestResult Run()
    {
        var barriers = new List<int>();
        _points = Work(null, moment =>
        {
            if (CrashMachine.IsBarrier(moment.What))
            {
                barriers.Add(moment.Point);
            }
        }).Machine.Points;
        if (_failure is null)
        {
            HashSet<int> chosen = ChoosePoints(barriers);
            // One half for kills, as the next crash may take what a recovery has only read; the other half for all
            // other states.
            _nestedPointsPerKill = (double)test.MaxNestedStates / 2 / NestedStatesPerPoint / chosen.Count;
            _nestedPointsPerState = _nestedPointsPerKill / test.MaxStatesPerPoint;
            (CrashMachine machine, _) = Work(null, moment =>
            {
                if (chosen.Contains(moment.Point) && _failure is null)
                {
                    _pointsTried++;
                    Explore(moment, test.MaxStatesPerPoint);
                }
            });
            if (machine.Points != _points)
            {
                throw new InvalidOperationException(
                    $"The workload isn't deterministic: it had {_points} crash points, then {machine.Points}.");
            }
        }

        if (test.FailCalls)
        {
            TryFaults();
        }

        return Result();
    }

    public CrashTestResult Replay(CrashKey key)
    {
        bool reached = key.Steps.Count == 0;
        _ = Work(key.Fault, moment => Step(moment, 0));
        if (_misfit is not null || !reached)
        {
            throw new ArgumentException(
                $"The key '{key}' is that of another test: there is no such state.", nameof(key), _misfit);
        }

        return Result();

        void Step(CrashMoment moment, int step)
        {
            if (step == key.Steps.Count || moment.Point != key.Steps[step].Point || _failure is not null
                || _misfit is not null)
            {
                return;
            }

            try
            {
                var choice = CrashChoice.Parse(key.Steps[step].Choice, moment.Machine.OpenItems());
                bool isLast = step + 1 == key.Steps.Count;
                reached |= isLast;
                (Exception? error, _) = VerifyAfter(moment, choice, isLast ? null : nested => Step(nested, step + 1));
                if (isLast && error is not null)
                {
                    _failure = MakeFailure(moment, choice, error);
                }
            }
            catch (Exception e) when (e is FormatException or OverflowException)
            {
                _misfit = e;
            }
        }
    }

    /// <summary>Releases the regions; what was found stays valid.</summary>
    public void Dispose()
    {
        foreach (SimulatedPmem? region in _regions)
        {
            region?.Dispose();
        }
    }

    private static Exception? Caught(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    /// <summary>Runs the workload once, and verifies what it leaves when it ends well.</summary>
    private (CrashMachine Machine, bool HasFailed) Work(CrashFault? fault, Action<CrashMoment>? atMoment)
    {
        var machine = new CrashMachine(test);
        var log = new CrashTestLog([], machine.Trace.Add);
        machine.AtPoint = (point, what) =>
            atMoment?.Invoke(new CrashMoment(machine, point, what, log, null, null, fault));
        CrashDevice? device = null;
        Exception? error = Caught(() =>
        {
            if (test.Setup is not null)
            {
                machine.Prepare(setup => test.Setup(setup, log));
            }

            device = new CrashDevice(machine.Start(), machine, fault);
            test.Workload(device, log);
        });
        machine.End();
        if (machine.Violations.Count > 0)
        {
            error ??= new CrashTestException($"The device was misused: {machine.Violations[0]}.");
        }

        bool hasFailed = device?.HasFailed == true;
        if (error is not null && !hasFailed)
        {
            _failure ??= NoCrash(CrashTestFailureKind.Workload, error, machine, log, fault);
        }
        else if (_failure is null)
        {
            machine.Close();
            var end = new CrashMoment(machine, -1, CrashMachine.TheEnd, log, null, null, fault);
            (Exception? wrong, _) = VerifyAfter(end, CrashChoice.Kill, null);
            _failure = wrong is null ? null : NoCrash(CrashTestFailureKind.NoCrash, wrong, machine, log, fault);
        }

        machine.Release();
        return (machine, hasFailed);
    }

    /// <summary>Verifies what a crash leaves. Every moment of that is told to <paramref name="atMoment"/>.</summary>
    private (Exception? Error, int Points) VerifyAfter(
        CrashMoment moment, CrashChoice choice, Action<CrashMoment>? atMoment, bool settled = false)
    {
        _verifications++;
        CrashMachine machine = moment.Machine.After(choice, Region(moment.Crashes), settled);
        var log = new CrashTestLog(moment.Log.Entries, machine.Trace.Add);
        machine.AtPoint = (point, what) =>
            atMoment?.Invoke(new CrashMoment(machine, point, what, log, moment, choice, moment.Fault));
        Exception? error = Caught(() => test.Verify(new CrashDevice(machine.Start(), machine, null), log));
        machine.End();
        return (error, machine.Points);
    }

    private void Explore(CrashMoment moment, int mostStates)
    {
        if (_failure is not null)
        {
            return;
        }

        int seed = unchecked((test.Seed * 1_000_003) + (moment.Point * 7_919) + moment.Crashes);
        IReadOnlyList<CrashChoice> choices = CrashChoices.For(moment.Machine.OpenItems(), mostStates, new Random(seed));
        for (int i = 0; i < choices.Count && _failure is null; i++)
        {
            _firstState = moment.Parent is null ? i : _firstState;
            TryState(moment, choices[i]);
        }
    }

    private void TryState(CrashMoment moment, CrashChoice choice)
    {
        _states += moment.Parent is null ? 1 : 0;
        _nestedStates += moment.Parent is null ? 0 : 1;
        (Exception? error, int points) = VerifyAfter(moment, choice, null);
        if (error is not null)
        {
            (choice, error) = Shrink(moment, choice, error);
            _failure = MakeFailure(moment, choice, error);
            return;
        }

        HashSet<int> nested = moment.Crashes <= test.MaxNestedCrashes ? ChooseNested(moment, choice, points) : [];
        if (nested.Count > 0)
        {
            _ = VerifyAfter(moment, choice, inner =>
            {
                if (nested.Contains(inner.Point))
                {
                    Explore(inner, NestedStatesPerPoint);
                }
            });
        }
    }

    private void TryFaults()
    {
        _nestedPointsPerState = _nestedPointsPerKill = _nestedPoints = _nestedKillPoints = 0;
        for (int call = 0; _failure is null; call++)
        {
            foreach (CrashFaultKind kind in Enum.GetValues<CrashFaultKind>())
            {
                if (_failure is not null || _faults == test.MaxFaults)
                {
                    return;
                }

                (_, bool hasFailed) = Work(new CrashFault(call, kind), moment =>
                {
                    if (moment.What == CrashMachine.TheEnd)
                    {
                        Explore(moment, StatesAfterFault);
                    }
                });
                if (!hasFailed)
                {
                    return;
                }

                _faults++;
            }
        }
    }

    private SimulatedPmem? Region(int crashes)
    {
        while (_regions.Count < crashes)
        {
            _regions.Add(CrashMachine.MakePmem(test));
        }

        return _regions[crashes - 1];
    }
}
