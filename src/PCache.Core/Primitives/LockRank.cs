namespace PCache.Core.Primitives;

/// <summary>
/// The one order in which locks are taken: each only while none of its rank or of a later one is held by the thread.
/// docs/architecture.md says what each guards. The checked build enforces it (<c>LockOrder</c>).
/// </summary>
internal enum LockRank
{
    /// <summary>One maintenance step at a time. A backing that is a cache itself has a step of its own in it.</summary>
    Step,

    /// <summary>One change of the device's length, or of its settings, at a time.</summary>
    Length,

    /// <summary>Looking at what state the device is in, and telling it.</summary>
    State,

    /// <summary>Appending to the log.</summary>
    Append,

    /// <summary>The log segment that is made ready.</summary>
    NextSegment,

    /// <summary>A shard of the index and its pending keys.</summary>
    Shard,

    /// <summary>An open data segment.</summary>
    DataHead,

    /// <summary>The pools of segments.</summary>
    Pool,

    /// <summary>Everything that locks nothing more.</summary>
    Leaf,

    /// <summary>A region's or a backing's own: they know nothing of who calls.</summary>
    Medium,

    /// <summary>A moment's work for which it doesn't matter what else is held.</summary>
    Last,
}
