using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Core.Engine;

/// <summary>
/// The durable list of what the backing was told to discard. Keeps true: a range is durable in it before the backing is told; adding what it covers costs nothing. One caller at a time.
/// </summary>
internal sealed class DiscardRecord(PmemRegion region, BackingRecord record, ReplicaState replicas)
{
    private BackingRecord _record = record;
    private ReplicaState _replicas = replicas;

    /// <summary>Durably adds a range, in bytes.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void Add(long from, long end)
    {
        BackingRecord next = _record;
        if (next.Discard(from, end))
        {
            BackingRecord.Write(region, ref next, ref _replicas);
            _record = next;
        }
    }
}
