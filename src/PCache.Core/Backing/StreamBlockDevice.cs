// Any seekable stream, behind one gate. Keeps true: only the holder of the gate touches the stream; the known length
// is the stream's after every operation that succeeded, and never more than it; space that the device gained reads as
// zeros, although Stream itself promises nothing about it; Dispose never waits for a stream that hangs: the call that
// leaves the gate last closes the stream. A thread that is interrupted while it waits for the gate has not entered,
// and one inside always leaves.

using PCache.Core.Files;
using PCache.Core.Primitives;

namespace PCache.Core.Backing;

internal sealed class StreamBlockDevice : CheckedBlockDevice, IClaimed
{
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly bool _growsWithZeros;
    private readonly AsyncGate _gate = new(LockRank.Medium);
    private readonly FileClaim? _claim;
    private int _claimReleased;
    private long _lengthBytes;
    private bool _closed;

    public StreamBlockDevice(Stream stream, bool leaveOpen, FileBackingOptions options)
        : base(blockSize: 1, stream.CanWrite, CanSetLength(stream))
    {
        if (stream is FileStream file)
        {
            _claim = FileClaim.Take(
                file.SafeFileHandle, facts: null, $"The backing \"{SafeText.Of(file.Name)}\"", stream.CanWrite,
                isForeign: true, options);
        }

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

    object IClaimed.ClaimedObject => _stream;

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

    protected override async ValueTask<int> ReadAtAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken)
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
            return await _stream.ReadAtLeastAsync(
                buffer[..wantedBytes], wantedBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
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
            ThrowIfCut();
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

    protected override async ValueTask WriteAtAsync(
        long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ThrowIfCut();
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
            await (_stream is FileStream file
                ? Task.Run(() => file.Flush(flushToDisk: true), cancellationToken)
                : _stream.FlushAsync(cancellationToken)).ConfigureAwait(false);
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

    internal override void Abandon() => GiveBack(staysOpen: true);

    protected override void Close()
    {
        GiveBack(_leaveOpen);
        if (TryTakeStream())
        {
            _stream.Dispose();
        }
    }

    protected override ValueTask CloseAsync()
    {
        GiveBack(_leaveOpen);
        return TryTakeStream() ? _stream.DisposeAsync() : ValueTask.CompletedTask;
    }

    private void GiveBack(bool staysOpen)
    {
        if (Interlocked.Exchange(ref _claimReleased, 1) == 0)
        {
            _claim?.GiveBack(staysOpen);
        }
    }

    // Asks in the only way there is: a stream of a fixed length refuses. One that refuses only a longer length (a
    // MemoryStream over an array) says so when asked for it.
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

    // True once, and only when no call is using the stream. None will after that: the device is disposed, and every
    // call that enters checks that.
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

    /// <summary>
    /// Writing to a stream that another program has cut would lengthen it again, with undefined bytes in between.
    /// </summary>
    private void ThrowIfCut()
    {
        long has = _stream.Length;
        if (has < _lengthBytes)
        {
            throw new IOException($"The stream has {has} bytes where it had {_lengthBytes}: another program has cut "
                + $"it. Nothing was written.");
        }
    }

    private void LearnLength() => Volatile.Write(ref _lengthBytes, _stream.Length);
}
