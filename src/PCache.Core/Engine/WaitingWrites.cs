using PCache.Core.Diagnostics;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Writes that can't be done at once: they wait for room, or for the rest of a partial sector. Keeps true: a writer
/// that has waited keeps its turn until all of its write is done, so that a large write isn't interleaved with those
/// behind it; however it ends, it leaves no placeholder and no place in the queue. Any thread.
/// </summary>
internal sealed class WaitingWrites(
    ExtentStore store, PieceWriter pieces, BackingReads misses, SpaceQueue space, RoomWait rooms,
    DeviceDiagnostics diagnostics)
{
    private enum NextAction
    {
        /// <summary>There is nothing more to do here.</summary>
        Finished,

        /// <summary>Wait until it is this writer's turn, or there may be room.</summary>
        WaitForRoom,

        /// <summary>Read what <see cref="WaitingWrite.Merge"/> wants from the backing.</summary>
        ReadBacking,
    }

    /// <summary>Writes the first piece of <paramref name="data"/>, if that can be done now.</summary>
    public PieceResult TryWrite(long offset, ReadOnlySpan<byte> data, bool zeros, out int written) =>
        TryWrite(offset, data, zeros, turn: null, merge: null, out written);

    /// <summary>
    /// Writes what could not be written at once; returns the bytes written, less than all only where the rest needs
    /// no waiting or was cut off by a truncation.
    /// </summary>
    public int Write(PieceResult first, long offset, ReadOnlySpan<byte> data, bool zeros)
    {
        var write = new WaitingWrite(offset, zeros) { Result = first };
        try
        {
            while (true)
            {
                switch (Advance(write, data))
                {
                    case NextAction.WaitForRoom:
                        rooms.Wait(write.Turn!);
                        break;
                    case NextAction.ReadBacking:
                        if (!misses.Read(write.Merge!))
                        {
                            DropMerge(write);
                        }

                        break;
                    default:
                        return write.Done;
                }

                write.Result = PieceResult.Again;
            }
        }
        catch (PCacheFullException e) when (diagnostics.NoteNoRoom(e))
        {
            throw;
        }
        finally
        {
            End(write);
        }
    }

    /// <summary>Logs the present content of a partial sector anew.</summary>
    public void Touch(long offset) => _ = Write(PieceResult.Again, offset, [], zeros: false);

    /// <inheritdoc cref="Touch"/>
    public async ValueTask TouchAsync(long offset, CancellationToken cancellationToken) =>
        _ = await WriteAsync(PieceResult.Again, offset, default, zeros: false, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc cref="Write"/>
    public async ValueTask<int> WriteAsync(
        PieceResult first, long offset, ReadOnlyMemory<byte> data, bool zeros, CancellationToken cancellationToken)
    {
        var write = new WaitingWrite(offset, zeros) { Result = first };
        try
        {
            while (true)
            {
                switch (Advance(write, data.Span))
                {
                    case NextAction.WaitForRoom:
                        await rooms.WaitAsync(write.Turn!, cancellationToken).ConfigureAwait(false);
                        break;
                    case NextAction.ReadBacking:
                        if (!await misses.ReadAsync(write.Merge!, cancellationToken).ConfigureAwait(false))
                        {
                            DropMerge(write);
                        }

                        break;
                    default:
                        return write.Done;
                }

                write.Result = PieceResult.Again;
            }
        }
        catch (PCacheFullException e) when (diagnostics.NoteNoRoom(e))
        {
            throw;
        }
        finally
        {
            End(write);
        }
    }

    private PieceResult TryWrite(
        long offset, ReadOnlySpan<byte> data, bool zeros, SpaceWaiter? turn, MissOperation? merge, out int written)
    {
        if (!space.MayTake(turn, PieceWriter.WantedBytes(offset, data.Length)))
        {
            written = 0;
            return PieceResult.NoRoom;
        }

        return pieces.TryWrite(offset, data, zeros, merge, out written);
    }

    /// <summary>Gets on with a write as far as that goes without waiting.</summary>
    private NextAction Advance(WaitingWrite write, ReadOnlySpan<byte> data)
    {
        while (true)
        {
            if (write.Result == PieceResult.NoRoom)
            {
                if (write.Turn is not null)
                {
                    return NextAction.WaitForRoom;
                }

                write.Turn = rooms.Enter(Math.Max(1, data.Length - write.Done), out write.Timer);
            }
            else if (write.Result == PieceResult.Miss)
            {
                DropMerge(write);
                write.Merge = misses.TryBegin(write.Offset + write.Done, 1);
                if (write.Merge is not null)
                {
                    return NextAction.ReadBacking;
                }
            }

            int left = store.Clip(write.Offset + write.Done, data.Length - write.Done);
            if (left == 0 && !data.IsEmpty)
            {
                return NextAction.Finished;
            }

            write.Result = TryWrite(
                write.Offset + write.Done, data.Slice(write.Done, left), write.Zeros, write.Turn, write.Merge,
                out int written);
            write.Done += written;
            if (write.Result == PieceResult.Done)
            {
                DropMerge(write);
                if (write.Done == data.Length || write.Turn is null)
                {
                    return NextAction.Finished;
                }
            }
        }
    }

    private void End(WaitingWrite write)
    {
        try
        {
            DropMerge(write);
        }
        finally
        {
            if (write.Turn is not null)
            {
                rooms.Leave(write.Turn, write.Timer);
            }
        }
    }

    private void DropMerge(WaitingWrite write)
    {
        if (write.Merge is { } merge)
        {
            write.Merge = null;
            misses.End(merge);
        }
    }

    /// <summary>How far a write has come that can't be done at once.</summary>
    private sealed class WaitingWrite(long offset, bool zeros)
    {
        public readonly long Offset = offset;
        public readonly bool Zeros = zeros;
        public PieceResult Result;
        public int Done;
        public SpaceWaiter? Turn;
        public ITimer? Timer;
        public MissOperation? Merge;
    }
}
