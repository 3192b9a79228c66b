namespace PCache.Core.Engine;

/// <summary>
/// Writes that can't be done at once: they wait for room, or for the rest of a partial sector. Keeps true: a writer that has waited keeps its turn until
/// all of its write is done, so that a large write isn't interleaved with those behind it; however it ends, it leaves no placeholder and no place in the queue.
/// </summary>
internal sealed partial class CacheEngine
{
    private enum SlowAction
    {
        /// <summary>There is nothing more to do here.</summary>
        Finished,

        /// <summary>Wait until it is this writer's turn, or there may be room.</summary>
        WaitForRoom,

        /// <summary>Read what <see cref="SlowWrite.Merge"/> wants from the backing.</summary>
        ReadBacking,
    }

    /// <summary>Writes what could not be written at once; returns the bytes written, less than all only where the rest needs no waiting or was cut off by a truncation.</summary>
    private int WriteSlowly(WriteStep step, long offset, ReadOnlySpan<byte> data, bool zeros)
    {
        var write = new SlowWrite(offset, zeros) { Step = step };
        try
        {
            while (true)
            {
                switch (Advance(write, data))
                {
                    case SlowAction.WaitForRoom:
                        WaitForRoom(write.Turn!);
                        break;
                    case SlowAction.ReadBacking:
                        if (!ReadBacking(write.Merge!))
                        {
                            DropMerge(write);
                        }

                        break;
                    default:
                        return write.Done;
                }

                write.Step = WriteStep.Again;
            }
        }
        catch (PCacheFullException e) when (_diagnostics.NoteNoRoom(e))
        {
            throw;
        }
        finally
        {
            End(write);
        }
    }

    /// <inheritdoc cref="WriteSlowly"/>
    private async ValueTask<int> WriteSlowlyAsync(WriteStep step, long offset, ReadOnlyMemory<byte> data, bool zeros, CancellationToken cancellationToken)
    {
        var write = new SlowWrite(offset, zeros) { Step = step };
        try
        {
            while (true)
            {
                switch (Advance(write, data.Span))
                {
                    case SlowAction.WaitForRoom:
                        await WaitForRoomAsync(write.Turn!, cancellationToken).ConfigureAwait(false);
                        break;
                    case SlowAction.ReadBacking:
                        if (!await ReadBackingAsync(write.Merge!, cancellationToken).ConfigureAwait(false))
                        {
                            DropMerge(write);
                        }

                        break;
                    default:
                        return write.Done;
                }

                write.Step = WriteStep.Again;
            }
        }
        catch (PCacheFullException e) when (_diagnostics.NoteNoRoom(e))
        {
            throw;
        }
        finally
        {
            End(write);
        }
    }

    /// <summary>Gets on with a write as far as that goes without waiting.</summary>
    private SlowAction Advance(SlowWrite write, ReadOnlySpan<byte> data)
    {
        while (true)
        {
            if (write.Step == WriteStep.NoRoom)
            {
                if (write.Turn is not null)
                {
                    return SlowAction.WaitForRoom;
                }

                write.Turn = EnterQueue(data.Length - write.Done, out write.Timer);
            }
            else if (write.Step == WriteStep.Miss)
            {
                DropMerge(write);
                write.Merge = BeginMiss(write.Offset + write.Done, 1);
                if (write.Merge is not null)
                {
                    return SlowAction.ReadBacking;
                }
            }

            int left = Clip(write.Offset, data.Length, write.Done);
            if (left == 0)
            {
                return SlowAction.Finished;
            }

            write.Step = TryWriteSome(write.Offset + write.Done, data.Slice(write.Done, left), write.Zeros, write.Turn, write.Merge, out int written);
            write.Done += written;
            if (write.Step == WriteStep.Done)
            {
                DropMerge(write);
                if (write.Done == data.Length || write.Turn is null)
                {
                    return SlowAction.Finished;
                }
            }
        }
    }

    private void End(SlowWrite write)
    {
        try
        {
            DropMerge(write);
        }
        finally
        {
            LeaveQueue(write.Turn, write.Timer);
        }
    }

    private void DropMerge(SlowWrite write)
    {
        if (write.Merge is { } merge)
        {
            write.Merge = null;
            EndMiss(merge);
        }
    }

    /// <summary>How far a write has come that can't be done at once.</summary>
    private sealed class SlowWrite(long offset, bool zeros)
    {
        public readonly long Offset = offset;
        public readonly bool Zeros = zeros;
        public WriteStep Step;
        public int Done;
        public SpaceWaiter? Turn;
        public ITimer? Timer;
        public MissOperation? Merge;
    }
}
