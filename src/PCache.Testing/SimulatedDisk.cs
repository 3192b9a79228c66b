using PCache.Core;

namespace PCache.Testing;

/// <summary>Settings of a <see cref="SimulatedDisk"/>.</summary>
public sealed record SimulatedDiskOptions
{
    /// <summary>Unit of I/O in bytes, a power of two from 1 to 65,536; calls that aren't multiples of it are violations. Default 1. Sectors of 512 bytes are atomic in any case.</summary>
    public int BlockSize { get; init; } = 1;

    /// <summary>Whether writing is allowed. Default true.</summary>
    public bool CanWrite { get; init; } = true;

    /// <summary>Whether the length can be changed. Default false.</summary>
    public bool CanResize { get; init; }

    /// <summary>Whether a discard does anything: it overwrites the range with garbage, since its content is undefined. Default false.</summary>
    public bool CanDiscard { get; init; }

    /// <summary>Clock that slow calls move; null: slow calls really take their time.</summary>
    public VirtualClock? Clock { get; init; }
}

/// <summary>
/// A disk in memory that is volatile until flushed, loses power, fails, tears, misdirects and hangs as planned, and watches its callers.
/// </summary>
/// <remarks>
/// <para>
/// The fault model: a write or a change of length is visible at once and durable after a flush that began after it returned (or with FUA, for that write).
/// At a power cut each 512-byte sector that isn't durable holds, independently of all others, its durable content or any content written since; changes
/// of length are taken back from the last on, if at all. A kill of the process takes nothing back.
/// </para>
/// <para>
/// Keeps true: every breach of the block size and every write past the end is kept in <see cref="Violations"/>; hooks run outside the disk's lock, on the caller's
/// thread. Thread-safe.
/// </para>
/// </remarks>
public sealed class SimulatedDisk : IBlockDevice
{
    private readonly Lock _gate = new();
    private readonly List<string> _violations = [];
    private readonly long[] _calls = new long[Enum.GetValues<DiskOperation>().Length];
    private readonly DiskFaults _faults = new();
    private readonly HangingCalls _hanging = new();
    private readonly DiskState _state;
    private bool _disposed;

    /// <summary>Makes a disk of zeros.</summary>
    /// <param name="length">Length in bytes, 0 or more; only what is written takes memory.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative length, or a block size that isn't a power of two from 1 to 65,536.</exception>
    public SimulatedDisk(long length, SimulatedDiskOptions? options = null)
        : this(new DiskState(CheckedLength(length)), options ?? new SimulatedDiskOptions())
    {
    }

    /// <summary>Makes a disk that holds <paramref name="content"/>, all of it durable.</summary>
    /// <param name="content">The bytes; copied.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The block size isn't a power of two from 1 to 65,536.</exception>
    public SimulatedDisk(ReadOnlySpan<byte> content, SimulatedDiskOptions? options = null)
        : this(content.Length, options)
    {
        _state.Write(0, content);
        _state.Flush();
    }

    private SimulatedDisk(DiskState state, SimulatedDiskOptions options)
    {
        if (options.BlockSize is < 1 or > 65_536 || !System.Numerics.BitOperations.IsPow2(options.BlockSize))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.BlockSize, "The block size is a power of two from 1 to 65,536.");
        }

        _state = state;
        Options = options;
    }

    /// <summary>The settings.</summary>
    public SimulatedDiskOptions Options { get; }

    /// <summary>Called before a call takes effect, after planned faults. What it throws, the call throws, and nothing happened.</summary>
    public Action<DiskCall>? BeforeCall { get; set; }

    /// <summary>Called after a call took effect. What it throws, the call throws.</summary>
    public Action<DiskCall>? AfterCall { get; set; }

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            lock (_gate)
            {
                return _state.Length;
            }
        }
    }

    /// <inheritdoc/>
    public int BlockSize => Options.BlockSize;

    /// <inheritdoc/>
    public bool CanWrite => Options.CanWrite;

    /// <inheritdoc/>
    public bool CanResize => Options.CanResize;

    /// <inheritdoc/>
    public bool CanDiscard => Options.CanDiscard;

    /// <summary>Whether it was disposed. Its content stays available to tests.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>What callers did wrong: calls that aren't multiples of the block size, writes past the end.</summary>
    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate)
            {
                return [.. _violations];
            }
        }
    }

    /// <summary>Whether a power cut now could leave more than one state.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_gate)
            {
                return _state.IsOpen;
            }
        }
    }

    /// <summary>Number of calls hanging now.</summary>
    public int HangingCount => _hanging.Count;

    /// <summary>Number of calls of a kind so far, failed ones too.</summary>
    /// <param name="operation">The kind.</param>
    public long Calls(DiskOperation operation) => Volatile.Read(ref _calls[(int)operation]);

    /// <summary>Plans a fault.</summary>
    /// <param name="fault">What, when and how often.</param>
    public void Plan(DiskFault fault) => _faults.Add(fault);

    /// <summary>Drops every planned fault; what hangs goes on hanging.</summary>
    public void Heal() => _faults.Clear();

    /// <summary>Lets all calls that hang go on, and those planned to hang no longer do.</summary>
    public void ReleaseHanging() => _hanging.Release();

    /// <summary>Completes when at least that many calls hang.</summary>
    /// <param name="count">How many, 1 or more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitUntilHangingAsync(int count = 1, CancellationToken cancellationToken = default) => _hanging.WaitAsync(count, cancellationToken);

    /// <summary>The content now, without being a call.</summary>
    /// <exception cref="ArgumentException">The disk is larger than an array can be.</exception>
    public byte[] Snapshot() => Peek(0, checked((int)Length));

    /// <summary>Reads without being a call. Bytes beyond the end are zeros.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="lengthBytes">Length in bytes.</param>
    public byte[] Peek(long offset, int lengthBytes)
    {
        var bytes = new byte[lengthBytes];
        lock (_gate)
        {
            _state.Read(offset, bytes);
        }

        return bytes;
    }

    /// <summary>Reads without being a call.</summary>
    internal void Peek(long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            _state.Read(offset, buffer);
        }
    }

    /// <summary>Another disk, as a kill of the process leaves this one: nothing is lost, what isn't flushed is still open. Without faults and hooks.</summary>
    public SimulatedDisk AfterKill()
    {
        lock (_gate)
        {
            return new SimulatedDisk(_state.AfterKill(), Options);
        }
    }

    /// <summary>Another disk, as a power cut now may leave this one. Without faults and hooks.</summary>
    /// <param name="random">Decides what of the unflushed is left; null: nothing of it.</param>
    public SimulatedDisk AfterPowerCut(Random? random)
    {
        lock (_gate)
        {
            return new SimulatedDisk(_state.AfterPowerCut(random), Options);
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        CheckRange(offset, 0);
        var call = new DiskCall(DiskOperation.Read, offset, buffer.Length);
        DiskFault? fault = EnterSync(call);
        int read = ReadNow(offset, fault?.Kind == DiskFaultKind.ShortRead ? buffer[..(buffer.Length / 2)] : buffer);
        Leave(call, fault);
        return read;
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, 0);
        var call = new DiskCall(DiskOperation.Read, offset, buffer.Length);
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        int read = ReadNow(offset, (fault?.Kind == DiskFaultKind.ShortRead ? buffer[..(buffer.Length / 2)] : buffer).Span);
        Leave(call, fault);
        return read;
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        CheckRange(offset, buffer.Length);
        var call = new DiskCall(DiskOperation.Write, offset, buffer.Length, durability);
        WriteNow(call, buffer, EnterSync(call));
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, buffer.Length);
        var call = new DiskCall(DiskOperation.Write, offset, buffer.Length, durability);
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        WriteNow(call, buffer.Span, fault);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        var call = new DiskCall(DiskOperation.Flush, 0, 0);
        FlushNow(call, EnterSync(call));
    }

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        var call = new DiskCall(DiskOperation.Flush, 0, 0);
        FlushNow(call, await EnterAsync(call, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        CheckRange(offset, length);
        var call = new DiskCall(DiskOperation.WriteZeroes, offset, length, durability);
        WriteNow(call, new byte[checked((int)length)], EnterSync(call));
    }

    /// <inheritdoc/>
    public async ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, length);
        var call = new DiskCall(DiskOperation.WriteZeroes, offset, length, durability);
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        WriteNow(call, new byte[checked((int)length)], fault);
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        CheckRange(offset, length);
        var call = new DiskCall(DiskOperation.Discard, offset, length);
        DiscardNow(call, EnterSync(call));
    }

    /// <inheritdoc/>
    public async ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, length);
        var call = new DiskCall(DiskOperation.Discard, offset, length);
        DiscardNow(call, await EnterAsync(call, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        CheckRange(length, 0);
        var call = new DiskCall(DiskOperation.SetLength, length, 0);
        SetLengthNow(call, EnterSync(call));
    }

    /// <inheritdoc/>
    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        CheckRange(length, 0);
        var call = new DiskCall(DiskOperation.SetLength, length, 0);
        SetLengthNow(call, await EnterAsync(call, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Volatile.Write(ref _disposed, true);
        _hanging.Release();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private static long CheckedLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return length;
    }

    private static void CheckRange(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
    }

    private static Exception MakeException(DiskFault fault, DiskCall call) =>
        fault.MakeException?.Invoke() ?? new IOException($"Planned fault: {call.Operation} of {call.Offset}+{call.LengthBytes}.");

    private DiskFault? EnterSync(DiskCall call)
    {
        DiskFault? fault = Begin(call);
        if (fault?.Kind == DiskFaultKind.Hang)
        {
            _hanging.Hang().GetAwaiter().GetResult();
        }
        else if (fault?.Kind == DiskFaultKind.Delay && !MovesClock(fault.Delay))
        {
            Thread.Sleep(fault.Delay);
        }

        return Entered(call, fault);
    }

    private async ValueTask<DiskFault?> EnterAsync(DiskCall call, CancellationToken cancellationToken)
    {
        DiskFault? fault = Begin(call);
        cancellationToken.ThrowIfCancellationRequested();
        if (fault?.Kind == DiskFaultKind.Hang)
        {
            await _hanging.Hang().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        else if (fault?.Kind == DiskFaultKind.Delay && !MovesClock(fault.Delay))
        {
            await Task.Delay(fault.Delay, cancellationToken).ConfigureAwait(false);
        }

        return Entered(call, fault);
    }

    private bool MovesClock(TimeSpan by)
    {
        Options.Clock?.Advance(by);
        return Options.Clock is not null;
    }

    private DiskFault? Begin(DiskCall call)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        _ = Interlocked.Increment(ref _calls[(int)call.Operation]);
        return _faults.Strike(call);
    }

    private DiskFault? Entered(DiskCall call, DiskFault? fault)
    {
        bool halves = fault?.Kind == DiskFaultKind.HalfThenError && call.Operation == DiskOperation.Write;
        if (fault?.Kind == DiskFaultKind.Error || (fault?.Kind == DiskFaultKind.HalfThenError && !halves))
        {
            throw MakeException(fault, call);
        }

        BeforeCall?.Invoke(call);
        return fault;
    }

    private void Leave(DiskCall call, DiskFault? fault)
    {
        if (fault?.Kind is DiskFaultKind.ErrorAfterEffect or DiskFaultKind.HalfThenError)
        {
            throw MakeException(fault, call);
        }

        AfterCall?.Invoke(call);
    }

    private int ReadNow(long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            CheckAligned("read", offset, buffer.Length);
            int count = (int)Math.Clamp(_state.Length - offset, 0, buffer.Length);
            _state.Read(offset, buffer[..count]);
            return count;
        }
    }

    private void WriteNow(DiskCall call, ReadOnlySpan<byte> bytes, DiskFault? fault)
    {
        CheckWritable();
        lock (_gate)
        {
            CheckAligned("write", call.Offset, bytes.Length);
            long offset = call.Offset;
            if (offset + bytes.Length > _state.Length)
            {
                if (!CanResize)
                {
                    string violation = $"write of {offset}+{bytes.Length} past the end {_state.Length}";
                    _violations.Add(violation);
                    throw new ArgumentOutOfRangeException(nameof(call), violation);
                }

                _state.SetLength(offset + bytes.Length);
            }

            switch (fault?.Kind)
            {
                case DiskFaultKind.Lost:
                    break;
                case DiskFaultKind.Misdirect:
                    _state.Write(Math.Clamp(offset + fault.MisdirectBy, 0, Math.Max(0, _state.Length - bytes.Length)), bytes);
                    break;
                case DiskFaultKind.HalfThenError:
                    _state.Write(offset, bytes[..(bytes.Length / 2 / DiskState.SectorBytes * DiskState.SectorBytes)]);
                    break;
                default:
                    _state.Write(offset, bytes);
                    break;
            }

            if (call.Durability == WriteDurability.ForceUnitAccess && fault?.Kind is not (DiskFaultKind.HalfThenError or DiskFaultKind.Lost))
            {
                _state.Flush(); // more than a write with FUA has to do, and allowed
            }
        }

        Leave(call, fault);
    }

    private void FlushNow(DiskCall call, DiskFault? fault)
    {
        lock (_gate)
        {
            if (fault?.Kind != DiskFaultKind.Lost)
            {
                _state.Flush();
            }
        }

        Leave(call, fault);
    }

    private void DiscardNow(DiskCall call, DiskFault? fault)
    {
        CheckWritable();
        lock (_gate)
        {
            CheckAligned("discard", call.Offset, call.LengthBytes);
            int count = (int)Math.Clamp(_state.Length - call.Offset, 0, call.LengthBytes);
            if (CanDiscard && count > 0)
            {
                var garbage = new byte[count];
                Array.Fill(garbage, (byte)0xDD);
                _state.Write(call.Offset, garbage);
            }
        }

        Leave(call, fault);
    }

    private void SetLengthNow(DiskCall call, DiskFault? fault)
    {
        CheckWritable();
        if (!CanResize)
        {
            throw new NotSupportedException("The disk has a fixed length.");
        }

        lock (_gate)
        {
            _state.SetLength(call.Offset);
        }

        Leave(call, fault);
    }

    private void CheckWritable()
    {
        if (!CanWrite)
        {
            throw new NotSupportedException("The disk is read-only.");
        }
    }

    private void CheckAligned(string what, long offset, long length)
    {
        if (offset % BlockSize != 0 || (length % BlockSize != 0 && offset + length != _state.Length))
        {
            _violations.Add($"{what} of {offset}+{length} isn't a multiple of {BlockSize}");
        }
    }
}
