// Any seekable stream, behind one gate. Keeps true: only the holder of the gate touches the stream; the known length is the stream's after every operation that
// succeeded, and never more than it; space that the device gained reads as zeros, although Stream itself promises nothing about it; Dispose never waits for a
// stream that hangs: whoever leaves the gate last closes the stream. A thread that is interrupted while it waits for the gate has not entered, and one inside always leaves.

using PCache.Core.Primitives;

namespace PCache.Core.Backing;

internal sealed class StreamBlockDevice : CheckedBlockDevice
{
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly bool _growsWithZeros;
    private readonly AsyncGate _gate = new();
    private long _lengthBytes;
    private bool _closed;

    public StreamBlockDevice(Stream stream, bool leaveOpen)
        : base(blockSize: 1, stream.CanWrite, CanSetLength(stream))
    {
        _stream = stream;
        _leaveOpen = leaveOpen;
        _growsWithZeros = stream is MemoryStream or FileStream;
        _lengthBytes = stream.Length;
    }

    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref _lengthBytes);
        }
    }

    internal override long MaxLengthBytes => _stream is MemoryStream ? int.MaxValue : long.MaxValue;

    protected override int ReadAt(long offset, Span<byte> buffer)
    {
        Enter();
        try
        {
            int wantedBytes = (int)Math.Clamp(_lengthBytes - offset, 0, buffer.Length);
            if (wantedBytes == 0)
            {
                return 0;
            }

            _stream.Position = offset;
            return _stream.ReadAtLeast(buffer[..wantedBytes], wantedBytes, throwOnEndOfStream: false);
        }
        finally
        {
            Leave();
        }
    }

    protected override async ValueTask<int> ReadAtAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int wantedBytes = (int)Math.Clamp(_lengthBytes - offset, 0, buffer.Length);
            if (wantedBytes == 0)
            {
                return 0;
            }

            _stream.Position = offset;
            return await _stream.ReadAtLeastAsync(buffer[..wantedBytes], wantedBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    protected override void WriteAt(long offset, ReadOnlySpan<byte> buffer)
    {
        Enter();
        try
        {
            if (offset > _lengthBytes)
            {
                GrowTo(offset);
            }

            _stream.Position = offset;
            _stream.Write(buffer);
            LearnLength();
        }
        finally
        {
            Leave();
        }
    }

    protected override async ValueTask WriteAtAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (offset > _lengthBytes)
            {
                await GrowToAsync(offset, cancellationToken).ConfigureAwait(false);
            }

            _stream.Position = offset;
            await _stream.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            LearnLength();
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    protected override void FlushAll()
    {
        Enter();
        try
        {
            if (_stream is FileStream file)
            {
                file.Flush(flushToDisk: true);
            }
            else
            {
                _stream.Flush();
            }
        }
        finally
        {
            Leave();
        }
    }

    protected override async ValueTask FlushAllAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // FileStream.FlushAsync doesn't go to the medium.
            await (_stream is FileStream file ? Task.Run(() => file.Flush(flushToDisk: true), cancellationToken) : _stream.FlushAsync(cancellationToken)).ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    // A stream may have a buffer of its own.
    protected override void HandOverAll()
    {
        Enter();
        try
        {
            _stream.Flush();
        }
        finally
        {
            Leave();
        }
    }

    protected override async ValueTask HandOverAllAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    protected override void ResizeTo(long lengthBytes)
    {
        Enter();
        try
        {
            if (lengthBytes > _lengthBytes)
            {
                GrowTo(lengthBytes);
            }
            else
            {
                ShrinkTo(lengthBytes);
            }
        }
        finally
        {
            Leave();
        }
    }

    protected override async ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (lengthBytes > _lengthBytes)
            {
                await GrowToAsync(lengthBytes, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                ShrinkTo(lengthBytes);
            }
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    protected override void Close()
    {
        if (TryTakeStream())
        {
            _stream.Dispose();
        }
    }

    protected override ValueTask CloseAsync() => TryTakeStream() ? _stream.DisposeAsync() : ValueTask.CompletedTask;

    // Asks in the only way there is: a stream of a fixed length refuses. One that refuses only a longer length (a MemoryStream over an array) says so when asked for it.
    private static bool CanSetLength(Stream stream)
    {
        if (!stream.CanWrite)
        {
            return false;
        }

        try
        {
            stream.SetLength(stream.Length);
            return true;
        }
        catch (NotSupportedException)
        {
            return false;
        }
    }

    private void Enter()
    {
        _gate.Enter();
        ThrowIfTooLate();
    }

    private async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(cancellationToken).ConfigureAwait(false);
        ThrowIfTooLate();
    }

    private void ThrowIfTooLate()
    {
        if (IsDisposed)
        {
            Leave();
            ThrowIfDisposed();
        }
    }

    private void Leave()
    {
        _gate.Exit();
        if (IsDisposed)
        {
            Close();
        }
    }

    private ValueTask LeaveAsync()
    {
        _gate.Exit();
        return IsDisposed ? CloseAsync() : ValueTask.CompletedTask;
    }

    // True once, and only when nobody is using the stream. Nobody will after that: the device is disposed, and whoever enters looks.
    private bool TryTakeStream()
    {
        if (_leaveOpen || !_gate.TryEnter())
        {
            return false;
        }

        bool taken = !_closed;
        _closed = true;
        _gate.Exit();
        return taken;
    }

    // SetLength first: a stream that can't grow refuses before anything has changed.
    private void GrowTo(long lengthBytes)
    {
        _stream.SetLength(lengthBytes);
        _stream.Position = _lengthBytes;
        for (long left = _growsWithZeros ? 0 : lengthBytes - _lengthBytes; left > 0; left -= ZeroChunkBytes)
        {
            _stream.Write(ZeroChunk(left).Span);
        }

        LearnLength();
    }

    private async ValueTask GrowToAsync(long lengthBytes, CancellationToken cancellationToken)
    {
        _stream.SetLength(lengthBytes);
        _stream.Position = _lengthBytes;
        for (long left = _growsWithZeros ? 0 : lengthBytes - _lengthBytes; left > 0; left -= ZeroChunkBytes)
        {
            await _stream.WriteAsync(ZeroChunk(left), cancellationToken).ConfigureAwait(false);
        }

        LearnLength();
    }

    private void ShrinkTo(long lengthBytes)
    {
        _stream.SetLength(lengthBytes);
        LearnLength();
    }

    private void LearnLength() => Volatile.Write(ref _lengthBytes, _stream.Length);
}
