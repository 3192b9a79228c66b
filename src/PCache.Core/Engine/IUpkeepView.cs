using PCache.Core.Ksets;

namespace PCache.Core.Engine;

/// <summary>What state, status and meter tell of the half that only a writable device has. Any thread.</summary>
internal interface IUpkeepView
{
    /// <summary>Whether write-back runs for explicit drains only, or not at all.</summary>
    bool IsPaused { get; }

    /// <summary>The last failure of the maintenance; null: what failed has succeeded since.</summary>
    Exception? Error { get; }

    /// <summary>Failures since the last success.</summary>
    int Failures { get; }

    /// <summary>A part of the log that couldn't be read; null: there is none.</summary>
    Exception? LogDamage { get; }

    /// <summary>Why the last flush of the medium failed; null: it didn't.</summary>
    Exception? MediumError { get; }

    /// <summary>Whether reads don't fill the cache although they are meant to.</summary>
    bool ReadsAreNotCached { get; }

    /// <summary>Keys that aren't logged yet.</summary>
    int PendingKeys { get; }

    /// <summary>How large a batch may be that is written as a whole.</summary>
    AtomicLimits AtomicLimits { get; }

    /// <summary>Bytes written to the backing.</summary>
    long WrittenBytes { get; }

    /// <summary>Segments given back.</summary>
    long SegmentsReclaimed { get; }

    /// <summary>How consistent the backing is kept.</summary>
    BackingConsistency Consistency { get; }

    /// <summary>Where the checkpoint journal stands; null: there is no place for one.</summary>
    string? JournalName { get; }

    /// <summary>The last flush.</summary>
    FlushMark LastFlush { get; }

    /// <summary>The last flush that the backing is known to hold.</summary>
    FlushMark FlushOnBacking { get; }

    /// <summary>Why write-back doesn't get on, given whether there is anything dirty.</summary>
    WritebackStall Stall(bool dirty, out Exception? error);
}

/// <summary>A read-only device: nothing is under way in it.</summary>
internal sealed class NoUpkeep : IUpkeepView
{
    /// <inheritdoc/>
    public bool IsPaused => true;

    /// <inheritdoc/>
    public Exception? Error => null;

    /// <inheritdoc/>
    public int Failures => 0;

    /// <inheritdoc/>
    public Exception? LogDamage => null;

    /// <inheritdoc/>
    public Exception? MediumError => null;

    /// <inheritdoc/>
    public bool ReadsAreNotCached => false;

    /// <inheritdoc/>
    public int PendingKeys => 0;

    /// <inheritdoc/>
    public AtomicLimits AtomicLimits => default;

    /// <inheritdoc/>
    public long WrittenBytes => 0;

    /// <inheritdoc/>
    public long SegmentsReclaimed => 0;

    /// <inheritdoc/>
    public BackingConsistency Consistency => BackingConsistency.EachFlush;

    /// <inheritdoc/>
    public string? JournalName => null;

    /// <inheritdoc/>
    public FlushMark LastFlush => default;

    /// <inheritdoc/>
    public FlushMark FlushOnBacking => default;

    /// <inheritdoc/>
    public WritebackStall Stall(bool dirty, out Exception? error)
    {
        error = null;
        return WritebackStall.None;
    }
}
