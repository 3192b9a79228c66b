using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// A disk in memory that is volatile until flushed, loses power, fails, tears, misdirects and hangs as planned, and
/// watches its callers.
/// </summary>
/// <remarks>
/// <para>
/// The fault model: a write or a change of length is visible at once and durable after a flush that began after it
/// returned (or with FUA, for that write); a flush needn't take along what comes while it runs. At a power cut each
/// 512-byte sector that isn't durable holds, independently of all others, its durable content or any content written
/// since; changes of length are taken back from the last on, if at all, and what one that isn't taken back has cut
/// off never comes back. A kill of the process takes nothing back, and makes nothing durable either.
/// </para>
/// <para>
/// Keeps true: every breach of the block size and every write past the end of a disk that doesn't grow is refused and
/// kept in <see cref="Violations"/>; hooks run outside the disk's lock, on the caller's thread. Thread-safe.
/// </para>
/// </remarks>
public sealed partial class SimulatedDisk : IBlockDevice
{
    private readonly SteadyLock _gate = new(LockRank.Medium);
    private readonly List<string> _violations = [];
    private readonly long[] _calls = new long[Enum.GetValues<DiskOperation>().Length];
    private readonly HangingCalls _hanging = new();
    private readonly DiskFaults _faults;
    private readonly DiskState _state;
    private bool _disposed;

    /// <summary>Makes a disk of zeros.</summary>
    /// <param name="length">Length in bytes, 0 or more; only what is written takes memory.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative length, or a block size that isn't a power of two from
    /// 1 to 65,536.</exception>
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
        _state.Flush(_state.Changes);
    }

    private SimulatedDisk(DiskState state, SimulatedDiskOptions options)
    {
        if (options.BlockSize is < 1 or > 65_536 || !System.Numerics.BitOperations.IsPow2(options.BlockSize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), options.BlockSize, "The block size is a power of two from 1 to 65,536.");
        }

        _state = state;
        _faults = new DiskFaults(_hanging);
        Options = options;
    }

    /// <summary>The settings.</summary>
    public SimulatedDiskOptions Options { get; }

    /// <summary>
    /// Another disk of the same machine (for a cache's checkpoint journal, say): a crash of this one is a crash of
    /// both, and what it leaves of the other is the companion of what it leaves of this one. Null (the default): none.
    /// </summary>
    public SimulatedDisk? Companion { get; set; }

    /// <summary>
    /// Called before a call takes effect, after planned faults. What it throws, the call throws, and nothing
    /// happened.
    /// </summary>
    public Action<DiskCall>? BeforeCall { get; set; }

    /// <summary>Called after a call took effect. What it throws, the call throws.</summary>
    public Action<DiskCall>? AfterCall { get; set; }

    /// <summary>Calls that a planned fault has struck.</summary>
    internal int Struck => _faults.Struck;

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            using (_gate.Hold())
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

    /// <summary>
    /// What callers did wrong, and was refused: calls that aren't multiples of the block size, writes past the end of
    /// a disk that doesn't grow.
    /// </summary>
    public IReadOnlyList<string> Violations
    {
        get
        {
            using (_gate.Hold())
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
            using (_gate.Hold())
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
    /// <param name="fault">What, when and how often. Of several that strike one call, the one planned first decides;
    /// the others count the call all the same.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number of the fault is negative.</exception>
    public void Plan(DiskFault fault) => _faults.Add(fault);

    /// <summary>Drops every planned fault; what hangs goes on hanging.</summary>
    public void Heal() => _faults.Clear();

    /// <summary>Lets all calls that hang go on, and drops the plans to make others hang.</summary>
    public void ReleaseHanging() => _faults.Release();

    /// <summary>Completes when at least that many calls hang.</summary>
    /// <param name="count">How many, 1 or more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task WaitUntilHangingAsync(int count = 1, CancellationToken cancellationToken = default) =>
        _hanging.WaitAsync(count, cancellationToken);

    /// <summary>The content now, without being a call; also of a disk that is disposed.</summary>
    /// <exception cref="OverflowException">The disk is longer than an array can be.</exception>
    public byte[] Snapshot()
    {
        using (_gate.Hold())
        {
            return Peek(0, checked((int)_state.Length));
        }
    }

    /// <summary>
    /// Reads without being a call; also from a disk that is disposed. Bytes beyond the end are zeros.
    /// </summary>
    /// <param name="offset">First byte, 0 or more.</param>
    /// <param name="lengthBytes">Length in bytes, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is negative.</exception>
    public byte[] Peek(long offset, int lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        var bytes = new byte[lengthBytes];
        using (_gate.Hold())
        {
            _state.Read(offset, bytes.AsSpan(0, (int)Math.Clamp(_state.Length - offset, 0, lengthBytes)));
        }

        return bytes;
    }

    /// <summary>Reads without being a call.</summary>
    internal void Peek(long offset, Span<byte> buffer)
    {
        using (_gate.Hold())
        {
            _state.Read(offset, buffer);
        }
    }

    /// <summary>
    /// Another disk, as a kill of the process leaves this one: nothing is lost, what isn't flushed is still open.
    /// Without faults and hooks.
    /// </summary>
    public SimulatedDisk AfterKill()
    {
        SimulatedDisk? companion = Companion?.AfterKill();
        using (_gate.Hold())
        {
            return new SimulatedDisk(_state.AfterKill(), Options) { Companion = companion };
        }
    }

    /// <summary>Another disk, as a power cut now may leave this one. Without faults and hooks.</summary>
    /// <param name="random">Decides what of the unflushed is left; null: nothing of it.</param>
    public SimulatedDisk AfterPowerCut(Random? random)
    {
        SimulatedDisk? companion = Companion?.AfterPowerCut(random);
        using (_gate.Hold())
        {
            return new SimulatedDisk(_state.AfterPowerCut(random), Options) { Companion = companion };
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        CheckRange(offset, 0);
        var call = new DiskCall(DiskOperation.Read, offset, buffer.Length);
        DiskFault? fault = Enter(call);
        int read = ReadNow(call, buffer, fault);
        Leave(call, fault);
        return read;
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, 0);
        var call = new DiskCall(DiskOperation.Read, offset, buffer.Length);
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        int read = ReadNow(call, buffer.Span, fault);
        await LeaveAsync(call, fault, cancellationToken).ConfigureAwait(false);
        return read;
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        CheckWrite(offset, buffer.Length, durability);
        var call = new DiskCall(DiskOperation.Write, offset, buffer.Length, durability);
        DiskFault? fault = Enter(call);
        WriteNow(call, buffer, fault);
        Leave(call, fault);
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        CheckWrite(offset, buffer.Length, durability);
        var call = new DiskCall(DiskOperation.Write, offset, buffer.Length, durability);
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        WriteNow(call, buffer.Span, fault);
        await LeaveAsync(call, fault, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Flush() => Run(new DiskCall(DiskOperation.Flush, 0, 0), Changes());

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
        RunAsync(new DiskCall(DiskOperation.Flush, 0, 0), Changes(), cancellationToken);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        CheckWrite(offset, length, durability);
        Run(new DiskCall(DiskOperation.WriteZeroes, offset, length, durability), 0);
    }

    /// <inheritdoc/>
    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        CheckWrite(offset, length, durability);
        return RunAsync(new DiskCall(DiskOperation.WriteZeroes, offset, length, durability), 0, cancellationToken);
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        CheckRange(offset, length);
        Run(new DiskCall(DiskOperation.Discard, offset, length), 0);
    }

    /// <inheritdoc/>
    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        CheckRange(offset, length);
        return RunAsync(new DiskCall(DiskOperation.Discard, offset, length), 0, cancellationToken);
    }

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        CheckRange(length, 0);
        Run(new DiskCall(DiskOperation.SetLength, length, 0), 0);
    }

    /// <inheritdoc/>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        CheckRange(length, 0);
        return RunAsync(new DiskCall(DiskOperation.SetLength, length, 0), 0, cancellationToken);
    }

    /// <summary>
    /// Refuses all later calls, and lets those that hang go on. The content stays available to
    /// <see cref="Snapshot"/>, <see cref="Peek(long, int)"/>, and copies.
    /// </summary>
    public void Dispose()
    {
        Volatile.Write(ref _disposed, true);
        _faults.Release();
    }

    /// <inheritdoc cref="Dispose"/>
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

    private static void CheckWrite(long offset, long length, WriteDurability durability)
    {
        CheckRange(offset, length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, long.MaxValue - offset);
        if (durability is < WriteDurability.Normal or > WriteDurability.Persist)
        {
            throw new ArgumentOutOfRangeException(nameof(durability), durability, "There is no such durability.");
        }
    }

    private static Exception MakeException(DiskFault fault, DiskCall call) =>
        fault.MakeException?.Invoke()
            ?? new IOException($"Planned fault: {call.Operation} of {call.Offset}+{call.LengthBytes}.");

    /// <summary>A call without a payload.</summary>
    private void Run(DiskCall call, long changes)
    {
        DiskFault? fault = Enter(call);
        RunNow(call, changes, fault);
        Leave(call, fault);
    }

    private async ValueTask RunAsync(DiskCall call, long changes, CancellationToken cancellationToken)
    {
        DiskFault? fault = await EnterAsync(call, cancellationToken).ConfigureAwait(false);
        RunNow(call, changes, fault);
        await LeaveAsync(call, fault, cancellationToken).ConfigureAwait(false);
    }

    private long Changes()
    {
        using (_gate.Hold())
        {
            return _state.Changes;
        }
    }
}
