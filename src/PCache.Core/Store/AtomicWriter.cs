using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>How an attempt to publish a batch has ended.</summary>
internal enum AtomicOutcome
{
    /// <summary>All of it is in index and log.</summary>
    Done,

    /// <summary>The device is shorter than the batch's end; nothing was published.</summary>
    TooShort,

    /// <summary>The rest of a sector has to be read from the backing first; nothing was published.</summary>
    Miss,
}

/// <summary>A part of a batch with room of its own.</summary>
internal sealed class AtomicPiece(long offset, PayloadRoom room, bool isPartial)
{
    public readonly long Offset = offset;
    public readonly int LengthBytes = room.LengthBytes;
    public readonly bool IsPartial = isPartial;

    /// <summary>Of no length: its key owns it.</summary>
    public PayloadRoom Room = room;
    public uint Crc;

    /// <summary>What was read for the rest of the sector; null: nothing.</summary>
    public MissOperation? Merge;
}

/// <summary>
/// Batches that are seen as a whole or not at all. Keeps true: all room is taken, and all payload stored, before
/// anything is published; a batch enters index and log while no append takes keys and all its shards' locks are held,
/// so all of its keys are of one epoch and one append logs them; <see cref="ExtentStore.Batches"/> tells reads of it.
/// Any thread.
/// </summary>
internal sealed class AtomicWriter(ExtentStore store, ExtentWriter writer, PieceWriter partial)
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    private readonly ShardedIndex _index = store.Index;

    /// <summary>Takes room for the next part of a range. False: there is none now.</summary>
    public bool TryTakeRoom(in AtomicRange range, int done, List<AtomicPiece> pieces, out int taken)
    {
        if (!writer.TryTakeRoom(range.LengthBytes - done, zeros: false, out PayloadRoom room))
        {
            taken = 0;
            return false;
        }

        taken = room.LengthBytes;
        pieces.Add(new AtomicPiece(range.Offset + done, room, range.IsPartial));
        return true;
    }

    /// <summary>Gives back the room that no key owns, and forgets the pieces.</summary>
    public void Return(List<AtomicPiece> pieces)
    {
        foreach (AtomicPiece piece in pieces)
        {
            if (piece.Room.LengthBytes > 0)
            {
                writer.Heads.Return(in piece.Room);
            }
        }

        pieces.Clear();
    }

    /// <summary>Stores the payload of all whole sectors.</summary>
    public void Store(AtomicContent content, List<AtomicPiece> pieces)
    {
        int longest = 0;
        foreach (AtomicPiece piece in pieces)
        {
            longest = Math.Max(longest, piece.IsPartial ? 0 : piece.LengthBytes);
        }

        byte[] buffer = new byte[longest]; // most batches are a few pages
        foreach (AtomicPiece piece in pieces)
        {
            if (!piece.IsPartial)
            {
                Span<byte> data = buffer.AsSpan(0, piece.LengthBytes);
                content.Overlay(piece.Offset, data);
                piece.Crc = writer.StorePayload(in piece.Room, data);
            }
        }

        writer.DrainPayload();
    }

    /// <summary>Publishes all pieces, or none.</summary>
    public AtomicOutcome TryPublish(AtomicContent content, List<AtomicPiece> pieces)
    {
        IndexShard[] shards = ShardsOf(pieces);
        IndexShard? relieve = null;
        using (writer.Log.HoldAppends())
        {
            int held = 0;
            try
            {
                for (; held < shards.Length; held++)
                {
                    shards[held].Gate.Enter();
                }

                if (content.End > store.Length)
                {
                    return AtomicOutcome.TooShort;
                }

                if (!TryMerge(content, pieces))
                {
                    return AtomicOutcome.Miss;
                }

                relieve = PublishAll(pieces);
            }
            finally
            {
                while (held > 0)
                {
                    shards[--held].Gate.Exit();
                }
            }
        }

        if (relieve is not null)
        {
            writer.Log.Relieve(relieve.Id);
        }

        return AtomicOutcome.Done;
    }

    /// <summary>The shards, each once, in the order in which their locks are taken.</summary>
    private IndexShard[] ShardsOf(List<AtomicPiece> pieces)
    {
        var shards = new SortedList<int, IndexShard>();
        foreach (AtomicPiece piece in pieces)
        {
            IndexShard shard = _index.For(piece.Offset >> ShardedIndex.StripeShift);
            shards[shard.Id] = shard;
        }

        return [.. shards.Values];
    }

    /// <summary>Completes and stores the sectors that are written in part. Holds all shards' locks.</summary>
    private bool TryMerge(AtomicContent content, List<AtomicPiece> pieces)
    {
        Span<byte> sector = stackalloc byte[SectorSize];
        bool any = false;
        foreach (AtomicPiece piece in pieces)
        {
            if (!piece.IsPartial)
            {
                continue;
            }

            long stripe = piece.Offset >> ShardedIndex.StripeShift;
            if (!partial.TryReadSectorLocked(
                _index.For(stripe), stripe, (int)(piece.Offset & (StripeSize - 1)) / SectorSize, piece.Merge, sector))
            {
                return false;
            }

            sector[(int)Math.Min(SectorSize, store.Length - piece.Offset)..].Clear();
            content.Overlay(piece.Offset, sector);
            piece.Crc = writer.StorePayload(in piece.Room, sector);
            any = true;
        }

        if (any)
        {
            writer.DrainPayload();
        }

        return true;
    }

    /// <summary>Returns a shard whose list is long now, if there is one. Holds all shards' locks.</summary>
    private IndexShard? PublishAll(List<AtomicPiece> pieces)
    {
        IndexShard? relieve = null;
        store.Batches.Turn();
        try
        {
            foreach (AtomicPiece piece in pieces)
            {
                relieve = Publish(piece) ?? relieve;
            }
        }
        finally
        {
            store.Batches.Turn();
        }

        return relieve;
    }

    private IndexShard? Publish(AtomicPiece piece)
    {
        long stripe = piece.Offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        int sector = (int)(piece.Offset & (StripeSize - 1)) / SectorSize;
        bool relieve = writer.PublishLocked(
            shard, stripe, writer.MakeExtent(sector, in piece.Room, piece.Crc, ExtentFlags.None));
        Invariant.Holds(piece.LengthBytes % SectorSize == 0, "a batch consists of whole sectors");
        piece.Room = default; // the key owns it now
        return relieve ? shard : null;
    }
}
