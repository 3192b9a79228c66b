using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Writing: the ways in. Keeps true: a write that needs nobody to wait completes synchronously and allocates nothing; arguments are checked, and the device
/// is long enough, before anything is written; what is to survive the process is in the log before the write returns, with no barrier of its own; a write that a truncation cuts off returns after the truncation, so that a crash finds the one or the other. Pieces and
/// waiting have files of their own.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>A power of two of zero bytes: what write-zeroes writes where it can't do without payload.</summary>
    private static readonly byte[] Zeros = new byte[1 << 20];

    public void Write(long offset, ReadOnlySpan<byte> data, WriteDurability durability)
    {
        CheckRange(offset, data.Length);
        int token = EnterWritable();
        try
        {
            if (data.IsEmpty)
            {
                return;
            }

            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, 1);
            EnsureLength(offset + data.Length);
            int done = WriteDirectly(OperationGate.IndexOf(token), offset, data);
            if (done < data.Length)
            {
                WriteAll(offset + done, data[done..], zeros: false);
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

    /// <summary>Makes a range zero; whole sectors cost a key each, no payload.</summary>
    public void WriteZeroes(long offset, long length, WriteDurability durability)
    {
        CheckRange(offset, length);
        int token = EnterWritable();
        try
        {
            if (length == 0)
            {
                return;
            }

            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, 1);
            EnsureLength(offset + length);
            for (long done = 0; done < length;)
            {
                int n = ZeroChunk(offset + done, length - done);
                WriteAll(offset + done, Zeros.AsSpan(0, n), zeros: true);
                done += n;
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

    /// <inheritdoc cref="WriteZeroes"/>
    public async ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability, CancellationToken cancellationToken)
    {
        CheckRange(offset, length);
        cancellationToken.ThrowIfCancellationRequested();
        int token = EnterWritableShared();
        try
        {
            if (length == 0)
            {
                return;
            }

            _counters.Add(ThreadIndex.Current, DeviceCounter.Writes, 1);
            await EnsureLengthAsync(offset + length, cancellationToken).ConfigureAwait(false);
            for (long done = 0; done < length;)
            {
                int n = ZeroChunk(offset + done, length - done);
                await WriteAllAsync(offset + done, Zeros.AsMemory(0, n), 0, zeros: true, cancellationToken).ConfigureAwait(false);
                done += n;
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

    /// <summary>Up to the next boundary of the zero block, so that whole sectors stay whole.</summary>
    private static int ZeroChunk(long offset, long length) => (int)Math.Min(length, Zeros.Length - (offset & (Zeros.Length - 1)));

    private void WriteAll(long offset, ReadOnlySpan<byte> data, bool zeros)
    {
        _counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, data.Length);
        int done = 0;
        while (Clip(offset, data.Length, done) is var left && left > 0)
        {
            WriteStep step = TryWriteSome(offset + done, data.Slice(done, left), zeros, turn: null, merge: null, out int written);
            if (step is WriteStep.NoRoom or WriteStep.Miss)
            {
                written = WriteSlowly(step, offset + done, data.Slice(done, left), zeros);
            }

            done += written;
        }

        if (done < data.Length)
        {
            WaitForTruncation();
        }
    }

    private async ValueTask WriteAllAsync(long offset, ReadOnlyMemory<byte> data, int done, bool zeros, CancellationToken cancellationToken)
    {
        _counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, data.Length);
        while (Clip(offset, data.Length, done) is var left && left > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            WriteStep step = TryWriteSome(offset + done, data.Span.Slice(done, left), zeros, turn: null, merge: null, out int written);
            if (step is WriteStep.NoRoom or WriteStep.Miss)
            {
                written = await WriteSlowlyAsync(step, offset + done, data.Slice(done, left), zeros, cancellationToken).ConfigureAwait(false);
            }

            done += written;
        }

        if (done < data.Length)
        {
            await WaitForTruncationAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Completes synchronously, without a state machine, when nothing has to be waited for.</summary>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, WriteDurability durability, CancellationToken cancellationToken)
    {
        CheckRange(offset, data.Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        int token = EnterWritable();
        try
        {
            int done = 0;
            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, data.IsEmpty ? 0 : 1);
            if (offset + data.Length <= Length && (_drainIsCheap || !NeedsLog(durability)))
            {
                int index = OperationGate.IndexOf(token);
                done = data.IsEmpty ? 0 : WriteDirectly(index, offset, data.Span);
                _counters.Add(index, DeviceCounter.WrittenBytes, -done); // counted as a whole below
                while (Clip(offset, data.Length, done) is var left && left > 0)
                {
                    if (TryWriteSome(offset + done, data.Span.Slice(done, left), zeros: false, turn: null, merge: null, out int written) is WriteStep.NoRoom or WriteStep.Miss)
                    {
                        break;
                    }

                    done += written;
                }

                if (done >= data.Length && !(IsForced(durability) && GrowthUnflushed))
                {
                    _counters.Add(index, DeviceCounter.WrittenBytes, data.Length);
                    if (IsForced(durability))
                    {
                        FlushMedium(); // no call of the backing
                    }
                    else if (NeedsLog(durability))
                    {
                        LogNow(durability);
                    }

                    return ValueTask.CompletedTask;
                }
            }

            int entered = _gate.Share(token);
            token = -1;
            return WriteRestAsync(offset, data, done, durability, entered, cancellationToken);
        }
        finally
        {
            if (token >= 0)
            {
                _gate.Exit(token);
                _maintenance.NoteWork();
            }
        }
    }

    private async ValueTask WriteRestAsync(long offset, ReadOnlyMemory<byte> data, int done, WriteDurability durability, int token, CancellationToken cancellationToken)
    {
        try
        {
            if (data.IsEmpty)
            {
                return;
            }

            await EnsureLengthAsync(offset + data.Length, cancellationToken).ConfigureAwait(false);
            await WriteAllAsync(offset, data, done, zeros: false, cancellationToken).ConfigureAwait(false);
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

    /// <summary>Whether a write has to be in the log before it returns.</summary>
    private bool NeedsLog(WriteDurability durability) => durability != WriteDurability.Normal || _persistWrites;

    /// <summary>Logs what was written: with a barrier behind it, durably, where that is asked for; else so that it survives the process.</summary>
    private void LogNow(WriteDurability durability)
    {
        if (IsForced(durability))
        {
            FlushLog();
        }
        else if (durability == WriteDurability.Persist || _persistWrites)
        {
            PersistMedium();
        }
    }

    /// <inheritdoc cref="LogNow"/>
    private async ValueTask LogNowAsync(WriteDurability durability, CancellationToken cancellationToken)
    {
        if (IsForced(durability))
        {
            await FlushLogAsync(cancellationToken).ConfigureAwait(false);
        }
        else if (_drainIsCheap)
        {
            LogNow(durability);
        }
        else
        {
            await Task.Run(() => LogNow(durability), cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsForced(WriteDurability durability) => durability == WriteDurability.ForceUnitAccess;

    /// <summary>What of a write is left and lies inside the device (a shrink may have cut it off).</summary>
    private int Clip(long offset, int length, int done) => (int)Math.Clamp(Length - (offset + done), 0, length - done);
}
