using PCache.Core;

namespace Observability;

/// <summary>A backing that takes its time for each write, and fails while it is told to: what a network share does on a bad day.</summary>
internal sealed class FlakyBlockDevice(IBlockDevice inner, TimeSpan writeTime) : IBlockDevice
{
    private volatile bool _fails;

    /// <summary>Whether writes and flushes fail.</summary>
    public bool Fails
    {
        get => _fails;
        set => _fails = value;
    }

    public long Length => inner.Length;

    public int BlockSize => inner.BlockSize;

    public bool CanWrite => inner.CanWrite;

    public bool CanResize => inner.CanResize;

    public bool CanDiscard => inner.CanDiscard;

    public int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(offset, buffer, cancellationToken);

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        Check();
        Thread.Sleep(writeTime);
        inner.Write(offset, buffer, durability);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        Check();
        await Task.Delay(writeTime, cancellationToken);
        await inner.WriteAsync(offset, buffer, durability, cancellationToken);
    }

    public void Flush()
    {
        Check();
        inner.Flush();
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        Check();
        return inner.FlushAsync(cancellationToken);
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        Check();
        inner.WriteZeroes(offset, length, durability);
    }

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        Check();
        return inner.WriteZeroesAsync(offset, length, durability, cancellationToken);
    }

    public void Discard(long offset, long length) => inner.Discard(offset, length);

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) => inner.DiscardAsync(offset, length, cancellationToken);

    public void SetLength(long length) => inner.SetLength(length);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) => inner.SetLengthAsync(length, cancellationToken);

    public void Dispose() => inner.Dispose();

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void Check()
    {
        if (_fails)
        {
            throw new IOException("the share is away");
        }
    }
}
