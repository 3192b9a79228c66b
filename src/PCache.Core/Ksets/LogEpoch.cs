using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// Which cut through all shards a key belongs to. Keeps true: it only grows; a key has the epoch that its writer read
/// under the shard's lock, so a write that began after another one had returned never has an older one; whoever
/// takes keys raises it first, under the log's append lock, and takes only keys of the epochs before. Read by every
/// write, and written once for each append: it has its cache line to itself.
/// </summary>
internal sealed class LogEpoch : CacheLinePadded
{
    private long _current = 1;

    /// <summary>The epoch of a key that is added now. Under a shard's lock.</summary>
    public long Current => Volatile.Read(ref _current);

    /// <summary>Begins the next epoch, and returns it. Under the log's append lock.</summary>
    public long Raise() => Interlocked.Increment(ref _current);
}
