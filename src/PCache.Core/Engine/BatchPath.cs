using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Batches of writes. Keeps true: all arguments are checked, and the device is long enough, before anything is
/// written; the result is that of the single writes in the order given. Whole-sector pieces go in groups; a piece
/// that can't go into one (part of a sector, no room, device cut meanwhile) ends it, and is written alone, and
/// nothing is held while it waits. Any thread.
/// </summary>
internal sealed class BatchPath
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    [ThreadStatic]
    private static WriteGroup? _threadGroup;

    private readonly ExtentStore _store;
    private readonly OperationGate _gate;
    private readonly WorkSignal _work;
    private readonly SpaceQueue _space;
    private readonly DeviceLength _length;
    private readonly FlushPath _flushes;
    private readonly GroupWriter _groups;
    private readonly WritePath _writes;

    public BatchPath(WriteParts parts, GroupWriter groups, WritePath writes, AtomicPath atomic)
    {
        Atomic = atomic;
        _store = parts.Store;
        _gate = parts.Gate;
        _work = parts.Work;
        _space = parts.Space;
        _length = parts.Length;
        _flushes = parts.Flushes;
        _groups = groups;
        _writes = writes;
    }

    /// <summary>Batches that are written as a whole.</summary>
    public AtomicPath Atomic { get; }

    /// <summary>Writes all, in order.</summary>
    public void Write(ReadOnlySpan<BlockWrite> writes, WriteDurability durability)
    {
        long end = CheckBatch(writes);
        int token = _gate.Enter();
        try
        {
            _length.Ensure(end);
            _store.Counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, writes.Length);
            WriteGroup group = RentGroup();
            try
            {
                for (int i = 0; i < writes.Length; i++)
                {
                    int done = 0;
                    while (!TryAdd(group, writes, i, ref done, out int alone))
                    {
                        Publish(group, writes);
                        _writes.WriteAll(writes[i].Offset + done, writes[i].Data.Span.Slice(done, alone), zeros: false);
                        done += alone;
                    }
                }

                Publish(group, writes);
            }
            finally
            {
                ReturnGroup(group);
            }

            if (_flushes.NeedsLog(durability))
            {
                _flushes.LogNow(durability);
            }
        }
        finally
        {
            _gate.Exit(token);
            _work.Tell();
        }
    }

    /// <inheritdoc cref="Write"/>
    public async ValueTask WriteAsync(
        ReadOnlyMemory<BlockWrite> writes, WriteDurability durability, CancellationToken cancellationToken)
    {
        long end = CheckBatch(writes.Span);
        cancellationToken.ThrowIfCancellationRequested();
        int token = _gate.EnterShared();
        try
        {
            await _length.EnsureAsync(end, cancellationToken).ConfigureAwait(false);
            _store.Counters.Add(ThreadIndex.Current, DeviceCounter.Writes, writes.Length);
            WriteGroup group = RentGroup();
            try
            {
                for (int i = 0; i < writes.Length; i++)
                {
                    int done = 0;
                    while (!TryAdd(group, writes.Span, i, ref done, out int alone))
                    {
                        Publish(group, writes.Span); // nothing is held while this waits
                        BlockWrite write = writes.Span[i];
                        await _writes.WriteAllAsync(
                            write.Offset + done, write.Data.Slice(done, alone), 0, zeros: false, cancellationToken)
                            .ConfigureAwait(false);
                        done += alone;
                    }
                }

                Publish(group, writes.Span);
            }
            finally
            {
                ReturnGroup(group);
            }

            if (_flushes.NeedsLog(durability))
            {
                await _flushes.LogNowAsync(durability, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Exit(token);
            _work.Tell();
        }
    }

    private static long CheckBatch(ReadOnlySpan<BlockWrite> writes)
    {
        long end = 0;
        foreach (ref readonly BlockWrite write in writes)
        {
            Ranges.Check(write.Offset, write.Data.Length);
            end = write.Data.IsEmpty ? end : Math.Max(end, write.Offset + write.Data.Length);
        }

        return end;
    }

    private static WriteGroup RentGroup()
    {
        // Taken while it is in use: a backing that writes from inside a call of ours gets one of its own.
        WriteGroup group = _threadGroup ?? new WriteGroup();
        _threadGroup = null;
        return group;
    }

    private void ReturnGroup(WriteGroup group)
    {
        _groups.ReturnRooms(group);
        _threadGroup = group;
    }

    /// <summary>
    /// Takes room for a write from <paramref name="done"/> on, piece by piece, and adds the pieces to the group.
    /// False: the next <paramref name="alone"/> bytes can't go into it.
    /// </summary>
    private bool TryAdd(WriteGroup group, ReadOnlySpan<BlockWrite> writes, int number, ref int done, out int alone)
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
            int added = _space.MayTake(null, alone) ? _groups.TryAdd(group, offset, number, alone) : 0;
            if (added == 0)
            {
                return false;
            }

            done += added;
            if (group.IsFull)
            {
                Publish(group, writes);
            }
        }

        alone = 0;
        return true;
    }

    /// <summary>
    /// Publishes a group and empties it. Where the device became shorter, the first piece that lies beyond its end,
    /// at least in part, is written alone, as far as it lies inside, and all behind it once more, so that the order
    /// is kept.
    /// </summary>
    private void Publish(WriteGroup group, ReadOnlySpan<BlockWrite> writes)
    {
        if (group.Count == 0)
        {
            return;
        }

        int firstCut = _groups.Publish(ThreadIndex.Current, group, writes);
        foreach (ref readonly GroupPiece piece in group.Pieces.AsSpan(firstCut..group.Count))
        {
            ref readonly BlockWrite write = ref writes[piece.Number];
            _writes.WriteAll(
                piece.Offset, write.Data.Span.Slice((int)(piece.Offset - write.Offset), piece.LengthBytes),
                zeros: false);
        }

        _groups.ReturnRooms(group);
    }
}
