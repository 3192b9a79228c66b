// A device with a cursor: writing. Keeps true: a write that fits the buffer, or that the device can do at once,
// allocates nothing and starts no async method; what is pending stays so until the device has taken it; nothing
// changes when a write is refused. The sync and the async path take the same decisions: they are written side by side
// and share every step but the I/O.

using System.Diagnostics.CodeAnalysis;

namespace PCache.Core;

public sealed partial class PCacheStream
{
    /// <summary>
    /// Writes at the position and moves it by what was written. Beyond the end it grows the device, with zeros in
    /// between.
    /// </summary>
    /// <param name="buffer">The bytes.</param>
    /// <exception cref="NotSupportedException">The device is read-only, or of a fixed length that the write would
    /// exceed. Nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    /// <exception cref="IOException"> The write would end beyond what the device can ever have (nothing has changed),
    /// or the medium failed: then the position hasn't moved, and any part of the bytes may have reached the device.
    /// </exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (Fits(buffer.Length, _writeRoom))
        {
            AddPending(buffer);
            return;
        }

        CheckWrite(buffer.Length);
        if (buffer.IsEmpty)
        {
            return;
        }

        if (_bufferSize > 0)
        {
            WriteBuffered(buffer);
        }
        else
        {
            _device.Write(_position, buffer, _durability);
            _position += buffer.Length;
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(new ReadOnlySpan<byte>(buffer, offset, count));
    }

    /// <inheritdoc/>
    public override void WriteByte(byte value) => Write(new ReadOnlySpan<byte>(in value));

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (Fits(buffer.Length, _writeRoom))
        {
            AddPending(buffer.Span);
            return default;
        }

        CheckWrite(buffer.Length);
        if (buffer.IsEmpty)
        {
            return default;
        }

        if (_bufferSize > 0)
        {
            return WriteBufferedAsync(buffer, cancellationToken);
        }

        ValueTask writing = _device.WriteAsync(_position, buffer, _durability, cancellationToken);
        if (!writing.IsCompletedSuccessfully)
        {
            return FinishWriteAsync(writing, buffer.Length);
        }

        writing.GetAwaiter().GetResult();
        _position += buffer.Length;
        return default;
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(new ReadOnlyMemory<byte>(buffer, offset, count), cancellationToken).AsTask();
    }

    /// <inheritdoc/>
    public override IAsyncResult BeginWrite(
        byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(WriteAsync(buffer, offset, count, CancellationToken.None), callback, state);

    /// <inheritdoc/>
    public override void EndWrite(IAsyncResult asyncResult) => TaskToAsyncResult.End(asyncResult);

    private async ValueTask FinishWriteAsync(ValueTask writing, int lengthBytes)
    {
        await writing.ConfigureAwait(false);
        _position += lengthBytes;
    }

    private void CheckWrite(int lengthBytes)
    {
        ThrowIfDisposed();
        if (!_canWrite)
        {
            throw new NotSupportedException("The device is read-only.");
        }

        if (lengthBytes > 0 && _position > _limit - lengthBytes)
        {
            ThrowTooLong(lengthBytes);
        }
    }

    [DoesNotReturn]
    private void ThrowTooLong(int lengthBytes)
    {
        string message = $"{lengthBytes} bytes at position {_position} would end beyond {_limit} bytes, ";
        throw _canResize
            ? new IOException(message + "the longest that the device can be.")
            : new NotSupportedException(message + "the device's fixed length.");
    }

    private void AddPending(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_bufferCount));
        _bufferCount += bytes.Length;
        _writeRoom -= bytes.Length;
        _position += bytes.Length;
    }

    private void WriteBuffered(ReadOnlySpan<byte> buffer)
    {
        int head = TopUp(buffer);
        if (head > 0)
        {
            _device.Write(_bufferOffset, _buffer.AsSpan(0, _bufferSize), _durability);
            TakenOver(head);
        }
        else
        {
            HandOver();
            DropBuffer();
        }

        ReadOnlySpan<byte> rest = buffer[head..];
        if (rest.Length < _bufferSize)
        {
            StartPending(rest);
        }
        else
        {
            _device.Write(_position, rest, _durability);
            _position += rest.Length;
        }
    }

    private ValueTask WriteBufferedAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        if (!_isPending && buffer.Length < _bufferSize)
        {
            DropBuffer();
            StartPending(buffer.Span);
            return default;
        }

        return WriteBufferedWithIOAsync(buffer, cancellationToken);
    }

    private async ValueTask WriteBufferedWithIOAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        int head = TopUp(buffer.Span);
        if (head > 0)
        {
            await _device.WriteAsync(
                _bufferOffset, _buffer.AsMemory(0, _bufferSize), _durability, cancellationToken).ConfigureAwait(false);
            TakenOver(head);
        }
        else
        {
            await HandOverAsync(cancellationToken).ConfigureAwait(false);
            DropBuffer();
        }

        ReadOnlyMemory<byte> rest = buffer[head..];
        if (rest.Length < _bufferSize)
        {
            StartPending(rest.Span);
        }
        else
        {
            await _device.WriteAsync(_position, rest, _durability, cancellationToken).ConfigureAwait(false);
            _position += rest.Length;
        }
    }

    // Fills the buffer up, behind what is pending, if that leaves a rest that fits the next buffer: so small writes
    // reach the device in whole buffers. The bytes count as pending only once the device has them (TakenOver): if it
    // fails, this write has failed, and earlier ones are pending still.
    private int TopUp(ReadOnlySpan<byte> bytes)
    {
        int room = _bufferSize - _bufferCount;
        if (!_isPending || bytes.Length - room >= _bufferSize)
        {
            return 0;
        }

        bytes[..room].CopyTo(_buffer.AsSpan(_bufferCount));
        return room;
    }

    private void TakenOver(int head)
    {
        _position += head;
        NothingPending();
    }

    private void StartPending(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        _buffer ??= new byte[_bufferSize];
        _bufferOffset = _position;
        _isPending = true;
        _writeRoom = (int)Math.Min(_bufferSize, _limit - _position);
        AddPending(bytes);
    }

    // Gives the device what is pending, if anything is.
    private void HandOver()
    {
        if (_isPending)
        {
            _device.Write(_bufferOffset, _buffer.AsSpan(0, _bufferCount), _durability);
            NothingPending();
        }
    }

    private ValueTask HandOverAsync(CancellationToken cancellationToken) =>
        _isPending ? HandOverPendingAsync(cancellationToken) : default;

    private async ValueTask HandOverPendingAsync(CancellationToken cancellationToken)
    {
        await _device.WriteAsync(
            _bufferOffset, _buffer.AsMemory(0, _bufferCount), _durability, cancellationToken).ConfigureAwait(false);
        NothingPending();
    }

    private void NothingPending()
    {
        _isPending = false;
        _writeRoom = 0;
        DropBuffer();
    }
}
