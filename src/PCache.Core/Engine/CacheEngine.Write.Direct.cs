using PCache.Core.Diagnostics;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Segments;

namespace PCache.Core.Engine;

/// <summary>
/// The commonest write: whole sectors of one stripe, with nobody waiting for room. The same steps in the same order as in <see cref="TryWriteSome"/>, with
/// nothing in between and no structure built that is only copied on: room, payload stored and flushed and drained, then index and log under one hold of the
/// shard's lock. Keeps true: what it can't do it leaves undone, room given back, for the long way.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>Writes the first bytes of <paramref name="data"/> and returns how many; 0: go the long way. <paramref name="index"/>: this operation's cell.</summary>
    private int WriteDirectly(int index, long offset, ReadOnlySpan<byte> data)
    {
        int inStripe = (int)(offset & (StripeSize - 1));
        int length = data.Length;
        if (((inStripe | length) & (SectorSize - 1)) != 0
            || length > StripeSize - inStripe
            || !_space.MayTake(null, length)
            || _memory.IsFull
            || !_heads.TryTake(index, length, out PayloadRoom room))
        {
            return 0;
        }

        length = room.LengthBytes;
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        bool kept = false;
        try
        {
            uint crc = StorePayload(in room, data[..length]);

            // The stores take their time to get out, and entering the lock waits for them: so all that can be found out before is.
            PeekedPlace place = default;
            bool wholePage = length == Slot.PageSectors * SectorSize;
            bool peeked = (wholePage || length == SectorSize)
                && (inStripe & (length - 1)) == 0
                && shard.Stripes.TryPeekPlace(shard.Gate, stripe, inStripe / SectorSize, wholePage, out place)
                && _log.IsOpen(shard.Id)
                && offset + length <= Length;
            if (!peeked)
            {
                // Four slots are a line.
                for (int at = inStripe; at < inStripe + length; at += 4 * Slot.PageSectors * SectorSize)
                {
                    shard.Stripes.Prefetch(stripe, at / SectorSize);
                }
            }

            DrainPayload();
            kept = peeked && shard.Gate.TryEnterUnchanged(place.Version)
                ? Overwrite(shard, in place, stripe, offset, in room, crc)
                : Publish(offset, in room, crc, ExtentFlags.None) == WriteStep.Done;
        }
        finally
        {
            if (!kept)
            {
                _heads.Return(in room);
            }
        }

        if (!kept)
        {
            return 0;
        }

        _counters.Add(index, DeviceCounter.WrittenBytes, length);
        return length;
    }

    /// <summary>Publishes a page or a sector over what the index has, in the place that was found before, under the shard's lock, which is held and is left here.</summary>
    private bool Overwrite(IndexShard shard, in PeekedPlace place, long stripe, long offset, in PayloadRoom room, uint crc)
    {
        bool relieve;
        try
        {
            ulong generation = _segments.Generation(room.Segment);
            int sectors = room.LengthBytes / SectorSize;
            place.Set(Slot.PackWhole(sectors, crc, generation, (uint)room.Segment, (uint)room.Offset / SectorSize));
            ref CacheKey key = ref _log.NextKey(shard.Id, out relieve);
            key.Offset = (ulong)offset;
            key.Length = (uint)room.LengthBytes;
            key.Flags = 0;
            key.Segment = (uint)room.Segment;
            key.SegmentOffset = (uint)room.Offset;
            key.Generation = generation;
            key.PayloadCrc = crc;
            key.Reserved = 0;
            _dirty.Add(room.LengthBytes);
            int sector = (int)(offset & (StripeSize - 1)) / SectorSize;
            _discards.Rewritten(stripe, sector, sector + sectors);
        }
        finally
        {
            shard.Gate.Exit();
        }

        if (relieve)
        {
            _log.Relieve(shard.Id);
        }

        return true;
    }
}
