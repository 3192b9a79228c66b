using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Segments;

/// <content>
/// How a segment becomes free again. Keeps true: the head is clear and the raised generation durable before the
/// segment is in a pool.
/// </content>
internal sealed partial class SegmentTable
{
    /// <summary>A segment whose last reference went, to be given to <see cref="Reclaim"/>.</summary>
    public bool TakeUnreferenced(out int segment)
    {
        using (_poolLock.Hold())
        {
            if (!_unreferenced.TryDequeue(out segment))
            {
                return false;
            }

            return true;
        }
    }

    /// <summary>
    /// Gives an unreferenced payload segment back to the pools, its generation durably raised; one that can't be
    /// raised any more stays out of them. Returns whether the log's reserve got it.
    /// </summary>
    public bool Reclaim(int segment)
    {
        Invariant.Holds(References(segment) == 0, $"segment {segment} has no reference when it is reclaimed");
        Invariant.Holds(_uses[segment] == SegmentUse.Data, $"segment {segment} held payload when it is reclaimed");
        if (_generations[segment] == ulong.MaxValue)
        {
            return false;
        }

        try
        {
            RaiseGeneration(segment);
            ClearHead(segment);
        }
        catch
        {
            using (_poolLock.Hold())
            {
                _unreferenced.Enqueue(segment);
            }

            throw;
        }

        return GiveBack(segment);
    }

    /// <summary>
    /// Gives a log segment back that the durable key tail (both replicas) has left. Returns whether the log's reserve
    /// got it.
    /// </summary>
    public bool ReleaseLog(int segment)
    {
        Invariant.Holds(_uses[segment] == SegmentUse.Log, $"segment {segment} was log when the log gives it up");
        return GiveBack(segment);
    }

    /// <summary>After replaying: no free segment begins with a kset of an earlier use.</summary>
    public void ClearFreeHeads()
    {
        for (int segment = 0; segment < Count; segment++)
        {
            if (_uses[segment] == SegmentUse.Free)
            {
                ClearHead(segment);
            }
        }
    }

    /// <summary>
    /// What looks like a kset at the head of a free segment goes, durably: of an earlier use, or payload. Its number
    /// may come to be just behind this log's (a new start is random), and then it would look like what follows a
    /// destroyed end of the log.
    /// </summary>
    private void ClearHead(int segment)
    {
        Span<byte> head = stackalloc byte[MediaConstants.KsetHeaderSize];
        try
        {
            _region.ReadMetadata(DataOffset(segment), head);
        }
        catch (IOException)
        {
            return; // nothing can take it for a kset
        }

        if (MemoryMarshal.Read<KsetHeader>(head).Magic == MediaConstants.KsetMagic)
        {
            _region.WriteZeros(DataOffset(segment), head.Length);
            _region.FlushRange(DataOffset(segment), head.Length);
            _region.Drain();
        }
    }

    private bool GiveBack(int segment)
    {
        using (_poolLock.Hold())
        {
            Invariant.Holds(_uses[segment] != SegmentUse.Free, $"segment {segment} isn't given back twice");
            _uses[segment] = SegmentUse.Free;
            _usedCount--;
            if (_reserve.Count < _reserveTarget)
            {
                _reserve.Enqueue(segment);
                return true;
            }

            Invariant.Holds(_free.Count + _reserve.Count < Count, "the pools hold no more segments than there are");
            _free.Enqueue(segment);
            return false;
        }
    }

    /// <summary>
    /// Durably raises the generation of a free segment that an earlier life may have used; before its first use in
    /// this one.
    /// </summary>
    public void RaiseIfNeeded(int segment)
    {
        if (_raiseBeforeUse[segment])
        {
            RaiseGeneration(segment);
        }
    }

    /// <summary>
    /// Raises in memory first (readers must see it before any store into the segment), then durably in both replicas.
    /// </summary>
    private void RaiseGeneration(int segment)
    {
        ulong generation = _generations[segment] + 1;
        Invariant.Holds(generation >= _generations[segment], $"the generation of segment {segment} never wraps");
        Interlocked.Exchange(ref _generations[segment], generation);
        long offset = _geometry.SegmentOffset(_chain[segment]) + MediaConstants.SegmentControlOffset;
        for (int replica = 0; replica < 2; replica++)
        {
            var record = new GenerationRecord { Generation = generation };
            Replicas.Write(
                _region, offset, MediaConstants.GenerationStride, ref record, ref _generationReplicas[segment]);
        }

        _raiseBeforeUse[segment] = false;
    }
}
