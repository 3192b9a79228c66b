using System.Numerics;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>A piece of a group: whole sectors of one stripe.</summary>
internal struct GroupPiece
{
    /// <summary>Device offset.</summary>
    public long Offset;

    /// <summary>Which write of the batch it is of.</summary>
    public int Number;

    /// <summary>Its length.</summary>
    public int LengthBytes;

    /// <summary>Where its payload goes; of no length: its key owns it.</summary>
    public PayloadRoom Room;

    /// <summary>Checksum of its payload.</summary>
    public uint Crc;
}

/// <summary>Pieces that are written in one go, with their rooms. Belongs to one thread at a time.</summary>
internal sealed class WriteGroup
{
    /// <summary>Most pieces.</summary>
    public const int Capacity = 64;

    /// <summary>The pieces.</summary>
    public readonly GroupPiece[] Pieces = new GroupPiece[Capacity];

    /// <summary>How many there are.</summary>
    public int Count;

    /// <summary>Whether another piece fits.</summary>
    public bool IsFull => Count == Capacity;
}

/// <summary>
/// Groups of pieces of a batch. Keeps true: the payload of a group is stored, flushed and drained before the index
/// names any of it; each shard's lock is taken once for all of its pieces, which enter index and log in the order
/// given. So pieces that overlap, which are always in one shard, keep their order.
/// </summary>
internal sealed class GroupWriter(ExtentStore store, ExtentWriter writer)
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    private readonly ShardedIndex _index = store.Index;

    /// <summary>
    /// Takes room for up to <paramref name="wantedBytes"/> and adds the piece. Returns its length; 0: there is no
    /// room now.
    /// </summary>
    public int TryAdd(WriteGroup group, long offset, int number, int wantedBytes)
    {
        if (!writer.TryTakeRoom(wantedBytes, zeros: false, out PayloadRoom room))
        {
            return 0;
        }

        ref GroupPiece piece = ref group.Pieces[group.Count++];
        piece.Room = room;
        piece.Offset = offset;
        piece.Number = number;
        piece.LengthBytes = room.LengthBytes;
        return room.LengthBytes;
    }

    /// <summary>
    /// Stores the payload of a group, and puts its pieces into the index and the log. Returns the number of the first
    /// piece that lies beyond the device's end now, at least in part; else the number of pieces. Rooms that no key
    /// owns stay the group's.
    /// </summary>
    public int Publish(int index, WriteGroup group, ReadOnlySpan<BlockWrite> writes)
    {
        // All of the payload in one go: taking room in between would wait, piece by piece, until the stores before
        // are out.
        Span<GroupPiece> pieces = group.Pieces.AsSpan(0, group.Count);
        foreach (ref GroupPiece piece in pieces)
        {
            ref readonly BlockWrite write = ref writes[piece.Number];
            piece.Crc = writer.StorePayload(
                in piece.Room, write.Data.Span.Slice((int)(piece.Offset - write.Offset), piece.LengthBytes));
            _index.Prefetch(
                piece.Offset >> ShardedIndex.StripeShift, (int)(piece.Offset & (StripeSize - 1)) / SectorSize);
        }

        writer.DrainPayload();
        ulong left = ulong.MaxValue >> (WriteGroup.Capacity - pieces.Length);
        long bytes = 0;
        int firstCut = pieces.Length;
        while (left != 0)
        {
            IndexShard shard = _index.For(
                pieces[BitOperations.TrailingZeroCount(left)].Offset >> ShardedIndex.StripeShift);
            bool relieve;
            using (shard.Gate.Hold())
            {
                relieve = PublishOfShard(shard, pieces, ref left, ref firstCut, ref bytes);
            }

            if (relieve)
            {
                writer.Log.Relieve(shard.Id);
            }
        }

        store.Counters.Add(index, DeviceCounter.WrittenBytes, bytes);
        return firstCut;
    }

    /// <summary>Empties a group; room that no key owns goes back.</summary>
    public void ReturnRooms(WriteGroup group)
    {
        while (group.Count > 0)
        {
            PayloadRoom room = group.Pieces[--group.Count].Room;
            if (room.LengthBytes > 0)
            {
                writer.Heads.Return(in room);
            }
        }
    }

    private bool PublishOfShard(
        IndexShard shard, Span<GroupPiece> pieces, ref ulong left, ref int firstCut, ref long bytes)
    {
        bool relieve = false;
        long length = store.Length;
        for (ulong rest = left; rest != 0; rest &= rest - 1)
        {
            int i = BitOperations.TrailingZeroCount(rest);
            ref GroupPiece piece = ref pieces[i];
            long stripe = piece.Offset >> ShardedIndex.StripeShift;
            if (!ReferenceEquals(_index.For(stripe), shard))
            {
                continue;
            }

            left &= ~(1UL << i);
            if (piece.Offset + piece.Room.LengthBytes > length)
            {
                firstCut = Math.Min(firstCut, i);
                continue;
            }

            int sector = (int)(piece.Offset & (StripeSize - 1)) / SectorSize;
            relieve |= writer.PublishLocked(
                shard, stripe, writer.MakeExtent(sector, in piece.Room, piece.Crc, ExtentFlags.None));
            bytes += piece.Room.LengthBytes;
            piece.Room = default; // the key owns it now
        }

        return relieve;
    }
}
