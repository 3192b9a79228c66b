using PCache.Core;

namespace PCache.Tool.Bench;

/// <summary>
/// A backing of zeros that keeps nothing: the bench's cache never writes back, and every read is a hit.
/// </summary>
internal sealed class NullDevice(long lengthBytes) : IBlockDevice
{
    public long Length => lengthBytes;

    public int BlockSize => 1;

    public bool CanWrite => true;

    public bool CanResize => false;

    public bool CanDiscard => false;

    public int Read(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(lengthBytes - offset, 0, buffer.Length);
        buffer[..count].Clear();
        return count;
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Read(offset, buffer.Span));

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
    }

    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
            CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public void Flush()
    {
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
    }

    public ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
            CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public void Discard(long offset, long length)
    {
    }

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        ValueTask.CompletedTask;

    public void SetLength(long length) => throw new NotSupportedException("The bench's backing has a fixed length.");

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The bench's backing has a fixed length.");

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
