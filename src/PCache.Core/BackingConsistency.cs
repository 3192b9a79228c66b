namespace PCache.Core;

/// <summary>What the backing alone is worth while the cache holds dirty data (docs/durability.md).</summary>
public enum BackingConsistency
{
    /// <summary>
    /// The backing goes from flush to flush of the caller's: at any moment it holds what a disk could hold that lost
    /// power. Each flush costs, sooner or later, a group of writes and a flush of the backing.
    /// </summary>
    EachFlush = 0,

    /// <summary>
    /// The backing goes from one flush to a later one in one atomic step: backing and checkpoint journal together
    /// hold, at any moment, exactly what was there at a flush (see <see cref="PCacheBacking.Recover(string, string?,
    /// bool)"/>). Two flushes of storage for any number of the caller's, and what is written is merged; it is written
    /// twice.
    /// </summary>
    Checkpoint = 1,

    /// <summary>
    /// Dirty data is written merged and sorted over any number of flushes, with one flush of the backing: the backing
    /// alone is worth something only once it has been drained.
    /// </summary>
    WhenDrained = 2,
}

/// <summary>A flush of the caller's, or an FUA write.</summary>
/// <param name="Number">Number since the open, from 1, of those that had something to make durable; 0: the moment of
/// the open.</param>
/// <param name="Time">When it was; null: before the open.</param>
public readonly record struct FlushPoint(long Number, DateTimeOffset? Time);
