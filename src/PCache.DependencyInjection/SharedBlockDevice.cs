using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>
/// What the container gives for <see cref="IBlockDevice"/>: the cache, without its end. Keeps true: every call goes
/// to the device unchanged; disposing does nothing.
/// </summary>
/// <remarks>
/// A container disposes all that its factories return, the latest first: given the device itself, it would close it
/// before the service that got it earlier as a <see cref="PCacheDevice"/>, and may still write to it at its own end.
/// </remarks>
internal sealed class SharedBlockDevice(PCacheDevice device) : IBlockDevice
{
    public long Length => device.Length;

    public int BlockSize => device.BlockSize;

    public bool CanWrite => device.CanWrite;

    public bool CanResize => device.CanResize;

    public bool CanDiscard => device.CanDiscard;

    public int Read(long offset, Span<byte> buffer) => device.Read(offset, buffer);

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        device.ReadAsync(offset, buffer, cancellationToken);

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal) =>
        device.Write(offset, buffer, durability);

    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default) =>
        device.WriteAsync(offset, buffer, durability, cancellationToken);

    public void Flush() => device.Flush();

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => device.FlushAsync(cancellationToken);

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        device.WriteZeroes(offset, length, durability);

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default) =>
        device.WriteZeroesAsync(offset, length, durability, cancellationToken);

    public void Discard(long offset, long length) => device.Discard(offset, length);

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        device.DiscardAsync(offset, length, cancellationToken);

    public void SetLength(long length) => device.SetLength(length);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        device.SetLengthAsync(length, cancellationToken);

    public void Dispose()
    {
        // The device is shared.
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
