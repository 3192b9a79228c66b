// A device with a cursor: reading. Keeps true: a read that the buffer or the device can serve at once allocates
// nothing and starts no async method; a read is short only where the device ends; the sync and the async path take
// the same decisions, in ReadBuffered and ReadBufferedAsync side by side.

namespace PCache.Core;

public sealed partial class PCacheStream
{
    private Task<int>? _lastReadTask;

    /// <summary>Reads at the position and moves it by what was read.</summary>
    /// <param name="buffer">Where the bytes go.</param>
    /// <returns>Number of bytes: the buffer's length, less only where the device ends; 0 at or beyond its
    /// end.</returns>
    /// <exception cref="ObjectDisposedException">The stream or the device is disposed.</exception>
    /// <exception cref="IOException">The medium failed. The position hasn't moved.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (Fits(buffer.Length, _readAvailable))
        {
            TakeReadAhead(buffer);
            return buffer.Length;
        }

        ThrowIfDisposed();
        if (buffer.IsEmpty)
        {
            return 0;
        }

        if (_bufferSize > 0)
        {
            return ReadBuffered(buffer);
        }

        int read = _device.Read(_position, buffer);
        _position += read;
        return read;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(new Span<byte>(buffer, offset, count));
    }

    /// <inheritdoc/>
    public override int ReadByte()
    {
        Span<byte> one = stackalloc byte[1];
        return Read(one) == 1 ? one[0] : -1;
    }

    /// <inheritdoc cref="Read(Span{byte})"/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        if (Fits(buffer.Length, _readAvailable))
        {
            TakeReadAhead(buffer.Span);
            return new ValueTask<int>(buffer.Length);
        }

        ThrowIfDisposed();
        if (buffer.IsEmpty)
        {
            return default;
        }

        if (_bufferSize > 0)
        {
            return ReadBufferedAsync(buffer, cancellationToken);
        }

        ValueTask<int> reading = _device.ReadAsync(_position, buffer, cancellationToken);
        if (!reading.IsCompletedSuccessfully)
        {
            return FinishReadAsync(reading);
        }

        int read = reading.Result;
        _position += read;
        return new ValueTask<int>(read);
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        ValueTask<int> reading = ReadAsync(new Memory<byte>(buffer, offset, count), cancellationToken);
        if (!reading.IsCompletedSuccessfully)
        {
            return reading.AsTask();
        }

        // Reads of one size in a row share a task.
        int read = reading.Result;
        return _lastReadTask is Task<int> last && last.Result == read ? last : _lastReadTask = Task.FromResult(read);
    }

    /// <inheritdoc/>
    public override IAsyncResult BeginRead(
        byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(ReadAsync(buffer, offset, count, CancellationToken.None), callback, state);

    /// <inheritdoc/>
    public override int EndRead(IAsyncResult asyncResult) => TaskToAsyncResult.End<int>(asyncResult);

    private async ValueTask<int> FinishReadAsync(ValueTask<int> reading)
    {
        int read = await reading.ConfigureAwait(false);
        _position += read;
        return read;
    }

    private void TakeReadAhead(Span<byte> destination)
    {
        _buffer.AsSpan(_bufferCount - _readAvailable, destination.Length).CopyTo(destination);
        _readAvailable -= destination.Length;
        _position += destination.Length;
    }

    private int ReadBuffered(Span<byte> buffer)
    {
        HandOver();
        int head = PeekReadAhead(buffer);
        Span<byte> rest = buffer[head..];
        if (rest.Length >= _bufferSize)
        {
            int read = head + _device.Read(_position + head, rest);
            DropBuffer();
            _position += read;
            return read;
        }

        _buffer ??= new byte[_bufferSize];
        DropBuffer();
        int fetched = _device.Read(_position + head, _buffer);
        return head + TakeFetched(head, fetched, rest);
    }

    private async ValueTask<int> ReadBufferedAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await HandOverAsync(cancellationToken).ConfigureAwait(false);
        int head = PeekReadAhead(buffer.Span);
        Memory<byte> rest = buffer[head..];
        if (rest.Length >= _bufferSize)
        {
            int read = head + await _device.ReadAsync(_position + head, rest, cancellationToken).ConfigureAwait(false);
            DropBuffer();
            _position += read;
            return read;
        }

        _buffer ??= new byte[_bufferSize];
        DropBuffer();
        int fetched = await _device.ReadAsync(_position + head, _buffer, cancellationToken).ConfigureAwait(false);
        return head + TakeFetched(head, fetched, rest.Span);
    }

    // Copies what is there of a longer read, and leaves it there: the rest may yet fail.
    private int PeekReadAhead(Span<byte> destination)
    {
        int count = _readAvailable;
        _buffer.AsSpan(_bufferCount - count, count).CopyTo(destination);
        return count;
    }

    private int TakeFetched(int head, int fetched, Span<byte> rest)
    {
        _bufferOffset = _position + head;
        _bufferCount = fetched;
        _readAvailable = fetched;
        _position += head;
        int taken = Math.Min(fetched, rest.Length);
        TakeReadAhead(rest[..taken]);
        return taken;
    }
}
