using PCache.Core.Diagnostics;
using PCache.Core.Indexing;

namespace PCache.Core.Engine;

/// <summary>
/// Discard. Advisory: whole sectors of the range that the backing has too are dropped from the cache now; the backing is told later, once everything
/// logged before the discard has been written back, and only of whole blocks that weren't rewritten since. Never waits, never fails for want of room.
/// </summary>
internal sealed partial class CacheEngine
{
    public void Discard(long offset, long length)
    {
        CheckRange(offset, length);
        int token = EnterWritable();
        try
        {
            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Discards, 1);
            long first = (offset + SectorSize - 1) / SectorSize;
            long end = Math.Min(offset + length, Length) / SectorSize;
            if (first >= end)
            {
                return;
            }

            var clean = default(CleanFilter);
            ForEachStripe(first, end, (shard, index, from, to) => index.RemoveWhere(from, to, ref clean));
            if (_backing.CanDiscard)
            {
                // Keys that are pending now get logged behind this distance at the latest; write-back has to have passed them.
                _log.AppendAll();
                _discards.Add(first, end, _positions.KeyHead.Distance);
            }
        }
        finally
        {
            _gate.Exit(token);
            _maintenance.NoteWork();
        }
    }

    /// <summary>Forwards one discard that the dirty tail has passed. Returns whether there was one.</summary>
    private bool ForwardDiscard()
    {
        if (!_discards.TryPeek(_positions.DirtyTail.Distance, out long first, out long end))
        {
            return false;
        }

        // Taken out of the queue stripe by stripe under the shard's lock: a write either is seen by the queue before, or comes after the index was cleared.
        long stripe = first * SectorSize >> ShardedIndex.StripeShift;
        end = Math.Min(end, (stripe + 1) * (StripeSize / SectorSize));
        IndexShard shard = _index.For(stripe);
        bool taken;
        using (shard.Gate.Hold())
        {
            taken = _discards.TryTake(first, end, out end);
            if (taken && shard.Stripes.Find(stripe) is { } index)
            {
                int start = (int)(first - (stripe * (StripeSize / SectorSize)));
                index.Remove(start, start + (int)(end - first));
                shard.Stripes.RemoveIfEmpty(stripe);
            }
        }

        if (taken)
        {
            // Writes that come now stay in the cache until write-back, which runs on this thread after this.
            TellBacking(first * SectorSize, end * SectorSize);
        }

        return true;
    }

    /// <summary>Tells the backing of the whole blocks of a range. That it can't discard them after all is no harm, and no failure of write-back.</summary>
    private void TellBacking(long from, long to)
    {
        long block = Math.Max(_backing.BlockSize, 1);
        from = (from + block - 1) & -block;
        to &= -block;
        if (from >= to)
        {
            return;
        }

        _writeback.Recent.Forget(from, to);
        if (!NoteDiscard(from, to))
        {
            return;
        }

        try
        {
            _backing.Discard(from, to - from);
        }
        catch (Exception e) when (e is IOException or NotSupportedException)
        {
            // Advisory: forgotten.
        }
    }

    /// <summary>Durably notes what the backing is about to be told, so that an open after a crash doesn't take its content for a wrong one. False: the medium fails, so it isn't told.</summary>
    private bool NoteDiscard(long from, long to)
    {
        try
        {
            using (_settingsLock.Hold())
            {
                _record?.Add(from, to);
            }

            return true;
        }
        catch (IOException)
        {
            return false; // advisory: forgotten
        }
    }

    private delegate void StripeAction(IndexShard shard, StripeIndex index, int fromSector, int toSector);

    /// <summary>Runs an action on each indexed stripe of a range of sectors, under its shard's lock.</summary>
    private void ForEachStripe(long firstSector, long endSector, StripeAction action)
    {
        const int SectorsPerStripe = StripeSize / SectorSize;
        long firstStripe = firstSector / SectorsPerStripe;
        long lastStripe = (endSector - 1) / SectorsPerStripe;
        foreach (IndexShard shard in _index.Shards)
        {
            using (shard.Gate.Hold())
            {
                // By what is cached, not by the range: a discard of a petabyte must not take a petabyte's time.
                List<long>? emptied = null;
                long cursor = 0;
                while (shard.Stripes.NextStripe(ref cursor, out long stripe, out StripeIndex index))
                {
                    if (stripe < firstStripe || stripe > lastStripe)
                    {
                        continue;
                    }

                    int from = (int)Math.Max(0, firstSector - (stripe * SectorsPerStripe));
                    int to = (int)Math.Min(SectorsPerStripe, endSector - (stripe * SectorsPerStripe));
                    action(shard, index, from, to);
                    if (index.IsEmpty)
                    {
                        (emptied ??= []).Add(stripe);
                    }
                }

                emptied?.ForEach(shard.Stripes.RemoveIfEmpty);
            }
        }
    }
}
