namespace PCache.Testing;

/// <content>What is told of a search. Keeps true: a failure's key names its state by nothing but the target, the
/// failing call, and the crashes.</content>
internal sealed partial class CrashTestExplorer
{
    private CrashTestResult Result() => new()
    {
        CrashPoints = _points,
        CrashPointsTried = _pointsTried,
        States = _states,
        NestedStates = _nestedStates,
        Verifications = _verifications,
        Faults = _faults,
        Failure = _failure,
    };

    private CrashTestFailure NoCrash(
        CrashTestFailureKind kind, Exception error, CrashMachine machine, CrashTestLog log, CrashFault? fault) => new()
        {
            Kind = kind,
            Key = new CrashKey(test.Target, fault, []).ToString(),
            Explanation = Explain(kind, fault),
            Exception = error,
            Seed = test.Seed,
            Trace = machine.Trace.Lines,
            Log = log.Entries,
        };

    private CrashTestFailure MakeFailure(CrashMoment moment, CrashChoice choice, Exception error)
    {
        CrashMoment[] path = [.. moment.Path];
        CrashChoice[] choices = [.. path.Skip(1).Select(step => step.ParentChoice!), choice];
        return new CrashTestFailure
        {
            Kind = choice.IsKill ? CrashTestFailureKind.Kill : CrashTestFailureKind.PowerCut,
            Key = new CrashKey(test.Target, moment.Fault,
                [.. path.Zip(choices, (step, left) => new CrashStep(step.Point, left.ToString()))]).ToString(),
            Explanation = Explain(moment, choice),
            Exception = error,
            Seed = test.Seed,
            CrashPoint = path[0].Point,
            StateNumber = _firstState,
            Crashes = path.Length,
            Where =
            [
                .. path.Select((step, i) =>
                    $"{(i == 0 ? "in the workload" : "in the verification after that")}, point {step.Point}: "
                    + $"{(step.What == CrashMachine.TheEnd ? "at its end" : "before " + step.What)}"
                    + $"{(i < path.Length - 1 ? $"; left: {choices[i]}" : "")}"),
            ],
            State = moment.Machine.Describe(choice),
            Trace = [.. path.SelectMany((step, i) => step.Machine.Trace.Lines.Append(Mark(step, choices[i])))],
            Log = moment.Log.Entries,
        };
    }

    private static string Mark(CrashMoment moment, CrashChoice choice) =>
        $"-- {(choice.IsKill ? "killed" : "power cut")}"
        + $"{(moment.What == CrashMachine.TheEnd ? "" : " before " + moment.What)} --";
}
