namespace PCache.Tool.Tests.Support;

/// <summary>A device of bytes that a test may look into; a test may make ranges fail as damaged payload.</summary>
internal sealed class MemoryDevice(int lengthBytes) : IBlockDevice
{
    public byte[] Bytes { get; } = new byte[lengthBytes];

    public List<DeviceRange> Damaged { get; } = [];

    public int Flushes { get; private set; }

    public bool IsDisposed { get; private set; }

    public long Length => Bytes.Length;

    public int BlockSize => 1;

    public bool CanWrite => true;

    public bool CanResize => false;

    public bool CanDiscard => false;

    public int Read(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        foreach (DeviceRange range in Damaged)
        {
            if (range.Offset < offset + count && range.End > offset)
            {
                throw new PCacheDamagedDataException(range.Offset, range.LengthBytes);
            }
        }

        Bytes.AsSpan((int)Math.Min(offset, Length), count).CopyTo(buffer);
        return count;
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Read(offset, buffer.Span));

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal) =>
        buffer.CopyTo(Bytes.AsSpan((int)offset));

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public void Flush() => Flushes++;

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        Flush();
        return ValueTask.CompletedTask;
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        Bytes.AsSpan((int)offset, (int)length).Clear();

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        WriteZeroes(offset, length, durability);
        return ValueTask.CompletedTask;
    }

    public void Discard(long offset, long length)
    {
    }

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        ValueTask.CompletedTask;

    public void SetLength(long length) => throw new NotSupportedException();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public void Dispose() => IsDisposed = true;

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }
}
