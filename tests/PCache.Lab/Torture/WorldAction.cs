namespace PCache.Lab.Torture;

/// <summary>What a step of a workload does.</summary>
internal enum ActionKind
{
    /// <summary>Writes.</summary>
    Write,

    /// <summary>Writes with FUA.</summary>
    Force,

    /// <summary>Writes zeros.</summary>
    Zeroes,

    /// <summary>Discards whole sectors.</summary>
    Discard,

    /// <summary>Flushes.</summary>
    Flush,

    /// <summary>Reads everything and compares.</summary>
    Read,

    /// <summary>Runs some maintenance steps: as many as the length says, with the waits between them.</summary>
    Maintain,

    /// <summary>Moves the clock by as many milliseconds as the length says.</summary>
    Wait,

    /// <summary>Writes everything back.</summary>
    Drain,

    /// <summary>Closes in good order and opens again; length 1: draining on close.</summary>
    Reopen,

    /// <summary>Sets the device's length to the offset.</summary>
    SetLength,

    /// <summary>Pauses write-back, or resumes it.</summary>
    Pause,

    /// <summary>
    /// The power goes at the n-th store, drain or backing call from here on (the length says which), and the run goes
    /// on with what is left.
    /// </summary>
    PowerCut,

    /// <summary>Likewise, but the process is killed.</summary>
    Kill,

    /// <summary>
    /// The n-th backing call from here on fails (the length says which); how and how often, the offset says.
    /// </summary>
    Fault,

    /// <summary>
    /// The next action is done in the middle of the n-th backing call from here on: the length says which.
    /// </summary>
    Within,

    /// <summary>Fills the log's segment, unobserved, up to as many bytes before its end as the length says.</summary>
    FillLog,

    /// <summary>Writes 8 KiB as often as the length says, unobserved.</summary>
    Churn,

    /// <summary>Takes small keys until the log has no room for more, unobserved, and makes room again.</summary>
    FillKeys,

    /// <summary>The n-th drain of the region from here on fails (the length says which).</summary>
    DrainFault,

    /// <summary>
    /// Drains and closes; segments are given to another writer, whose keys the log still names; opens again.
    /// </summary>
    GiveAway,
}

/// <summary>One step of a workload: plain numbers, so that a script can be printed, cut down and replayed.</summary>
internal readonly record struct WorldAction(ActionKind Kind, long Offset = 0, int Length = 0)
{
    public bool IsWrite => Kind is ActionKind.Write or ActionKind.Force or ActionKind.Zeroes or ActionKind.Discard;

    public override string ToString() => Kind switch
    {
        ActionKind.Flush or ActionKind.Read or ActionKind.Drain or ActionKind.Pause or ActionKind.FillKeys
            or ActionKind.GiveAway => $"{Kind}",
        ActionKind.SetLength => $"{Kind} {Offset}",
        ActionKind.Maintain or ActionKind.Wait or ActionKind.Reopen or ActionKind.PowerCut or ActionKind.Kill
            or ActionKind.Within or ActionKind.FillLog or ActionKind.Churn or ActionKind.DrainFault =>
            $"{Kind} {Length}",
        _ => $"{Kind} {Offset}+{Length}",
    };
}
