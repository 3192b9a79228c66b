using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>How the writing of a piece ended.</summary>
internal enum PieceResult
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

/// <summary>
/// Writing a piece: whole sectors of one stripe, or a part of one sector. Keeps true: room is taken before anything
/// is stored, and goes back when the piece isn't written, so nothing has to be undone; a partial sector is merged
/// under the shard's lock, with what the index has or with what a miss read and no writer replaced since; bytes of
/// the last sector beyond the device's end are stored as zeros, so that growth reveals nothing old. Any thread.
/// </summary>
internal sealed class PieceWriter(ExtentStore store, ExtentWriter writer)
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    private readonly ShardedIndex _index = store.Index;

    /// <summary>How much room the first piece of a write wants, in bytes.</summary>
    public static int WantedBytes(long offset, int length) => IsPartial(offset, length)
        ? SectorSize
        : Math.Min(length & -SectorSize, StripeSize - (int)(offset & (StripeSize - 1)));

    /// <summary>Writes the first piece of <paramref name="data"/>, if that can be done now.</summary>
    /// <param name="offset">Device offset.</param>
    /// <param name="data">What is to be written, one byte at least.</param>
    /// <param name="zeros">Whether it is nothing but zeros, so that whole sectors need no payload of their own.</param>
    /// <param name="merge">What a miss read of a partial sector; null: nothing was read.</param>
    /// <param name="written">How many bytes were written.</param>
    /// <exception cref="PCacheDamagedDataException">The rest of a partial sector is damaged.</exception>
    public PieceResult TryWrite(long offset, ReadOnlySpan<byte> data, bool zeros, MissOperation? merge, out int written)
    {
        written = 0;
        bool partial = IsPartial(offset, data.Length);
        if (!writer.TryTakeRoom(WantedBytes(offset, data.Length), zeros && !partial, out PayloadRoom room))
        {
            return PieceResult.NoRoom;
        }

        bool kept = false;
        try
        {
            int inSector = (int)(offset & (SectorSize - 1));
            int length = partial ? Math.Min(data.Length, SectorSize - inSector) : room.LengthBytes;
            PieceResult result = partial ? WritePartial(offset, inSector, data[..length], in room, merge)
                : zeros ? PublishZeros(offset, in room)
                : StoreAndPublish(offset, in room, data[..length]);
            kept = result == PieceResult.Done;
            written = kept ? length : 0;
            return result;
        }
        finally
        {
            if (!kept)
            {
                writer.Heads.Return(in room);
            }
        }
    }

    private static bool IsPartial(long offset, int length) => (offset & (SectorSize - 1)) != 0 || length < SectorSize;

    private static PieceResult ResultOf(bool published) => published ? PieceResult.Done : PieceResult.Again;

    private PieceResult PublishZeros(long offset, in PayloadRoom room) =>
        ResultOf(
            writer.TryPublish(offset, in room, store.PayloadCrc ? writer.Heads.ZeroPayloadCrcs[room.LengthBytes] : 0,
                ExtentFlags.Shared));

    private PieceResult StoreAndPublish(long offset, in PayloadRoom room, ReadOnlySpan<byte> data)
    {
        uint crc = writer.StorePayload(in room, data);
        // comes while the stores go out
        _index.Prefetch(offset >> ShardedIndex.StripeShift, (int)(offset & (StripeSize - 1)) / SectorSize);
        writer.DrainPayload();
        return ResultOf(writer.TryPublish(offset, in room, crc, ExtentFlags.None));
    }

    /// <summary>Merges a part of one sector with what is there, under the shard's lock.</summary>
    private PieceResult WritePartial(
        long offset, int inSector, ReadOnlySpan<byte> data, in PayloadRoom room, MissOperation? merge)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        int sector = (int)(offset & (StripeSize - 1)) / SectorSize;
        IndexShard shard = _index.For(stripe);
        Span<byte> content = stackalloc byte[SectorSize];
        bool relieve;
        using (shard.Gate.Hold())
        {
            long length = store.Length;
            if (offset + data.Length > length)
            {
                return PieceResult.Again;
            }

            int valid = (int)Math.Min(SectorSize, length - (offset - inSector));
            if (inSector == 0 && data.Length >= valid)
            {
                content.Clear();
            }
            else if (!TryReadSectorLocked(shard, stripe, sector, merge, content))
            {
                return PieceResult.Miss;
            }
            else
            {
                content[valid..].Clear();
            }

            data.CopyTo(content[inSector..]);
            uint crc = writer.StorePayload(in room, content);
            Extent extent = writer.MakeExtent(sector, in room, crc, ExtentFlags.None);
            MergedSector.Current.Set(store.DeviceNumber, store.PayloadAddress(in extent), extent.Generation, content);
            writer.DrainPayload();
            relieve = writer.PublishLocked(shard, stripe, in extent);
        }

        if (relieve)
        {
            writer.Log.Relieve(shard.Id);
        }

        return PieceResult.Done;
    }

    /// <summary>The present content of one sector, from the cache or from a miss that no write has overtaken.</summary>
    public bool TryReadSectorLocked(
        IndexShard shard, long stripe, int sector, MissOperation? merge, Span<byte> content)
    {
        if (shard.Stripes.Find(stripe) is not { } index || !index.TryGetSingle(sector, sector + 1, out Extent piece))
        {
            return false;
        }

        if (!piece.IsPlaceholder)
        {
            if (MergedSector.Current.TryCopy(
                store.DeviceNumber, store.PayloadAddress(in piece), piece.Generation, content)
                && !store.IsDead(in piece))
            {
                return true;
            }

            // The lock keeps the extent in the index, not its segment alive: TryCopy checks the generation after the
            // copy. Verified whatever the reads do: what is merged gets a checksum of its own, and damage must not
            // come to look sound.
            return store.TryCopy(stripe, in piece, 0, content, store.PayloadCrc, locked: true);
        }

        if (merge is null || !merge.IsUntouched(in piece))
        {
            return false;
        }

        merge.Data.Slice((sector - merge.Start) * SectorSize, SectorSize).CopyTo(content);
        return true;
    }
}
