using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Segments;
using PCache.Core.Writeback;

namespace PCache.Core.Engine;

/// <summary>
/// One piece of a write: at most a stripe, a segment's rest, or a part of one sector. Keeps true: room for payload and for the key is there before
/// anything changes, so nothing has to be undone; payload is stored, flushed and (where that is cheap) durable before the index names it; a partial sector
/// is merged under the shard's lock, with what the index has or with what a miss read and nobody wrote since.
/// </summary>
internal sealed partial class CacheEngine
{
    private enum WriteStep
    {
        /// <summary>Some bytes were written.</summary>
        Done,

        /// <summary>There is no room now.</summary>
        NoRoom,

        /// <summary>The rest of a partial sector has to be read from the backing first.</summary>
        Miss,

        /// <summary>The device became shorter meanwhile; clip and try again.</summary>
        Again,
    }

    /// <summary>Writes the first piece of <paramref name="data"/>, if that can be done now.</summary>
    private WriteStep TryWriteSome(long offset, ReadOnlySpan<byte> data, bool zeros, SpaceWaiter? turn, MissOperation? merge, out int written)
    {
        written = 0;
        int inSector = (int)(offset & (SectorSize - 1));
        bool partial = inSector != 0 || data.Length < SectorSize;
        int wanted = partial
            ? SectorSize
            : Math.Min(data.Length & -SectorSize, StripeSize - (int)(offset & (StripeSize - 1)));
        if (!_space.MayTake(turn, wanted) || !TryTakeRoom(wanted, zeros && !partial, out PayloadRoom room))
        {
            return WriteStep.NoRoom;
        }

        bool kept = false;
        try
        {
            WriteStep step;
            if (partial)
            {
                int length = Math.Min(data.Length, SectorSize - inSector);
                step = StorePartial(offset, inSector, data[..length], in room, merge);
                written = step == WriteStep.Done ? length : 0;
            }
            else
            {
                step = zeros
                    ? Publish(offset, in room, _payloadCrc ? _heads.ZeroPayloadCrcs[room.LengthBytes] : 0, ExtentFlags.Shared)
                    : StoreAndPublish(offset, in room, data[..room.LengthBytes]);
                written = step == WriteStep.Done ? room.LengthBytes : 0;
            }

            kept = step == WriteStep.Done;
            return step;
        }
        finally
        {
            if (!kept)
            {
                _heads.Return(in room);
            }
        }
    }

    /// <summary>Room for one key, in the log and in memory, and for its payload: all or nothing.</summary>
    private bool TryTakeRoom(int wantedBytes, bool zeros, out PayloadRoom room)
    {
        if (_memory.IsFull)
        {
            room = default;
            return false;
        }

        return zeros ? _heads.TryTakeZeros(wantedBytes, out room) : _heads.TryTake(wantedBytes, out room);
    }

    /// <summary>Stores payload and flushes it; durable after <see cref="DrainPayload"/> where that is cheap, else with the kset that names it. Returns its checksum.</summary>
    private uint StorePayload(in PayloadRoom room, ReadOnlySpan<byte> data)
    {
        long address = _segments.DataOffset(room.Segment) + room.Offset;
        uint crc = 0;
        if (_payloadCrc)
        {
            crc = _region.WriteWithCrc(address, data, Primitives.Crc32C.FormatSeed);
        }
        else
        {
            _region.Write(address, data);
        }

        _region.FlushRange(address, data.Length);
        return crc;
    }

    /// <summary>Waits until the payload that this thread has stored is durable, where that is cheap.</summary>
    private void DrainPayload()
    {
        if (_drainIsCheap)
        {
            _region.Drain();
        }
    }

    private WriteStep StoreAndPublish(long offset, in PayloadRoom room, ReadOnlySpan<byte> data)
    {
        uint crc = StorePayload(in room, data);
        _index.Prefetch(offset >> ShardedIndex.StripeShift, (int)(offset & (StripeSize - 1)) / SectorSize); // comes while the stores go out
        DrainPayload();
        return Publish(offset, in room, crc, ExtentFlags.None);
    }

    /// <summary>Puts stored payload into the index and its key into the log's pending list.</summary>
    private WriteStep Publish(long offset, in PayloadRoom room, uint crc, ExtentFlags flags)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        bool relieve;
        using (shard.Gate.Hold())
        {
            if (offset + room.LengthBytes > Length)
            {
                return WriteStep.Again;
            }

            relieve = PublishLocked(shard, stripe, MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, crc, flags));
        }

        if (relieve)
        {
            _log.Relieve(shard.Id);
        }

        return WriteStep.Done;
    }

    private bool PublishLocked(IndexShard shard, long stripe, in Extent extent)
    {
        shard.Stripes.GetOrAdd(stripe).Insert(in extent);
        _discards.Rewritten(stripe, extent.Start, extent.End);
        return AddKey(shard, stripe, in extent);
    }

    /// <summary>Merges a part of one sector with what is there, under the shard's lock.</summary>
    private WriteStep StorePartial(long offset, int inSector, ReadOnlySpan<byte> data, in PayloadRoom room, MissOperation? merge)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        int sector = (int)(offset & (StripeSize - 1)) / SectorSize;
        IndexShard shard = _index.For(stripe);
        Span<byte> content = stackalloc byte[SectorSize];
        bool relieve;
        using (shard.Gate.Hold())
        {
            long length = Length;
            if (offset + data.Length > length)
            {
                return WriteStep.Again;
            }

            int valid = (int)Math.Min(SectorSize, length - (offset - inSector));
            if (inSector == 0 && data.Length >= valid)
            {
                content.Clear();
            }
            else if (!TryReadSectorLocked(shard, stripe, sector, merge, content))
            {
                return WriteStep.Miss;
            }
            else
            {
                content[valid..].Clear();
            }

            data.CopyTo(content[inSector..]);
            uint crc = StorePayload(in room, content);
            Extent extent = MakeExtent(sector, in room, crc, ExtentFlags.None);
            MergedSector.Current.Set(_deviceNumber, PayloadAddress(in extent), extent.Generation, content);
            DrainPayload();
            relieve = PublishLocked(shard, stripe, in extent);
        }

        if (relieve)
        {
            _log.Relieve(shard.Id);
        }

        return WriteStep.Done;
    }

    /// <summary>The present content of one sector, from the cache or from a miss that nobody has overtaken.</summary>
    private bool TryReadSectorLocked(IndexShard shard, long stripe, int sector, MissOperation? merge, Span<byte> content)
    {
        if (shard.Stripes.Find(stripe) is not { } index || !index.TryGetSingle(sector, sector + 1, out Extent piece))
        {
            return false;
        }

        if (!piece.IsPlaceholder && MergedSector.Current.TryCopy(_deviceNumber, PayloadAddress(in piece), piece.Generation, content) && !IsDead(in piece))
        {
            return true;
        }

        if (!piece.IsPlaceholder)
        {
            // The lock keeps the extent in the index, not its segment alive: TryCopy checks the generation after the copy.
            // Verified whatever the reads do: what is merged gets a checksum of its own, and damage must not come to look sound.
            return TryCopy(stripe, in piece, 0, content, _payloadCrc, locked: true);
        }

        if (merge is null || !merge.IsUntouched(in piece))
        {
            return false;
        }

        merge.Data.Slice((sector - merge.Start) * SectorSize, SectorSize).CopyTo(content);
        return true;
    }

    private Extent MakeExtent(int sector, in PayloadRoom room, uint crc, ExtentFlags flags) => new()
    {
        Start = (ushort)sector,
        Length = (ushort)(room.LengthBytes / SectorSize),
        KeyStart = (ushort)sector,
        KeyLength = (ushort)(room.LengthBytes / SectorSize),
        Segment = (uint)room.Segment,
        PayloadSector = (ushort)(room.Offset / SectorSize),
        Flags = flags,
        PayloadCrc = crc,
        Generation = _segments.Generation(room.Segment) & Extent.GenerationMask,
    };

    /// <summary>Adds the key of an extent to the log's pending ones. The caller holds the shard's lock, and has reserved room.</summary>
    private bool AddKey(IndexShard shard, long stripe, in Extent extent)
    {
        CacheKey key = KeyExtents.ToKey(stripe, in extent, _segments.Generation((int)extent.Segment));
        if (!extent.IsClean)
        {
            _dirty.Add(key.Length);
        }

        return _log.Add(shard.Id, in key);
    }
}
