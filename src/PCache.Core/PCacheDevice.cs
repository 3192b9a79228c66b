using PCache.Core.Engine;
using PCache.Core.Opening;

namespace PCache.Core;

/// <summary>
/// A persistent, crash-consistent write-back cache on a region of memory in front of a backing device: itself a block
/// device.
/// </summary>
/// <remarks>
/// <para>All members may be called from any number of threads. A read returns the latest write that returned before
/// it began; concurrent overlapping reads and writes are atomic for each sector of 512 bytes.</para>
/// <para>Durability: a write that returned may be lost in a crash until a flush (or an FUA write) has returned, but
/// is never torn inside a sector; with <see cref="PCacheOptions.PersistOn"/> set to write it survives the death of
/// the process at once; what was flushed survives the death of the process, and a power cut too where the region is
/// power-safe (see docs/durability.md).</para>
/// <para>A backing may call back into the device, on whatever thread it is called: reads, writes and flushes work
/// there. What would have to wait for the very call that it came from is refused: a write that needs room with
/// <see cref="PCacheFullException"/>, a drain, a truncation or a maintenance step with
/// <see cref="InvalidOperationException"/>.</para>
/// <para>The device owns region and backing from a successful create or open on, and disposes them with itself,
/// unless the options say otherwise; when creating or opening fails they stay the caller's.</para>
/// </remarks>
public sealed partial class PCacheDevice : IBlockDevice
{
    private readonly CacheEngine _engine;

    private PCacheDevice(CacheEngine engine, IBlockDevice backing)
    {
        _engine = engine;
        BlockSize = 1;
        CanDiscard = true;
        Backing = backing;
    }

    /// <summary>
    /// Raised after the device's state has changed in anything but times and the text of errors. On a thread of the
    /// pool, one call at a time, in order, under no lock: a handler may do whatever it wants with the device. While
    /// one runs, only the latest state is kept for the next. What a handler throws is logged and otherwise ignored.
    /// </summary>
    public event EventHandler<PCacheStateChangedEventArgs>? StateChanged
    {
        add => _engine.Listeners.Add(this, value);
        remove => _engine.Listeners.Remove(value);
    }

    /// <summary>What the open found and did. A newly created cache reports an empty log.</summary>
    public RecoveryReport Recovery => _engine.Report;

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public long Length
    {
        get
        {
            _engine.ThrowIfClosed();
            return _engine.Length;
        }
    }

    /// <summary>
    /// 1: any offset and length will do. The unit of caching is 512 bytes; writes that are multiples of it are the
    /// cheapest.
    /// </summary>
    public int BlockSize { get; }

    /// <inheritdoc/>
    public bool CanWrite => _engine.CanWrite;

    /// <inheritdoc/>
    public bool CanResize => _engine.CanResize;

    /// <inheritdoc/>
    public bool CanDiscard { get; }

    internal IBlockDevice Backing { get; }

    /// <summary>How long closing may take.</summary>
    internal TimeSpan DisposeTimeout => _engine.DisposeTimeout;

    /// <summary>The longest that it can become, as far as is known, in bytes.</summary>
    internal long MaxLengthBytes => _engine.MaxLengthBytes;

    /// <summary>For audits.</summary>
    internal CacheEngine Internals => _engine;

    /// <inheritdoc/>
    /// <exception cref="PCacheDamagedDataException">Dirty cached data of the range doesn't fit its
    /// checksum.</exception>
    public int Read(long offset, Span<byte> buffer) => _engine.Reads.Read(offset, buffer);

    /// <inheritdoc/>
    /// <exception cref="PCacheDamagedDataException">Dirty cached data of the range doesn't fit its
    /// checksum.</exception>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _engine.Reads.ReadAsync(offset, buffer, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="PCacheFullException">There was no room, and none could be made.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited for room; some of it
    /// may have been written.</exception>
    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        DeviceSetup.CheckDurability(durability);
        _engine.Writable.Writes.Write(offset, buffer, durability);
    }

    /// <inheritdoc/>
    /// <exception cref="PCacheFullException">There was no room, and none could be made.</exception>
    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        DeviceSetup.CheckDurability(durability);
        return _engine.Writable.Writes.WriteAsync(offset, buffer, durability, cancellationToken);
    }

    /// <summary>
    /// Writes many extents at once: as one write after the other in the order given (of overlapping ones the last
    /// wins), but with one fence and one pass over the locks for many of them. Each sector is written whole or not;
    /// the batch as a whole is not atomic: a crash or an exception may leave some of it written.
    /// </summary>
    /// <param name="writes">What to write; any number, empty ones allowed.</param>
    /// <param name="durability">With <see cref="WriteDurability.ForceUnitAccess"/> all of it is durable on
    /// return.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative offset, or a range past the end of a device that
    /// can't grow. Nothing was written.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="PCacheFullException">There was no room, and none could be made.</exception>
    /// <exception cref="IOException">The medium or the backing failed.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited for room; some of it
    /// may have been written.</exception>
    public void WriteBatch(ReadOnlySpan<BlockWrite> writes, WriteDurability durability = WriteDurability.Normal)
    {
        DeviceSetup.CheckDurability(durability);
        _engine.Writable.Batches.Write(writes, durability);
    }

    /// <inheritdoc cref="WriteBatch(ReadOnlySpan{BlockWrite}, WriteDurability)"/>
    /// <exception cref="OperationCanceledException">Cancelled; some of it may have been written.</exception>
    public ValueTask WriteBatchAsync(
        ReadOnlyMemory<BlockWrite> writes, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        DeviceSetup.CheckDurability(durability);
        return _engine.Writable.Batches.WriteAsync(writes, durability, cancellationToken);
    }

    /// <summary>Reads many extents at once, as one read after the other.</summary>
    /// <param name="reads">What to read; any number, empty ones allowed.</param>
    /// <returns>Bytes read in all: less than the buffers hold only where the device ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A negative offset. Nothing was read.</exception>
    /// <exception cref="PCacheDamagedDataException">Dirty cached data of a range doesn't fit its checksum.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium or the backing failed.</exception>
    public long ReadBatch(ReadOnlySpan<BlockRead> reads) => _engine.Reads.ReadBatch(reads);

    /// <inheritdoc cref="ReadBatch"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ValueTask<long> ReadBatchAsync(ReadOnlyMemory<BlockRead> reads,
        CancellationToken cancellationToken = default) => _engine.Reads.ReadBatchAsync(reads, cancellationToken);

    /// <inheritdoc/>
    public void Flush() => _engine.Flush();

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => _engine.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="PCacheFullException">There was no room, and none could be made.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited for room; some of it
    /// may have been written.</exception>
    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        DeviceSetup.CheckDurability(durability);
        _engine.Writable.Zeros.Write(offset, length, durability);
    }

    /// <inheritdoc/>
    /// <exception cref="PCacheFullException">There was no room, and none could be made.</exception>
    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        DeviceSetup.CheckDurability(durability);
        return _engine.Writable.Zeros.WriteAsync(offset, length, durability, cancellationToken);
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length) => _engine.Writable.Discards.Discard(offset, length);

    /// <inheritdoc/>
    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        _engine.Writable.Discards.Discard(offset, length);
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Sets the length. A shorter one first writes everything back and empties the log; nothing beyond it ever comes
    /// back.
    /// </summary>
    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">Called from inside a call of the backing that it would have to
    /// wait for.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited; a truncation shows
    /// already, and the next change of length finishes it.</exception>
    public void SetLength(long length) => _engine.Writable.Length.SetLength(length);

    /// <inheritdoc cref="SetLength"/>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        _engine.Writable.Length.SetLengthAsync(length, cancellationToken);

    /// <summary>
    /// The state now, typed: clean, dirty, stalled or degraded, since when, and why. Cheaper than
    /// <see cref="GetStatus"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheState State => _engine.State;

    /// <summary>A snapshot of state, figures and settings.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheStatus GetStatus() => _engine.GetStatus();

    /// <summary>
    /// Pauses write-back; only an explicit drain or a truncation still runs it. Writers that need room wait until it
    /// is resumed.
    /// </summary>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void PauseWriteback() => _engine.Writable.Control.SetPaused(true);

    /// <summary>Ends a pause.</summary>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void ResumeWriteback() => _engine.Writable.Control.SetPaused(false);

    /// <summary>
    /// What the backing alone is worth while something is dirty. A change counts from the next group or checkpoint on;
    /// it isn't kept across opens. A read-only device has <see cref="BackingConsistency.EachFlush"/>.
    /// </summary>
    /// <exception cref="ArgumentException">Checkpoints, and there is no place for their journal.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Not a defined value.</exception>
    /// <exception cref="NotSupportedException">Set on a device that is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public BackingConsistency BackingConsistency
    {
        get => _engine.Consistency;
        set => _engine.Writable.Control.SetConsistency(value);
    }

    /// <summary>
    /// Writes back everything that was written before the call, and flushes the backing; also while write-back is
    /// paused.
    /// </summary>
    /// <param name="progress">Told after each group, on the maintenance thread.</param>
    /// <param name="cancellationToken">Ends the wait; what was written back stays so.</param>
    /// <exception cref="PCacheException">The backing keeps failing; nothing is lost.</exception>
    /// <exception cref="PCacheStorageChangedException"> The backing was cut by another program, or is no longer the
    /// file under its name: nothing is written to it, and nothing is lost. Or the cache's own file isn't: everything
    /// was written back.
    /// </exception>
    /// <exception cref="InvalidOperationException">Called from inside a call of the backing that a maintenance step
    /// makes.</exception>
    /// <exception cref="PCacheDamagedDataException">All but damaged data was written back.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited; the write-back goes
    /// on.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void Drain(IProgress<DrainProgress>? progress = null, CancellationToken cancellationToken = default) =>
        _engine.Writable.Drains.Drain(progress, cancellationToken);

    /// <inheritdoc cref="Drain"/>
    public Task DrainAsync(IProgress<DrainProgress>? progress = null, CancellationToken cancellationToken = default) =>
        _engine.Writable.Drains.DrainAsync(progress, cancellationToken);

    /// <summary>
    /// Changes the percentage of used segments from which garbage collection runs; durable, kept across opens.
    /// </summary>
    /// <param name="percent">0 to 90.</param>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void SetGcThreshold(int percent) => _engine.Writable.Control.SetGcThreshold(percent);

    /// <summary>Changes the cache's label; durable.</summary>
    /// <param name="label">At most 64 bytes of UTF-8 without NUL; may be empty.</param>
    /// <exception cref="ArgumentException">Too long, or has a NUL.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void SetLabel(string label) => _engine.Writable.Control.SetLabel(label);

    /// <summary>
    /// Gives up damaged dirty data in a range (see <see cref="PCacheStatus.DamagedRanges"/>): it then reads as what
    /// the backing has.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative arguments.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void AbandonDamaged(long offset, long length) => _engine.Writable.Control.AbandonDamaged(offset, length);

    /// <summary>
    /// Runs one maintenance step; only with <see cref="MaintenanceMode.Manual"/>. Errors of the backing don't throw:
    /// they show in the status.
    /// </summary>
    /// <returns>When the next step is wanted: zero: at once; <see cref="Timeout.InfiniteTimeSpan"/>: there is nothing
    /// to do.</returns>
    /// <exception cref="InvalidOperationException">The device has a thread of its own, or a step is running on this
    /// thread already.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public TimeSpan RunMaintenanceStep() => _engine.Writable.RunMaintenanceStep();

    /// <summary>A new stream view with a position of its own; disposing it leaves the device open.</summary>
    /// <param name="bufferSize">0: unbuffered and coherent with all other views; else a private buffer with
    /// FileStream's meaning.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative buffer size.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheStream OpenStream(int bufferSize = 0)
    {
        _engine.ThrowIfClosed();
        return new PCacheStream(this, bufferSize, leaveOpen: true);
    }

    /// <summary>
    /// A new stream view that says from when on what it writes survives the death of the process; disposing it leaves
    /// the device open.
    /// </summary>
    /// <param name="persistOn"><see cref="PersistOn.Write"/>: from the moment when the write returns, whatever the
    /// device is set to; <see cref="PersistOn.Flush"/>: as the device is set to.</param>
    /// <param name="bufferSize">0: unbuffered and coherent with all other views; else a private buffer with
    /// FileStream's meaning: what has left it is persisted.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative buffer size, or no such value.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheStream OpenStream(PersistOn persistOn, int bufferSize = 0)
    {
        _engine.ThrowIfClosed();
        return new PCacheStream(this, persistOn, bufferSize, leaveOpen: true);
    }

    /// <summary>
    /// Logs every acknowledged write durably, then closes. Doesn't write back, unless
    /// <see cref="PCacheOptions.DrainOnDispose"/> asks for it. Operations in flight end normally; what hangs in the
    /// backing is waited for no longer than <see cref="PCacheOptions.DisposeTimeout"/>, which is for the whole of it.
    /// A thread that is interrupted meanwhile closes to the end, and is interrupted afterwards. Disposing once more,
    /// or at the same time, does nothing.
    /// </summary>
    /// <exception cref="IOException"> The last flush failed, or the drain that was asked for failed or didn't end in
    /// time, or region or backing failed at their end, with whatever error: it is the inner exception then. The
    /// device is closed all the same; what isn't written back stays dirty in the cache, safely. Or another program
    /// has cut, replaced or removed backing or cache file (<see cref="PCacheStorageChangedException"/>).
    /// </exception>
    public void Dispose() => _engine.Close();

    /// <inheritdoc cref="Dispose"/>
    public async ValueTask DisposeAsync() =>
        await Task.Factory.StartNew(_engine.Close, CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default).ConfigureAwait(false);
}
