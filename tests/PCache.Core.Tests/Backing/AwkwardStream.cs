// A stream that uses every freedom a Stream has: reads are short, growth shows junk, async really is, and two calls at
// once are an error.

namespace PCache.Core.Tests.Backing;

internal sealed class AwkwardStream : Stream
{
    private const byte Junk = 0xA5;

    private byte[] _bytes;
    private long _length;
    private int _inUse;
    private int _reads;

    public AwkwardStream(long lengthBytes)
    {
        _bytes = new byte[lengthBytes];
        _length = lengthBytes;
    }

    public bool RefusesSetLength { get; init; }

    public int FlushCount { get; private set; }

    public int DisposeCount { get; private set; }

    // Where reading waits; null: it doesn't.
    public Task? ReadBarrier { get; set; }

    public TaskCompletionSource ReadStarted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override bool CanRead => DisposeCount == 0;

    public override bool CanSeek => DisposeCount == 0;

    public override bool CanWrite => DisposeCount == 0;

    public override long Length => _length;

    public override long Position { get; set; }

    public override void Flush() => Alone(() => FlushCount++);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        Take();
        _ = ReadStarted.TrySetResult();
        ReadBarrier?.Wait();
        int read = ReadSome(buffer);
        Return();
        return read;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Take();
        _ = ReadStarted.TrySetResult();
        await Task.Yield();
        await (ReadBarrier ?? Task.CompletedTask);
        int read = ReadSome(buffer.Span);
        Return();
        return read;
    }

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + (origin == SeekOrigin.Begin ? 0 : origin == SeekOrigin.Current ? Position : _length);

    public override void SetLength(long value)
    {
        if (RefusesSetLength)
        {
            throw new NotSupportedException("No length can be set.");
        }

        Alone(() => Resize(value));
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Take();
        WriteAll(buffer);
        Return();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken =
        default)
    {
        Take();
        await Task.Yield();
        WriteAll(buffer.Span);
        Return();
    }

    protected override void Dispose(bool disposing)
    {
        DisposeCount++;
        base.Dispose(disposing);
    }

    private int ReadSome(Span<byte> buffer)
    {
        int most = 1 + (_reads++ * 7919 % 5000);
        int count = (int)Math.Clamp(_length - Position, 0, Math.Min(buffer.Length, most));
        _bytes.AsSpan((int)Position, count).CopyTo(buffer);
        Position += count;
        return count;
    }

    private void WriteAll(ReadOnlySpan<byte> buffer)
    {
        if (Position + buffer.Length > _length)
        {
            Resize(Position + buffer.Length);
        }

        buffer.CopyTo(_bytes.AsSpan((int)Position));
        Position += buffer.Length;
    }

    private void Resize(long length)
    {
        int oldLength = (int)_length;
        if (length > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)length * 2);
        }

        if (length > oldLength)
        {
            _bytes.AsSpan(oldLength, (int)length - oldLength).Fill(Junk);
        }

        _length = length;
    }

    private void Alone(Action action)
    {
        Take();
        action();
        Return();
    }

    private void Take() => Assert.Equal(0, Interlocked.Exchange(ref _inUse, 1));

    private void Return() => Volatile.Write(ref _inUse, 0);
}

/// <summary>A class derived from FileStream that counts what passes through it.</summary>
internal sealed class CountingFileStream(string path) : FileStream(path, FileMode.Create, FileAccess.ReadWrite)
{
    public int WriteCount { get; private set; }

    public int DiskFlushCount { get; private set; }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        WriteCount++;
        base.Write(buffer);
    }

    public override void Flush(bool flushToDisk)
    {
        DiskFlushCount += flushToDisk ? 1 : 0;
        base.Flush(flushToDisk);
    }
}
