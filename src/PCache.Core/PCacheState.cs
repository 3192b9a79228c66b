namespace PCache.Core;

/// <summary>A device's condition in one word; of several that apply, the one that stands last here.</summary>
public enum PCacheCondition
{
    /// <summary>Everything is on the backing.</summary>
    Clean = 0,

    /// <summary>There is data that the backing doesn't have yet: the ordinary condition of a cache in use.</summary>
    Dirty = 1,

    /// <summary>There is dirty data, and write-back doesn't get on: see <see cref="PCacheState.Stall"/>.</summary>
    WritebackStalled = 2,

    /// <summary>Something is damaged or doesn't work: see <see cref="PCacheState.Degradation"/>.</summary>
    Degraded = 3,
}

/// <summary>Why write-back doesn't get on.</summary>
public enum WritebackStall
{
    /// <summary>It does, or has nothing to do.</summary>
    None = 0,

    /// <summary>The caller has paused it.</summary>
    Paused = 1,

    /// <summary>The backing fails. It is tried again after 0.1 s, then twice as long each time, up to 30 s.</summary>
    BackingFailing = 2,

    /// <summary>The backing hasn't completed a single call for 30 s.</summary>
    BackingHanging = 3,

    /// <summary>The cache's medium fails: its own log can't be written.</summary>
    MediumFailing = 4,

    /// <summary>
    /// Part of the log can't be read any more, so what stands behind it can't be written back in order. Save what
    /// there is: docs/rescue.md.
    /// </summary>
    LogDamaged = 5,

    /// <summary>
    /// Damaged data has to be logged anew before anything behind it can leave the log, and the log has no room for
    /// it. Overwrite the damaged ranges, or give them up.
    /// </summary>
    LogFull = 6,
}

/// <summary>What is damaged or doesn't work; any number of them at once.</summary>
[Flags]
public enum Degradations
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>
    /// Dirty data doesn't fit its checksum (see <see cref="PCacheStatus.DamagedRanges"/>). Overwrite the ranges, or
    /// give them up.
    /// </summary>
    DamagedData = 1,

    /// <summary>Part of the log can't be read any more: write-back, garbage collection or both can't pass it.</summary>
    DamagedLog = 2,

    /// <summary>
    /// The last flush of the cache's medium failed: what was written since the one before may be lost in a crash.
    /// </summary>
    MediumFailing = 4,

    /// <summary>
    /// Read misses don't fill the cache for now: damaged data was given up, and what was logged before isn't written
    /// back yet.
    /// </summary>
    ReadsNotCached = 8,

    /// <summary>
    /// The backing was cut by another program, or is no longer the file under its name (see
    /// <see cref="PCacheStorageChangedException"/>): nothing is written back until it is whole again.
    /// </summary>
    BackingChanged = 16,

    /// <summary>
    /// The cache's own file was cut, or is no longer the one under its name: what is dirty is lost with the close,
    /// unless it is drained or the file is put back.
    /// </summary>
    CacheFileChanged = 32,
}

/// <summary>The state of a device at one moment, typed. Immutable.</summary>
/// <remarks>
/// Looked at after each step of the background work, on pause and resume, on failures, and a moment after damage was
/// met by a read; so a change shows at the latest when the next step has run: within
/// <see cref="PCacheOptions.KsetTimeout"/>, a second at most.
/// </remarks>
public sealed record PCacheState
{
    /// <summary>The state in one word.</summary>
    public required PCacheCondition Condition { get; init; }

    /// <summary>
    /// Whether the device was opened read-only: then nothing is written back, and nothing is stalled.
    /// </summary>
    public required bool IsReadOnly { get; init; }

    /// <summary>Why write-back (or, where nothing is dirty, garbage collection) doesn't get on.</summary>
    public required WritebackStall Stall { get; init; }

    /// <summary>
    /// Since when it hasn't, for whatever reason; null while <see cref="Stall"/> is
    /// <see cref="WritebackStall.None"/>. By <see cref="PCacheOptions.TimeProvider"/>, in UTC.
    /// </summary>
    public required DateTimeOffset? StalledSince { get; init; }

    /// <summary>What is damaged or doesn't work.</summary>
    public required Degradations Degradation { get; init; }

    /// <summary>
    /// Since when some of it was; null while there is none. By <see cref="PCacheOptions.TimeProvider"/>, in UTC.
    /// </summary>
    public required DateTimeOffset? DegradedSince { get; init; }

    /// <summary>The last error behind stall or degradation; null if there is none, or no exception behind it.</summary>
    public required Exception? Error { get; init; }

    /// <summary>The state in a sentence or two, for people.</summary>
    public override string ToString()
    {
        string text = Condition switch
        {
            PCacheCondition.Clean => "clean",
            PCacheCondition.Dirty => "dirty",
            PCacheCondition.WritebackStalled => $"write-back stalled ({Stall}) since {StalledSince:u}",
            _ => $"degraded ({Degradation}) since {DegradedSince:u}",
        };
        text += Condition == PCacheCondition.Degraded && Stall != WritebackStall.None
            ? $"; write-back stalled ({Stall}) since {StalledSince:u}"
            : string.Empty;
        text += IsReadOnly ? ", read-only" : string.Empty;
        return Error is null ? text : $"{text}: {Error.Message}";
    }

    /// <summary>Whether this state differs from another in anything but times and the text of errors.</summary>
    /// <param name="other">The other; null differs from every state.</param>
    internal bool DiffersFrom(PCacheState? other) =>
        other is null || Condition != other.Condition || Stall != other.Stall || Degradation != other.Degradation
            || IsReadOnly != other.IsReadOnly;
}

/// <summary>What <c>PCacheDevice.StateChanged</c> tells.</summary>
/// <param name="previous">The state that was told of before.</param>
/// <param name="current">The state now.</param>
public sealed class PCacheStateChangedEventArgs(PCacheState previous, PCacheState current) : EventArgs
{
    /// <summary>
    /// The state that was told of before (or that the open found). States in between that didn't last until it was
    /// this handler's turn are left out.
    /// </summary>
    public PCacheState Previous { get; } = previous;

    /// <summary>The state now.</summary>
    public PCacheState Current { get; } = current;
}
