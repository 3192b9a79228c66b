using PCache.Core;

namespace PCache.Lab.Hostile;

/// <summary>
/// A backing of any length that is back to its base with one call. Keeps true: the base never changes after
/// <see cref="Freeze"/>; what is written since shows until <see cref="Reset"/>; nothing beyond the length is ever
/// taken.
/// </summary>
internal sealed class HostileBacking(long lengthBytes, bool canResize = false) : IBlockDevice
{
    private const int Page = 4096;
    private readonly Dictionary<long, byte[]> _base = [];
    private readonly Dictionary<long, byte[]> _changed = [];
    private long _baseLength = lengthBytes;

    public long Length { get; private set; } = lengthBytes;

    public int BlockSize => 1;

    public bool CanWrite => true;

    public bool CanResize { get; } = canResize;

    public bool CanDiscard => true;

    /// <summary>Whether anything was written since the last <see cref="Reset"/>.</summary>
    public bool Changed => _changed.Count > 0 || Length != _baseLength;

    /// <summary>Makes what is there now the base.</summary>
    public void Freeze()
    {
        foreach ((long page, byte[] bytes) in _changed)
        {
            _base[page] = bytes;
        }

        _changed.Clear();
        _baseLength = Length;
    }

    /// <summary>Forgets all changes since <see cref="Freeze"/>.</summary>
    public void Reset()
    {
        _changed.Clear();
        Length = _baseLength;
    }

    public int Read(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int length = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        for (int done = 0; done < length;)
        {
            (long page, int at) = ((offset + done) / Page, (int)((offset + done) % Page));
            int n = Math.Min(length - done, Page - at);
            Span<byte> part = buffer.Slice(done, n);
            if (_changed.TryGetValue(page, out byte[]? bytes) || _base.TryGetValue(page, out bytes))
            {
                bytes.AsSpan(at, n).CopyTo(part);
            }
            else
            {
                part.Clear();
            }

            done += n;
        }

        return length;
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (offset > Length - buffer.Length)
        {
            if (!CanResize)
            {
                throw new ArgumentOutOfRangeException(nameof(offset), offset, "Behind the end.");
            }

            Length = offset + buffer.Length;
        }

        for (int done = 0; done < buffer.Length;)
        {
            (long page, int at) = ((offset + done) / Page, (int)((offset + done) % Page));
            int n = Math.Min(buffer.Length - done, Page - at);
            if (!_changed.TryGetValue(page, out byte[]? bytes))
            {
                _changed[page] = bytes = _base.TryGetValue(page, out byte[]? old) ? (byte[])old.Clone()
                    : new byte[Page];
            }

            buffer.Slice(done, n).CopyTo(bytes.AsSpan(at));
            done += n;
        }
    }

    public void Flush()
    {
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        byte[] zeros = new byte[Page * 16];
        for (long done = 0; done < length; done += zeros.Length)
        {
            Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)), durability);
        }
    }

    public void Discard(long offset, long length)
    {
    }

    public void SetLength(long length)
    {
        if (!CanResize)
        {
            throw new NotSupportedException();
        }

        Length = length;
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Read(offset, buffer.Span));

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        WriteZeroes(offset, length, durability);
        return ValueTask.CompletedTask;
    }

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        ValueTask.CompletedTask;

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        SetLength(length);
        return ValueTask.CompletedTask;
    }

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
