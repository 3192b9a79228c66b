namespace PCache.Testing;

/// <content> Which kind of mistake a failure is, in words. Keeps true: what is said was tried (a state beside the
/// failing one passes) or follows from the state alone; where neither tells, the words say only what was done.
/// </content>
internal sealed partial class CrashTestExplorer
{
    private const int StatesOfExperiment = 6;

    private const string NotDurable =
        "Acted on data that was readable but not durable: flush at open first. After the kill, what the killed process "
        + "had written and not flushed could be read; the open relied on it or promised "
        + "it, and the power cut then took it away. With a flush before anything is done with what is read, this state "
        + "is sound.";

    private const string Nothing =
        "Stopped between two calls: nothing that was written is missing, but not everything had been written yet. What "
        + "belongs together takes more than one call; the open has to recognise the state "
        + "in between and finish it or take it back, or one call (a sector, a commit record) has to switch from old to "
        + "new.";

    private const string AllLost =
        "Counted as done before it was durable: of what wasn't flushed, nothing is left, and that alone makes it fail. "
        + "A flush is missing before the promise, or before what relies on it.";

    private const string SomeLost =
        "Relied on an order, or on all or nothing, without a flush in between: of what was written since the last "
        + "flush, some is there and some isn't, and a disk keeps it in any order. Flush between the "
        + "two, or let the open recognise the incomplete one (by a checksum, say).";

    private const string NoCrashAtAll = "No crash is needed: the verification fails on what a workload leaves that "
        + "ended well, or both don't agree about what is promised.";

    private const string OwnFault = "No crash is needed: the workload itself throws, or breaks a rule of the device.";

    /// <summary>Of a failure without any crash.</summary>
    private static string Explain(CrashTestFailureKind kind, CrashFault? fault) =>
        fault is not null && kind == CrashTestFailureKind.NoCrash ? AfterFault(fault) + " No crash is needed for it."
            : kind == CrashTestFailureKind.Workload ? OwnFault
            : NoCrashAtAll;

    /// <summary>Of a failure after a crash.</summary>
    private string Explain(CrashMoment moment, CrashChoice choice)
    {
        string text = ReliedOnWhatAKillLeft(moment, choice) ? NotDurable
            : choice.IsKill || choice.Lost == 0 ? Nothing
            : choice.Kept == 0 ? AllLost
            : SomeLost;
        text += moment.Parent is null ? "" : $" It happens when the "
            + $"{(moment.Crashes == 2 ? "recovery" : "recovery of a recovery")} is interrupted in its turn.";
        return moment.Fault is { } fault ? $"{AfterFault(fault)} {text}" : text;
    }

    private static string AfterFault(CrashFault fault) =>
        $"Went on after a call of the device had failed (call {fault.Call}, made to fail with {Effect(fault.Kind)}), "
        + $"and counted on it.";

    private static string Effect(CrashFaultKind kind) => kind switch
    {
        CrashFaultKind.Before => "no effect",
        CrashFaultKind.Half => "half of its effect",
        _ => "all of its effect",
    };

    /// <summary>Whether the same moment after the same kill is sound once all that the kill left is durable.</summary>
    private bool ReliedOnWhatAKillLeft(CrashMoment moment, CrashChoice choice)
    {
        if (choice.IsKill || moment is not { Parent: { } killed, ParentChoice.IsKill: true })
        {
            return false;
        }

        // A power cut in place of the kill that fails too says more: then it isn't the kill that matters.
        if (CrashChoices.For(killed.Machine.OpenItems(), StatesOfExperiment, new Random(test.Seed)).Any(
            state => !state.IsKill && VerifyAfter(killed, state, null).Error is not null))
        {
            return false;
        }

        bool reached = false;
        bool sound = true;
        _ = VerifyAfter(
            killed,
            CrashChoice.Kill,
            again =>
            {
                if (again.Point == moment.Point && again.What == moment.What && !reached)
                {
                    reached = true;
                    IReadOnlyList<CrashChoice> choices = CrashChoices.For(
                        again.Machine.OpenItems(), StatesOfExperiment, new Random(test.Seed));
                    sound = choices.All(state => state.IsKill || VerifyAfter(again, state, null).Error is null);
                }
            },
            settled: true);
        return reached && sound;
    }
}
