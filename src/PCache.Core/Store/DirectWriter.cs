using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>
/// The commonest write: whole sectors of one stripe, with no writer waiting for room. The same steps in the same
/// order as in <see cref="PieceWriter"/>, with nothing in between and no structure built that is only copied on:
/// room, payload stored and flushed and drained, then index and log under one hold of the shard's lock. Keeps true:
/// what it can't do it leaves undone, room given back, for the long way. Allocates nothing. Any thread.
/// </summary>
internal sealed class DirectWriter
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    private readonly ExtentStore _store;
    private readonly ExtentWriter _writer;
    private readonly ShardedIndex _index;
    private readonly SegmentTable _segments;
    private readonly IndexMemory _memory;
    private readonly DataHeads _heads;
    private readonly LogWriter _log;
    private readonly DirtyCounters _dirty;
    private readonly DiscardQueue _discards;
    private readonly CounterSet _counters;

    public DirectWriter(ExtentStore store, ExtentWriter writer)
    {
        _store = store;
        _writer = writer;
        _index = store.Index;
        _segments = store.Segments;
        _memory = store.Memory;
        _heads = writer.Heads;
        _log = writer.Log;
        _dirty = store.Dirty;
        _discards = writer.Discards;
        _counters = store.Counters;
    }

    /// <summary>Whether a write is of the kind that this can do: whole sectors of one stripe.</summary>
    public static bool Fits(long offset, int length)
    {
        int inStripe = (int)(offset & (StripeSize - 1));
        return ((inStripe | length) & (SectorSize - 1)) == 0 && length <= StripeSize - inStripe;
    }

    /// <summary>Writes the first bytes of <paramref name="data"/> and returns how many; 0: go the long way.</summary>
    /// <param name="index">The operation's cell.</param>
    /// <param name="offset">Device offset.</param>
    /// <param name="data">What <see cref="Fits"/> has said yes to.</param>
    public int Write(int index, long offset, ReadOnlySpan<byte> data)
    {
        if (_memory.IsFull || !_heads.TryTake(index, data.Length, out PayloadRoom room))
        {
            return 0;
        }

        int length = room.LengthBytes;
        int inStripe = (int)(offset & (StripeSize - 1));
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        bool kept = false;
        try
        {
            uint crc = _writer.StorePayload(in room, data[..length]);

            // The stores take their time to get out, and entering the lock waits for them: so all that can be found
            // out before is.
            PeekedPlace place = default;
            bool wholePage = length == Slot.PageSectors * SectorSize;
            bool peeked = (wholePage || length == SectorSize)
                && (inStripe & (length - 1)) == 0
                && shard.Stripes.TryPeekPlace(shard.Gate, stripe, inStripe / SectorSize, wholePage, out place)
                && _log.IsOpen(shard.Id)
                && offset + length <= _store.Length;
            if (!peeked)
            {
                // Four slots are a line.
                for (int at = inStripe; at < inStripe + length; at += 4 * Slot.PageSectors * SectorSize)
                {
                    shard.Stripes.Prefetch(stripe, at / SectorSize);
                }
            }

            _writer.DrainPayload();
            kept = peeked && shard.Gate.TryEnterUnchanged(place.Version)
                ? Overwrite(shard, in place, stripe, offset, in room, crc)
                : _writer.TryPublish(offset, in room, crc, ExtentFlags.None);
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

    /// <summary>
    /// Publishes a page or a sector over what the index has, in the place that was found before, under the shard's
    /// lock, which is held and is left here.
    /// </summary>
    private bool Overwrite(
        IndexShard shard, in PeekedPlace place, long stripe, long offset, in PayloadRoom room, uint crc)
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
