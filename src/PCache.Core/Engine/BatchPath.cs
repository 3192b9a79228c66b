using System.Numerics;
using PCache.Core.Diagnostics;
using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Engine;

/// <summary>
/// Batches of writes and reads. Keeps true: all arguments are checked, and the device is long enough, before anything is written; the result is that of the
/// single operations in the order given. Whole-sector pieces go in groups: the payload of a group is stored, flushed and drained before the index names
/// any of it; each shard's lock is taken once for all of its pieces, which enter index and log in the order given. So pieces that overlap, which are always
/// in one shard, keep their order. A piece that can't go into a group (part of a sector, no room, device cut meanwhile) ends it, and is written alone.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>Reads of a batch that are looked up before their turn.</summary>
    private const int ReadsAhead = 4;

    [ThreadStatic]
    private static BatchGroup? _threadGroup;

    public void WriteBatch(ReadOnlySpan<BlockWrite> writes, WriteDurability durability)
    {
        long end = CheckBatch(writes);
        int token = EnterWritable();
        try
        {
            EnsureLength(end);
            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, writes.Length);
            BatchGroup group = RentGroup();
            try
            {
                for (int i = 0; i < writes.Length; i++)
                {
                    int done = 0;
                    while (!TryAddToGroup(group, writes, i, ref done, out int alone))
                    {
                        PublishGroup(group, writes);
                        WriteAll(writes[i].Offset + done, writes[i].Data.Span.Slice(done, alone), zeros: false);
                        done += alone;
                    }
                }

                PublishGroup(group, writes);
            }
            finally
            {
                ReturnGroup(group);
            }

            if (NeedsLog(durability))
            {
                LogNow(durability);
            }
        }
        finally
        {
            _gate.Exit(token);
            _maintenance.NoteWork();
        }
    }

    /// <inheritdoc cref="WriteBatch"/>
    public async ValueTask WriteBatchAsync(ReadOnlyMemory<BlockWrite> writes, WriteDurability durability, CancellationToken cancellationToken)
    {
        long end = CheckBatch(writes.Span);
        cancellationToken.ThrowIfCancellationRequested();
        int token = EnterWritableShared();
        try
        {
            await EnsureLengthAsync(end, cancellationToken).ConfigureAwait(false);
            _counters.Add(ThreadIndex.Current, DeviceCounter.Writes, writes.Length);
            BatchGroup group = RentGroup();
            try
            {
                for (int i = 0; i < writes.Length; i++)
                {
                    int done = 0;
                    while (!TryAddToGroup(group, writes.Span, i, ref done, out int alone))
                    {
                        PublishGroup(group, writes.Span); // nothing is held while this waits
                        BlockWrite write = writes.Span[i];
                        await WriteAllAsync(write.Offset + done, write.Data.Slice(done, alone), 0, zeros: false, cancellationToken).ConfigureAwait(false);
                        done += alone;
                    }
                }

                PublishGroup(group, writes.Span);
            }
            finally
            {
                ReturnGroup(group);
            }

            if (NeedsLog(durability))
            {
                await LogNowAsync(durability, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Exit(token);
            _maintenance.NoteWork();
        }
    }

    public long ReadBatch(ReadOnlySpan<BlockRead> reads)
    {
        CheckBatch(reads);
        long done = 0;
        Span<Extent> found = stackalloc Extent[ReadsAhead];
        int token = _gate.Enter();
        try
        {
            int index = OperationGate.IndexOf(token);

            // While one payload is copied, those of the next reads are on their way.
            int ahead = 0;
            for (int i = 0; i < reads.Length; i++)
            {
                for (; ahead < reads.Length && ahead < i + ReadsAhead; ahead++)
                {
                    PeekAhead(in reads[ahead], out found[ahead % ReadsAhead]);
                }

                ref readonly BlockRead read = ref reads[i];
                ref readonly Extent piece = ref found[i % ReadsAhead];
                int length = ClipToDevice(read.Offset, read.Buffer.Length);
                Span<byte> buffer = read.Buffer.Span;
                done += !piece.IsGap && length == buffer.Length && TryCopyPage(index, read.Offset, in piece, buffer) ? length : ReadSlowly(index, read.Offset, buffer, length);
            }
        }
        finally
        {
            _gate.Exit(token);
        }

        return done;
    }

    /// <summary>Looks a read up that will come soon, if that can be done without the lock, and brings its payload near; else a gap.</summary>
    private void PeekAhead(in BlockRead read, out Extent piece)
    {
        if (read.Offset > Length - read.Buffer.Length || !TryPeekPage(read.Offset, read.Buffer.Length, out piece) || IsDead(in piece))
        {
            piece = new Extent { Flags = ExtentFlags.Gap };
            return;
        }

        _region.Prefetch(PayloadAddress(in piece), read.Buffer.Length);
    }

    /// <inheritdoc cref="ReadBatch"/>
    public async ValueTask<long> ReadBatchAsync(ReadOnlyMemory<BlockRead> reads, CancellationToken cancellationToken)
    {
        CheckBatch(reads.Span);
        long done = 0;
        for (int i = 0; i < reads.Length; i++)
        {
            BlockRead read = reads.Span[i];
            done += await ReadAsync(read.Offset, read.Buffer, cancellationToken).ConfigureAwait(false);
        }

        return done;
    }

    private static long CheckBatch(ReadOnlySpan<BlockWrite> writes)
    {
        long end = 0;
        foreach (ref readonly BlockWrite write in writes)
        {
            CheckRange(write.Offset, write.Data.Length);
            end = write.Data.IsEmpty ? end : Math.Max(end, write.Offset + write.Data.Length);
        }

        return end;
    }

    private static void CheckBatch(ReadOnlySpan<BlockRead> reads)
    {
        foreach (ref readonly BlockRead read in reads)
        {
            CheckOffset(read.Offset);
        }
    }

    private static BatchGroup RentGroup()
    {
        // Taken while it is in use: a backing that writes from inside a call of ours gets one of its own.
        BatchGroup group = _threadGroup ?? new BatchGroup();
        _threadGroup = null;
        return group;
    }

    private void ReturnGroup(BatchGroup group)
    {
        ReturnRooms(group);
        _threadGroup = group;
    }

    /// <summary>
    /// Takes room for a write from <paramref name="done"/> on, piece by piece, and adds the pieces to the group. False: the next <paramref name="alone"/> bytes
    /// can't go into it.
    /// </summary>
    private bool TryAddToGroup(BatchGroup group, ReadOnlySpan<BlockWrite> writes, int number, ref int done, out int alone)
    {
        ReadOnlySpan<byte> data = writes[number].Data.Span;
        while (done < data.Length)
        {
            long offset = writes[number].Offset + done;
            int inSector = (int)(offset & (SectorSize - 1));
            int left = data.Length - done;
            if (inSector != 0 || left < SectorSize)
            {
                alone = Math.Min(left, SectorSize - inSector);
                return false;
            }

            alone = Math.Min(left & -SectorSize, StripeSize - (int)(offset & (StripeSize - 1)));
            if (!_space.MayTake(null, alone) || !TryTakeRoom(alone, zeros: false, out PayloadRoom room))
            {
                return false;
            }

            ref BatchPiece piece = ref group.Pieces[group.Count++];
            piece.Room = room;
            piece.Offset = offset;
            piece.Number = number;
            piece.LengthBytes = room.LengthBytes;
            done += room.LengthBytes;
            if (group.Count == BatchGroup.Capacity)
            {
                PublishGroup(group, writes);
            }
        }

        alone = 0;
        return true;
    }

    /// <summary>Stores the payload of a group, puts its pieces into the index and the log, and empties it.</summary>
    private void PublishGroup(BatchGroup group, ReadOnlySpan<BlockWrite> writes)
    {
        if (group.Count == 0)
        {
            return;
        }

        // All of the payload in one go: taking room in between would wait, piece by piece, until the stores before are out.
        Span<BatchPiece> pieces = group.Pieces.AsSpan(0, group.Count);
        foreach (ref BatchPiece piece in pieces)
        {
            ref readonly BlockWrite write = ref writes[piece.Number];
            piece.Crc = StorePayload(in piece.Room, write.Data.Span.Slice((int)(piece.Offset - write.Offset), piece.LengthBytes));
            _index.Prefetch(piece.Offset >> ShardedIndex.StripeShift, (int)(piece.Offset & (StripeSize - 1)) / SectorSize);
        }

        DrainPayload();
        ulong left = ulong.MaxValue >> (BatchGroup.Capacity - pieces.Length);
        long bytes = 0;
        int firstCut = pieces.Length;
        while (left != 0)
        {
            IndexShard shard = _index.For(pieces[BitOperations.TrailingZeroCount(left)].Offset >> ShardedIndex.StripeShift);
            bool relieve = false;
            using (shard.Gate.Hold())
            {
                long length = Length;
                for (ulong rest = left; rest != 0; rest &= rest - 1)
                {
                    int i = BitOperations.TrailingZeroCount(rest);
                    ref BatchPiece piece = ref pieces[i];
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

                    relieve |= PublishLocked(shard, stripe, MakeExtent((int)(piece.Offset & (StripeSize - 1)) / SectorSize, in piece.Room, piece.Crc, ExtentFlags.None));
                    bytes += piece.Room.LengthBytes;
                    piece.Room = default; // the key owns it now
                }
            }

            if (relieve)
            {
                _log.Relieve(shard.Id);
            }
        }

        _counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, bytes);
        if (firstCut < pieces.Length)
        {
            WriteAnew(pieces[firstCut..], writes);
        }

        ReturnRooms(group);
    }

    /// <summary>
    /// The device became shorter: the first of these pieces lies beyond its end, at least in part. That one is written alone, as far as it lies inside, and all
    /// behind it once more, so that the order is kept.
    /// </summary>
    private void WriteAnew(ReadOnlySpan<BatchPiece> pieces, ReadOnlySpan<BlockWrite> writes)
    {
        foreach (ref readonly BatchPiece piece in pieces)
        {
            ref readonly BlockWrite write = ref writes[piece.Number];
            WriteAll(piece.Offset, write.Data.Span.Slice((int)(piece.Offset - write.Offset), piece.LengthBytes), zeros: false);
        }
    }

    /// <summary>Empties a group; room that no key owns goes back.</summary>
    private void ReturnRooms(BatchGroup group)
    {
        while (group.Count > 0)
        {
            PayloadRoom room = group.Pieces[--group.Count].Room;
            if (room.LengthBytes > 0)
            {
                _heads.Return(in room);
            }
        }
    }

    private struct BatchPiece
    {
        public long Offset;
        public int Number;
        public int LengthBytes;
        public PayloadRoom Room;
        public uint Crc;
    }

    private sealed class BatchGroup
    {
        public const int Capacity = 64;
        public readonly BatchPiece[] Pieces = new BatchPiece[Capacity];
        public int Count;
    }
}
