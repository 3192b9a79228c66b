// A device in front of another that fails, hangs and remembers on demand. Keeps true: a call is counted and recorded before anything else happens to it;
// a fault never changes what the device promises about callers it didn't strike; with nothing planned it is transparent (reads are never short).

namespace PCache.Core.Tests.Support;

/// <summary>Wraps a device: fails chosen calls once, for a while or for ever, lets calls hang until released, counts and records all of them. Thread-safe.</summary>
public sealed class FaultyBlockDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly bool _leaveOpen;
    private readonly Lock _lock = new();
    private readonly List<RecordedOperation> _history = [];
    private readonly List<Fault> _faults = [];
    private readonly long[] _counts = new long[Enum.GetValues<DeviceOperation>().Length];
    private readonly bool[] _hangs = new bool[Enum.GetValues<DeviceOperation>().Length];
    private readonly List<TaskCompletionSource> _hanging = [];
    private TaskCompletionSource _hangingChanged = NewSource();
    private long _sequence;

    /// <summary>Wraps a device.</summary>
    public FaultyBlockDevice(IBlockDevice inner, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
        _leaveOpen = leaveOpen;
    }

    /// <summary>The device behind.</summary>
    public IBlockDevice Inner => _inner;

    /// <inheritdoc/>
    public long Length => _inner.Length;

    /// <inheritdoc/>
    public int BlockSize => _inner.BlockSize;

    /// <inheritdoc/>
    public bool CanWrite => _inner.CanWrite;

    /// <inheritdoc/>
    public bool CanResize => _inner.CanResize;

    /// <inheritdoc/>
    public bool CanDiscard => _inner.CanDiscard;

    /// <summary>Whether Dispose or DisposeAsync was called.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Everything so far, in the order in which the calls began. A copy.</summary>
    public IReadOnlyList<RecordedOperation> History
    {
        get
        {
            lock (_lock)
            {
                return [.. _history];
            }
        }
    }

    /// <summary>How many calls hang now.</summary>
    public int HangingCount
    {
        get
        {
            lock (_lock)
            {
                return _hanging.Count;
            }
        }
    }

    /// <summary>How many calls of that kind there were, failed ones too.</summary>
    public long Count(DeviceOperation kind)
    {
        lock (_lock)
        {
            return _counts[(int)kind];
        }
    }

    /// <summary>Forgets counts and history; plans stay.</summary>
    public void ClearHistory()
    {
        lock (_lock)
        {
            _history.Clear();
            Array.Clear(_counts);
        }
    }

    /// <summary>Plans a fault: lets <paramref name="skip"/> calls of that kind pass, then fails <paramref name="times"/> (int.MaxValue: until Heal).</summary>
    /// <param name="kind">Which calls.</param>
    /// <param name="skip">How many, from now on, still succeed.</param>
    /// <param name="times">How many fail then.</param>
    /// <param name="moment">When in the call.</param>
    /// <param name="makeException">What to throw; an IOException if null.</param>
    public void Fail(DeviceOperation kind, long skip = 0, int times = 1, FaultMoment moment = FaultMoment.Before, Func<Exception>? makeException = null) =>
        Plan(new Fault(kind, 0, long.MaxValue, moment, makeException) { Skip = skip, Left = times });

    /// <summary>Plans a bad range: calls of that kind that touch it fail until Heal.</summary>
    public void FailRange(DeviceOperation kind, long offset, long lengthBytes, FaultMoment moment = FaultMoment.Before, Func<Exception>? makeException = null) =>
        Plan(new Fault(kind, offset, lengthBytes, moment, makeException) { Left = int.MaxValue });

    /// <summary>Drops every planned fault; what hangs still hangs.</summary>
    public void Heal()
    {
        lock (_lock)
        {
            _faults.Clear();
        }
    }

    /// <summary>From now on calls of that kind hang, before they reach the device, until <see cref="Release"/>.</summary>
    public void Hang(DeviceOperation kind)
    {
        lock (_lock)
        {
            _hangs[(int)kind] = true;
        }
    }

    /// <summary>Ends all hanging: the calls go on, later ones don't hang.</summary>
    public void Release()
    {
        TaskCompletionSource[] released;
        lock (_lock)
        {
            Array.Clear(_hangs);
            released = [.. _hanging];
            _hanging.Clear();
        }

        foreach (TaskCompletionSource one in released)
        {
            _ = one.TrySetResult();
        }
    }

    /// <summary>Completes when at least that many calls hang.</summary>
    public async Task WaitUntilHangingAsync(int count = 1, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_hanging.Count >= count)
                {
                    return;
                }

                changed = _hangingChanged.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        using var call = new Call(this, DeviceOperation.Read, offset, buffer.Length, WriteDurability.Normal);
        call.Hang();
        call.ThrowIf(FaultMoment.Before, FaultMoment.Halfway);
        int read = _inner.Read(offset, buffer);
        call.ThrowIf(FaultMoment.After);
        return call.Succeed(read);
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var call = new Call(this, DeviceOperation.Read, offset, buffer.Length, WriteDurability.Normal);
        await call.HangAsync(cancellationToken);
        call.ThrowIf(FaultMoment.Before, FaultMoment.Halfway);
        int read = await _inner.ReadAsync(offset, buffer, cancellationToken);
        call.ThrowIf(FaultMoment.After);
        return call.Succeed(read);
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        using var call = new Call(this, DeviceOperation.Write, offset, buffer.Length, durability);
        call.Hang();
        call.ThrowIf(FaultMoment.Before);
        if (call.Moment == FaultMoment.Halfway)
        {
            _inner.Write(offset, buffer[..Half(buffer.Length)]);
            call.ThrowIf(FaultMoment.Halfway);
        }

        _inner.Write(offset, buffer, durability);
        call.ThrowIf(FaultMoment.After);
        call.Succeed();
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        using var call = new Call(this, DeviceOperation.Write, offset, buffer.Length, durability);
        await call.HangAsync(cancellationToken);
        call.ThrowIf(FaultMoment.Before);
        if (call.Moment == FaultMoment.Halfway)
        {
            await _inner.WriteAsync(offset, buffer[..Half(buffer.Length)], WriteDurability.Normal, cancellationToken);
            call.ThrowIf(FaultMoment.Halfway);
        }

        await _inner.WriteAsync(offset, buffer, durability, cancellationToken);
        call.ThrowIf(FaultMoment.After);
        call.Succeed();
    }

    /// <inheritdoc/>
    public void Flush() => Run(DeviceOperation.Flush, 0, 0, WriteDurability.Normal, _inner.Flush);

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
        RunAsync(DeviceOperation.Flush, 0, 0, WriteDurability.Normal, () => _inner.FlushAsync(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        Run(DeviceOperation.WriteZeroes, offset, length, durability, () => _inner.WriteZeroes(offset, length, durability));

    /// <inheritdoc/>
    public ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default) =>
        RunAsync(
            DeviceOperation.WriteZeroes, offset, length, durability, () => _inner.WriteZeroesAsync(offset, length, durability, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public void Discard(long offset, long length) =>
        Run(DeviceOperation.Discard, offset, length, WriteDurability.Normal, () => _inner.Discard(offset, length));

    /// <inheritdoc/>
    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        RunAsync(DeviceOperation.Discard, offset, length, WriteDurability.Normal, () => _inner.DiscardAsync(offset, length, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public void SetLength(long length) => Run(DeviceOperation.SetLength, length, 0, WriteDurability.Normal, () => _inner.SetLength(length));

    /// <inheritdoc/>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        RunAsync(DeviceOperation.SetLength, length, 0, WriteDurability.Normal, () => _inner.SetLengthAsync(length, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        if (!_leaveOpen)
        {
            _inner.Dispose();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return _leaveOpen ? ValueTask.CompletedTask : _inner.DisposeAsync();
    }

    private static int Half(int lengthBytes) => lengthBytes / 2 / SectorPattern.SectorBytes * SectorPattern.SectorBytes;

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Plan(Fault fault)
    {
        lock (_lock)
        {
            _faults.Add(fault);
        }
    }

    private void Run(DeviceOperation kind, long offset, long lengthBytes, WriteDurability durability, Action action)
    {
        using var call = new Call(this, kind, offset, lengthBytes, durability);
        call.Hang();
        call.ThrowIf(FaultMoment.Before, FaultMoment.Halfway);
        action();
        call.ThrowIf(FaultMoment.After);
        call.Succeed();
    }

    private async ValueTask RunAsync(
        DeviceOperation kind, long offset, long lengthBytes, WriteDurability durability, Func<ValueTask> action, CancellationToken cancellationToken)
    {
        using var call = new Call(this, kind, offset, lengthBytes, durability);
        await call.HangAsync(cancellationToken);
        call.ThrowIf(FaultMoment.Before, FaultMoment.Halfway);
        await action();
        call.ThrowIf(FaultMoment.After);
        call.Succeed();
    }

    private sealed class Fault(DeviceOperation kind, long offset, long lengthBytes, FaultMoment moment, Func<Exception>? makeException)
    {
        public long Skip { get; set; }

        public int Left { get; set; }

        public FaultMoment Moment => moment;

        public Exception MakeException(long callOffset) => makeException?.Invoke() ?? new IOException($"Planned fault: {kind} at {callOffset}.");

        public bool Strikes(DeviceOperation callKind, long callOffset, long callLengthBytes)
        {
            bool touches = lengthBytes == long.MaxValue || (callOffset < offset + lengthBytes && offset < callOffset + callLengthBytes);
            if (callKind != kind || !touches || Left == 0)
            {
                return false;
            }

            if (Skip > 0)
            {
                Skip--;
                return false;
            }

            Left -= Left == int.MaxValue ? 0 : 1;
            return true;
        }
    }

    // One call from its start to its end: what isn't declared a success is recorded as an error.
    private sealed class Call : IDisposable
    {
        private readonly FaultyBlockDevice _owner;
        private readonly RecordedOperation _record;
        private readonly Exception? _planned;
        private readonly TaskCompletionSource? _hang;
        private bool _succeeded;

        public Call(FaultyBlockDevice owner, DeviceOperation kind, long offset, long lengthBytes, WriteDurability durability)
        {
            _owner = owner;
            lock (owner._lock)
            {
                _record = new RecordedOperation(kind, offset, lengthBytes, durability, ++owner._sequence);
                owner._history.Add(_record);
                owner._counts[(int)kind]++;
                foreach (Fault fault in owner._faults)
                {
                    // Every plan sees the call, so that each counts its own calls; the first that strikes wins.
                    if (fault.Strikes(kind, offset, lengthBytes) && _planned is null)
                    {
                        _planned = fault.MakeException(offset);
                        Moment = fault.Moment;
                    }
                }

                if (owner._hangs[(int)kind])
                {
                    _hang = NewSource();
                    owner._hanging.Add(_hang);
                    owner._hangingChanged.SetResult();
                    owner._hangingChanged = NewSource();
                }
            }
        }

        public FaultMoment? Moment { get; }

        public void Hang() => _hang?.Task.Wait();

        public Task HangAsync(CancellationToken cancellationToken) => _hang?.Task.WaitAsync(cancellationToken) ?? Task.CompletedTask;

        public void ThrowIf(params ReadOnlySpan<FaultMoment> moments)
        {
            if (Moment is FaultMoment moment && moments.Contains(moment))
            {
                throw _planned!;
            }
        }

        public void Succeed() => _succeeded = true;

        public int Succeed(int result)
        {
            _succeeded = true;
            return result;
        }

        public void Dispose()
        {
            lock (_owner._lock)
            {
                if (_hang is not null)
                {
                    _ = _owner._hanging.Remove(_hang);
                }

                Exception? error = _succeeded ? null : _planned ?? new IOException("The device behind failed, or the call was cancelled.");
                _record.Complete(++_owner._sequence, error);
            }
        }
    }
}
