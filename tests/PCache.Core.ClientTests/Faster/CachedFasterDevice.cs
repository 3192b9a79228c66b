// FASTER's log device on a cache: copy this file (and CachedFasterFiles.cs, if checkpoints are to be on the cache too)
// into an application. docs/clients.md says what to mind.

using System.Buffers;
using System.Collections.Concurrent;
using FASTER.core;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// A range of a block device, as FASTER's <see cref="IDevice"/>: the log of a FasterLog or FasterKV, or a file of a
/// checkpoint.
/// </summary>
/// <remarks>
/// Keeps true:
/// * Segment s of the log lies at <c>start + s * segment size</c>: addresses are never used again, so the range has to
/// be as long as the log will ever become
///   (the device under it may be sparse). What doesn't fit is refused with an error code, and nothing is written.
/// * A write is durable when its callback runs, since FASTER takes that for granted: it commits what its callbacks have
/// reported. So writes are FUA writes.
/// * A callback never runs on the stack of the call that it answers: FASTER issues the next operation from inside a
/// callback, and a cache answers most calls at
///   once. All callbacks are queued to the pool; nothing blocks a thread of it.
/// * Every operation is answered exactly once, with error code 0 only if all of it was done; <see cref="LastError"/>
/// keeps the reason of the last that wasn't.
/// * Removed segments are discarded: what is clean of them leaves the cache, and the backing is told; what is dirty is
/// still written back first.
/// </remarks>
public sealed class CachedFasterDevice : StorageDeviceBase
{
    private const uint SectorBytes = 512;

    private readonly IBlockDevice _device;
    private readonly long _start;
    private readonly long _lengthBytes;
    private readonly Action<Exception>? _onError;
    private readonly ConcurrentBag<Operation> _spare = [];
    private int _pending;

    /// <summary>Makes a device of a range.</summary>
    /// <param name="device">What it lies on, usually a <see cref="PCacheDevice"/>; stays open when this is
    /// disposed.</param>
    /// <param name="name">A name, for FASTER's messages.</param>
    /// <param name="start">First byte of the range, a multiple of 512.</param>
    /// <param name="lengthBytes">Length of the range in bytes, a multiple of 512.</param>
    /// <param name="onError">Told why an operation failed: FASTER itself passes over the error codes of some, of its
    /// index checkpoints for example.</param>
    public CachedFasterDevice(IBlockDevice device, string name, long start, long lengthBytes,
        Action<Exception>? onError = null)
        : base(name, SectorBytes, Devices.CAPACITY_UNSPECIFIED)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNotEqual(start % SectorBytes, 0);
        ArgumentOutOfRangeException.ThrowIfNotEqual(lengthBytes % SectorBytes, 0);
        _device = device;
        _start = start;
        _lengthBytes = lengthBytes;
        _onError = onError;
    }

    /// <summary>Why the last operation that failed did; null if none has.</summary>
    public Exception? LastError { get; private set; }

    /// <summary>Operations that were begun and not answered yet.</summary>
    public int PendingCount => Volatile.Read(ref _pending);

    /// <inheritdoc/>
    public override bool Throttle() => PendingCount > ThrottleLimit;

    /// <inheritdoc/>
    public override void WriteAsync(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite,
            DeviceIOCompletionCallback callback, object context) =>
        Take().Begin(isWrite: true, segmentId, destinationAddress, sourceAddress, numBytesToWrite, callback, context);

    /// <inheritdoc/>
    public override void ReadAsync(int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength,
        DeviceIOCompletionCallback callback, object context) =>
        Take().Begin(isWrite: false, segmentId, sourceAddress, destinationAddress, readLength, callback, context);

    /// <inheritdoc/>
    public override void RemoveSegment(int segment)
    {
        (long at, long length) = SegmentRange(segment);
        if (length > 0)
        {
            _device.Discard(at, length);
        }
    }

    /// <inheritdoc/>
    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result)
    {
        RemoveSegment(segment); // keys and bookkeeping only: quick
        _ = ThreadPool.UnsafeQueueUserWorkItem(static call => call.callback(call.result), (callback, result),
            preferLocal: false);
    }

    /// <inheritdoc/>
    public override long GetFileSize(int segment) => SegmentRange(segment).Length;

    /// <summary>Waits for the operations in flight. The device underneath stays open.</summary>
    public override void Dispose() => SpinWait.SpinUntil(() => PendingCount == 0);

    private (long At, long Length) SegmentRange(int segment)
    {
        // FASTER asks for a device of one segment without end by a size of -1.
        long size = SegmentSize > 0 ? SegmentSize : _lengthBytes;
        long inRange = segment > (_lengthBytes - 1) / size ? _lengthBytes : segment * size;
        return (_start + inRange, Math.Min(size, _lengthBytes - inRange));
    }

    private Operation Take()
    {
        _ = Interlocked.Increment(ref _pending);
        return _spare.TryTake(out Operation? operation) ? operation : new Operation(this);
    }

    /// <summary>
    /// One read or write, from FASTER's call to its callback; used again and again. It also is the Memory over FASTER's
    /// buffer, which FASTER keeps pinned.
    /// </summary>
    private sealed class Operation(CachedFasterDevice owner) : MemoryManager<byte>, IThreadPoolWorkItem
    {
        private bool _isWrite;
        private int _segment;
        private ulong _address;
        private nint _buffer;
        private int _length;
        private DeviceIOCompletionCallback? _callback;
        private object? _context;
        private uint _errorCode;

        public void Begin(bool isWrite, int segment, ulong address, IntPtr buffer, uint length,
            DeviceIOCompletionCallback callback, object context)
        {
            _isWrite = isWrite;
            _segment = segment;
            _address = address;
            _buffer = buffer;
            _length = checked((int)length);
            _callback = callback;
            _context = context;
            _ = RunAsync();
        }

        public void Execute()
        {
            (DeviceIOCompletionCallback callback, object? context, uint errorCode, uint length) =
                (_callback!, _context, _errorCode, (uint)_length);
            (_callback, _context) = (null, null);
            owner._spare.Add(this);
            try
            {
                callback(errorCode, errorCode == 0 ? length : 0, context);
            }
            finally
            {
                _ = Interlocked.Decrement(ref owner._pending);
            }
        }

        public override unsafe Span<byte> GetSpan() => new((void*)_buffer, _length);

        public override unsafe MemoryHandle Pin(int elementIndex = 0) => new((byte*)_buffer + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }

        private async Task RunAsync()
        {
            try
            {
                (long at, long room) = owner.SegmentRange(_segment);
                if (_address > (ulong)room || (ulong)_length > (ulong)room - _address)
                {
                    throw new IOException(
                        $"{_length} bytes at {_address} of segment {_segment} are outside the device "
                        + $"'{owner.FileName}'.");
                }

                at += (long)_address;
                if (_isWrite)
                {
                    await owner._device.WriteAsync(at, Memory, WriteDurability.ForceUnitAccess).ConfigureAwait(false);
                }
                else
                {
                    int read = await owner._device.ReadAsync(at, Memory).ConfigureAwait(false);
                    GetSpan()[read..].Clear(); // where the device underneath hasn't grown yet
                }

                _errorCode = 0;
            }
#pragma warning disable CA1031 // an exception has no other way to FASTER than the error code
            catch (Exception e)
#pragma warning restore CA1031
            {
                owner.LastError = e;
                owner._onError?.Invoke(e);
                _errorCode = (uint)e.HResult;
            }

            _ = ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
