// A device with a cursor: the facade's part. Keeps true:
// * _position changes only when an operation has succeeded;
// * the buffer, where there is one, is in one of three states: empty; read-ahead (_bufferCount bytes of the device
//   from _bufferOffset on); pending (_isPending: that many bytes that the device doesn't have yet, which end at
//   _position);
// * _readAvailable is above 0 only in the state read-ahead, and says how many bytes from _position on the buffer
//   holds; _writeRoom is above 0 only in the state pending, and says how many bytes may be added. So each is all that
//   a small read or write has to look at, and Dispose needs only to set them to 0.

using System.Diagnostics.CodeAnalysis;
using PCache.Core.Backing;

namespace PCache.Core;

/// <summary>
/// A stream over a block device: a cursor, and if asked for, a buffer of its own. Any number of streams may stand
/// over one device, each with its own position.
/// </summary>
/// <remarks>
/// <para>
/// Behaves as <see cref="FileStream"/> does: the position may lie beyond the end, where reading gives 0 bytes and
/// writing grows the device (zeros in between) if it <see cref="IBlockDevice.CanResize"/>. A device of a fixed length
/// refuses a write beyond its end before anything changes. <see cref="Length"/> and <see cref="Position"/> cost
/// nothing. Not thread-safe, as no stream is: one operation at a time, but streams over the same device may be used
/// at once.
/// </para>
/// <para>
/// <b>Unbuffered</b> (a buffer size of 0 or 1, the default): every read and write goes straight to the device, and
/// all streams and other users of the device see it at once. <b>Buffered</b>: adjacent writes are collected and
/// written as one, reads fetch ahead; both are private to this stream until it is flushed, disposed, or moved
/// elsewhere, or its length set; a read writes out what is pending first.
/// </para>
/// <para>
/// <b>Durability:</b> <see cref="Flush()"/> is the device's barrier: all that was written before is durable when it
/// returns. Disposing the stream hands what is pending to the device, but is no such barrier. What was written and
/// not flushed survives the death of the process only where <see cref="PersistOn.Write"/> is set, here or on the
/// device.
/// </para>
/// <para>
/// <b>Failure:</b> the position stays where it was when a read, write or seek throws or is cancelled. Of a failed
/// write any part may have reached the device. What was pending from earlier writes when handing it over failed stays
/// pending, and is tried again by the next operation.
/// </para>
/// </remarks>
public sealed partial class PCacheStream : Stream
{
    private readonly IBlockDevice _device;
    private readonly int _bufferSize;
    private readonly bool _leaveOpen;
    private readonly bool _canWrite;
    private readonly WriteDurability _durability;

    // No write may end beyond it: told at the write, not when the buffer is handed over.
    private readonly long _limit;
    private readonly bool _canResize;

    private long _position;
    private bool _disposed;

    private byte[]? _buffer;
    private long _bufferOffset;
    private int _bufferCount;
    private bool _isPending;
    private int _readAvailable;
    private int _writeRoom;

    /// <summary>Makes a stream over a device, at position 0.</summary>
    /// <param name="device">The device. Its block size must be 1: a stream reads and writes single bytes.</param>
    /// <param name="bufferSize">Size of this stream's own buffer in bytes; 0 or 1 for none. It is allocated when
    /// first needed.</param>
    /// <param name="leaveOpen">Whether disposing the stream leaves the device open.</param>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bufferSize"/> is negative.</exception>
    /// <exception cref="ArgumentException">The device's block size is above 1.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheStream(IBlockDevice device, int bufferSize = 0, bool leaveOpen = false)
        : this(device, PersistOn.Flush, bufferSize, leaveOpen)
    {
    }

    /// <summary>
    /// Makes a stream over a device, at position 0, and says from when on what it writes survives the death of the
    /// process.
    /// </summary>
    /// <param name="device">The device. Its block size must be 1: a stream reads and writes single bytes.</param>
    /// <param name="persistOn"> <see cref="PersistOn.Write"/>: each write to the device survives the process when it
    /// returns, whatever the device is set to; with a buffer, what has left it. <see cref="PersistOn.Flush"/>: as the
    /// device is set to.
    /// </param>
    /// <param name="bufferSize">Size of this stream's own buffer in bytes; 0 or 1 for none. It is allocated when
    /// first needed.</param>
    /// <param name="leaveOpen">Whether disposing the stream leaves the device open.</param>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bufferSize"/> is negative, or
    /// <paramref name="persistOn"/> isn't defined.</exception>
    /// <exception cref="ArgumentException">The device's block size is above 1.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PCacheStream(IBlockDevice device, PersistOn persistOn, int bufferSize = 0, bool leaveOpen = false)
    {
        if (persistOn is < PersistOn.Flush or > PersistOn.Write)
        {
            throw new ArgumentOutOfRangeException(nameof(persistOn), persistOn, "Not a defined value.");
        }

        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(bufferSize);
        if (device.BlockSize != 1)
        {
            throw new ArgumentException($"The device's unit is {device.BlockSize} bytes, and a stream reads and writes "
                + $"single ones.", nameof(device));
        }

        _device = device;
        _bufferSize = bufferSize > 1 ? bufferSize : 0;
        _leaveOpen = leaveOpen;
        _durability = persistOn == PersistOn.Write ? WriteDurability.Persist : WriteDurability.Normal;
        _canWrite = device.CanWrite;
        _canResize = device.CanResize;
        _limit = !_canResize ? device.Length : device switch
        {
            PCacheDevice cache => cache.MaxLengthBytes,
            CheckedBlockDevice own => own.MaxLengthBytes,
            _ => long.MaxValue,
        };
    }

    /// <summary>The device under the stream. What is pending in the stream's own buffer isn't there yet.</summary>
    public IBlockDevice Device => _device;

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_disposed;

    /// <inheritdoc/>
    public override bool CanWrite => !_disposed && _canWrite;

    /// <summary>
    /// The device's length in bytes, with what is pending in the stream's own buffer. O(1), takes no lock.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return _isPending ? Math.Max(_device.Length, _position) : _device.Length;
        }
    }

    /// <summary>
    /// Where the next read or write begins, in bytes, 0 or more; may lie beyond the end. Setting it is a
    /// <see cref="Seek"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">A negative position.</exception>
    /// <exception cref="ObjectDisposedException">The stream is disposed.</exception>
    public override long Position
    {
        get
        {
            ThrowIfDisposed();
            return _position;
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ThrowIfDisposed();
            MoveTo(value);
        }
    }

    /// <summary>Moves the position. Moving elsewhere hands what is pending to the device.</summary>
    /// <param name="offset">How far from <paramref name="origin"/>, in bytes.</param>
    /// <param name="origin">From where.</param>
    /// <returns>The new position.</returns>
    /// <exception cref="ArgumentException">No such origin.</exception>
    /// <exception cref="IOException">The position would be negative or too large (nothing has changed), or handing
    /// over what is pending failed.</exception>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    public override long Seek(long offset, SeekOrigin origin)
    {
        if (origin is not (SeekOrigin.Begin or SeekOrigin.Current or SeekOrigin.End))
        {
            throw new ArgumentException("Not a seek origin.", nameof(origin));
        }

        ThrowIfDisposed();
        long start = origin == SeekOrigin.Begin ? 0 : origin == SeekOrigin.Current ? _position : Length;

        // start is 0 or more, so a sum that doesn't fit comes out negative.
        long target = unchecked(start + offset);
        if (target < 0)
        {
            throw new IOException(
                $"Seeking {offset} from {start} would put the position outside the range from 0 to 2^63 - 1.");
        }

        MoveTo(target);
        return target;
    }

    /// <summary>Sets the device's length; a position beyond the new end moves to it.</summary>
    /// <param name="value">The new length in bytes. New space reads as zeros, what is cut off never comes back.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="value"/> is negative.</exception>
    /// <exception cref="NotSupportedException">The device is read-only or of a fixed length.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    public override void SetLength(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        ThrowIfDisposed();
        if (!_device.CanResize)
        {
            throw new NotSupportedException(_canWrite ? "The device has a fixed length." : "The device is read-only.");
        }

        HandOver();
        DropBuffer();
        _device.SetLength(value);
        _position = Math.Min(_position, value);
    }

    /// <summary>
    /// Hands what is pending to the device and flushes the device: all that was written before is durable when it
    /// returns. Read-ahead is dropped.
    /// </summary>
    /// <exception cref="IOException">The medium failed; the writes may not be durable.</exception>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    public override void Flush()
    {
        ThrowIfDisposed();
        HandOver();
        DropBuffer();
        _device.Flush();
    }

    /// <summary>
    /// As <see cref="Flush()"/>, with the parameter that <see cref="FileStream.Flush(bool)"/> has, so that code
    /// written for a FileStream compiles and keeps its promise.
    /// </summary>
    /// <param name="flushToDisk"> Changes nothing. A FileStream's flush without it gets the data out of the process;
    /// that is what every flush here does at the least, by making it durable. With it, the data is to survive a power
    /// cut: it does where the device's flush does (<see cref="PCacheStatus.IsPowerSafe"/>), and there is nothing
    /// stronger to ask for.
    /// </param>
    /// <inheritdoc cref="Flush()"/>
    public void Flush(bool flushToDisk)
    {
        _ = flushToDisk;
        Flush();
    }

    /// <inheritdoc cref="Flush()"/>
    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        ThrowIfDisposed();
        if (_isPending)
        {
            return HandOverAndFlushAsync(cancellationToken);
        }

        DropBuffer();
        return _device.FlushAsync(cancellationToken).AsTask();
    }

    private async Task HandOverAndFlushAsync(CancellationToken cancellationToken)
    {
        await HandOverAsync(cancellationToken).ConfigureAwait(false);
        await _device.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private void MoveTo(long position)
    {
        if (position == _position)
        {
            return;
        }

        HandOver();
        long insideBuffer = position - _bufferOffset;
        if (insideBuffer >= 0 && insideBuffer < _bufferCount)
        {
            _readAvailable = _bufferCount - (int)insideBuffer;
        }
        else
        {
            DropBuffer();
        }

        _position = position;
    }

    // Whether that many bytes fit, and are any at all: an empty read or write is to be checked like others, and room
    // is 0 when disposed.
    private static bool Fits(int lengthBytes, int room) => (uint)(lengthBytes - 1) < (uint)room;

    // Forgets read-ahead. Not for what is pending.
    private void DropBuffer()
    {
        _bufferCount = 0;
        _readAvailable = 0;
    }

    private void MarkDisposed()
    {
        _disposed = true;
        _isPending = false;
        _writeRoom = 0;
        DropBuffer();
        _buffer = null;
    }

    private void ThrowIfDisposed()
    {
        if (_disposed)
        {
            ThrowDisposed();
        }
    }

    [DoesNotReturn]
    private static void ThrowDisposed() => throw new ObjectDisposedException(nameof(PCacheStream));
}
