using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>
/// The writer's half of a store: room, payload, and the one way into index and log.
/// </summary>
/// <remarks>
/// Keeps true: an extent enters the index and its key the shard's pending list under one hold of the shard's lock;
/// payload is stored, flushed and (where that is cheap) durable before that, and is never overwritten in place
/// afterwards; room for payload and for its key, in the log and in memory, is taken before anything is stored. Any
/// thread.
/// </remarks>
internal sealed class ExtentWriter
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    private readonly ExtentStore _store;
    private readonly PmemRegion _region;
    private readonly SegmentTable _segments;
    private readonly ShardedIndex _index;
    private readonly IndexMemory _memory;
    private readonly DirtyCounters _dirty;
    private readonly bool _payloadCrc;
    private readonly bool _drainIsCheap;

    public ExtentWriter(ExtentStore store, LogWriter log, DataHeads heads)
    {
        _store = store;
        _region = store.Region;
        _segments = store.Segments;
        _index = store.Index;
        _memory = store.Memory;
        _dirty = store.Dirty;
        _payloadCrc = store.PayloadCrc;
        _drainIsCheap = store.Region.DrainIsCheap;
        Log = log;
        Heads = heads;
    }

    /// <summary>Where keys go.</summary>
    public LogWriter Log { get; }

    /// <summary>Where payload goes.</summary>
    public DataHeads Heads { get; }

    /// <summary>Discards that the backing hasn't been told of.</summary>
    public DiscardQueue Discards { get; } = new();

    /// <summary>
    /// Room for payload that is free for sure, in bytes, and has room in the log for its keys, however small they
    /// are.
    /// </summary>
    public long FreeBytes => Math.Min(
        _segments.FreeCount * (long)_segments.DataSize,
        Math.Max(0, Log.Room.AvailableBytes) / LogRoom.WorstCaseKeyBytes * SectorSize);

    /// <summary>Room for one key, in the log and in memory, and for its payload: all or nothing.</summary>
    public bool TryTakeRoom(int wantedBytes, bool zeros, out PayloadRoom room)
    {
        if (_memory.IsFull)
        {
            room = default;
            return false;
        }

        return zeros ? Heads.TryTakeZeros(wantedBytes, out room) : Heads.TryTake(wantedBytes, out room);
    }

    /// <summary>
    /// Stores payload and flushes it; durable after <see cref="DrainPayload"/> where that is cheap, else with the
    /// kset that names it. Returns its checksum.
    /// </summary>
    public uint StorePayload(in PayloadRoom room, ReadOnlySpan<byte> data)
    {
        long address = _segments.DataOffset(room.Segment) + room.Offset;
        uint crc = 0;
        if (_payloadCrc)
        {
            crc = _region.WriteWithCrc(address, data, Crc32C.FormatSeed);
        }
        else
        {
            _region.Write(address, data);
        }

        _region.FlushRange(address, data.Length);
        return crc;
    }

    /// <summary>Waits until the payload that this thread has stored is durable, where that is cheap.</summary>
    public void DrainPayload()
    {
        if (_drainIsCheap)
        {
            _region.Drain();
        }
    }

    /// <summary>
    /// Puts stored payload into the index and its key into the log's pending list. False: it lies beyond the device's
    /// end now.
    /// </summary>
    public bool TryPublish(long offset, in PayloadRoom room, uint crc, ExtentFlags flags)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        bool relieve;
        using (shard.Gate.Hold())
        {
            if (offset + room.LengthBytes > _store.Length)
            {
                return false;
            }

            relieve = PublishLocked(
                shard, stripe, MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, crc, flags));
        }

        if (relieve)
        {
            Log.Relieve(shard.Id);
        }

        return true;
    }

    /// <summary>
    /// The same for zeros beyond the device's end: as growth reveals them anyway, they need only be there so that the
    /// log has a key to tell a length with. While no other thread can write there.
    /// </summary>
    public void PublishZerosBeyond(long offset, in PayloadRoom room)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        bool relieve;
        using (shard.Gate.Hold())
        {
            uint crc = _store.PayloadCrc ? Heads.ZeroPayloadCrcs[room.LengthBytes] : 0;
            relieve = PublishLocked(shard, stripe,
                MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, crc, ExtentFlags.Shared));
        }

        if (relieve)
        {
            Log.Relieve(shard.Id);
        }
    }

    /// <summary>
    /// The same under the shard's lock, which the caller holds. Returns whether it should call
    /// <see cref="LogWriter.Relieve"/> once it has released it.
    /// </summary>
    public bool PublishLocked(IndexShard shard, long stripe, in Extent extent)
    {
        shard.Stripes.GetOrAdd(stripe).Insert(in extent);
        Discards.Rewritten(stripe, extent.Start, extent.End);
        return AddKey(shard, stripe, in extent);
    }

    /// <summary>
    /// Adds the key of an extent to the log's pending ones. The caller holds the shard's lock, and has reserved room.
    /// </summary>
    public bool AddKey(IndexShard shard, long stripe, in Extent extent)
    {
        CacheKey key = KeyExtents.ToKey(stripe, in extent, _segments.Generation((int)extent.Segment));
        if (!extent.IsClean)
        {
            _dirty.Add(key.Length);
        }

        return Log.Add(shard.Id, in key);
    }

    /// <summary>The extent of payload in a room, from a sector of its stripe on.</summary>
    public Extent MakeExtent(int sector, in PayloadRoom room, uint crc, ExtentFlags flags) => new()
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
}
