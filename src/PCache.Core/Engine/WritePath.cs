using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Writing: the ways in. Keeps true: a write that has nothing to wait for completes synchronously and allocates
/// nothing; arguments are checked, and the device is long enough, before anything is written; what is to survive the
/// process is in the log before the write returns, with no barrier of its own; a write that a truncation cuts off
/// returns after the truncation, so that a crash finds the one or the other. Any thread.
/// </summary>
internal sealed class WritePath
{
    private readonly ExtentStore _store;
    private readonly CounterSet _counters;
    private readonly OperationGate _gate;
    private readonly WorkSignal _work;
    private readonly SpaceQueue _space;
    private readonly DirectWriter _direct;
    private readonly DeviceLength _length;
    private readonly FlushPath _flushes;
    private readonly WaitingWrites _waiting;

    public WritePath(WriteParts parts, DirectWriter direct, WaitingWrites waiting)
    {
        _store = parts.Store;
        _counters = parts.Store.Counters;
        _gate = parts.Gate;
        _work = parts.Work;
        _space = parts.Space;
        _direct = direct;
        _length = parts.Length;
        _flushes = parts.Flushes;
        _waiting = waiting;
    }

    /// <inheritdoc cref="IBlockDevice.Write"/>
    public void Write(long offset, ReadOnlySpan<byte> data, WriteDurability durability)
    {
        Ranges.Check(offset, data.Length);
        int token = _gate.Enter();
        try
        {
            if (data.IsEmpty)
            {
                return;
            }

            int index = OperationGate.IndexOf(token);
            _counters.Add(index, DeviceCounter.Writes, 1);
            _length.Ensure(offset + data.Length);
            int done = WriteDirectly(index, offset, data);
            if (done < data.Length)
            {
                WriteAll(offset + done, data[done..], zeros: false);
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

    /// <summary>Completes synchronously, without a state machine, when nothing has to be waited for.</summary>
    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> data, WriteDurability durability, CancellationToken cancellationToken)
    {
        Ranges.Check(offset, data.Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        int token = _gate.Enter();
        try
        {
            int done = 0;
            int index = OperationGate.IndexOf(token);
            _counters.Add(index, DeviceCounter.Writes, data.IsEmpty ? 0 : 1);
            if (offset + data.Length <= _store.Length && _flushes.CanLogAtOnce(durability))
            {
                done = WriteAtOnce(index, offset, data.Span);
                if (done >= data.Length)
                {
                    if (_flushes.NeedsLog(durability))
                    {
                        _flushes.LogNow(durability);
                    }

                    _counters.Add(index, DeviceCounter.WrittenBytes, data.Length);
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
                _work.Tell();
            }
        }
    }

    /// <summary>
    /// Writes all of it, waiting where that is needed; what a truncation cuts off is left out. Within an operation.
    /// </summary>
    public void WriteAll(long offset, ReadOnlySpan<byte> data, bool zeros)
    {
        _counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, data.Length);
        int done = 0;
        while (_store.Clip(offset + done, data.Length - done) is var left && left > 0)
        {
            PieceResult result = _waiting.TryWrite(offset + done, data.Slice(done, left), zeros, out int written);
            if (result is PieceResult.NoRoom or PieceResult.Miss)
            {
                written = _waiting.Write(result, offset + done, data.Slice(done, left), zeros);
            }

            done += written;
        }

        if (done < data.Length)
        {
            _length.WaitForTruncation();
        }
    }

    /// <summary>The same from <paramref name="done"/> bytes on.</summary>
    public async ValueTask WriteAllAsync(
        long offset, ReadOnlyMemory<byte> data, int done, bool zeros, CancellationToken cancellationToken)
    {
        _counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, data.Length);
        while (_store.Clip(offset + done, data.Length - done) is var left && left > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            PieceResult result = _waiting.TryWrite(offset + done, data.Span.Slice(done, left), zeros, out int written);
            if (result is PieceResult.NoRoom or PieceResult.Miss)
            {
                written = await _waiting.WriteAsync(
                    result, offset + done, data.Slice(done, left), zeros, cancellationToken)
                    .ConfigureAwait(false);
            }

            done += written;
        }

        if (done < data.Length)
        {
            await _length.WaitForTruncationAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private int WriteDirectly(int index, long offset, ReadOnlySpan<byte> data) =>
        DirectWriter.Fits(offset, data.Length) && _space.MayTake(null, data.Length) ? _direct
            .Write(index, offset, data) : 0;

    /// <summary>Writes what can be written without waiting; the caller counts the bytes.</summary>
    private int WriteAtOnce(int index, long offset, ReadOnlySpan<byte> data)
    {
        int done = data.IsEmpty ? 0 : WriteDirectly(index, offset, data);
        _counters.Add(index, DeviceCounter.WrittenBytes, -done);
        while (_store.Clip(offset + done, data.Length - done) is var left && left > 0)
        {
            if (_waiting.TryWrite(offset + done, data.Slice(done, left), zeros: false, out int written)
                is PieceResult.NoRoom or PieceResult.Miss)
            {
                break;
            }

            done += written;
        }

        return done;
    }

    private async ValueTask WriteRestAsync(
        long offset, ReadOnlyMemory<byte> data, int done, WriteDurability durability, int token,
        CancellationToken cancellationToken)
    {
        try
        {
            if (data.IsEmpty)
            {
                return;
            }

            await _length.EnsureAsync(offset + data.Length, cancellationToken).ConfigureAwait(false);
            await WriteAllAsync(offset, data, done, zeros: false, cancellationToken).ConfigureAwait(false);
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
}
