using PCache.Core;

namespace PCache.Tool;

/// <summary>Passes everything on to another device; derived classes change what they are about.</summary>
internal abstract class DelegatingDevice(IBlockDevice inner) : IBlockDevice, IBackingFile
{
    public virtual long Length => inner.Length;

    public string? FilePath => (inner as IBackingFile)?.FilePath;

    public UInt128 FileId => (inner as IBackingFile)?.FileId ?? 0;

    public StorageChange LookAtFile() => (inner as IBackingFile)?.LookAtFile() ?? StorageChange.None;

    public int BlockSize => inner.BlockSize;

    public bool CanWrite => inner.CanWrite;

    public virtual bool CanResize => inner.CanResize;

    public bool CanDiscard => inner.CanDiscard;

    public virtual int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public virtual ValueTask<int> ReadAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(offset, buffer, cancellationToken);

    public virtual void Write(
        long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal) =>
        inner.Write(offset, buffer, durability);

    public virtual ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default) =>
        inner.WriteAsync(offset, buffer, durability, cancellationToken);

    public virtual void Flush() => inner.Flush();

    public virtual ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
        inner.FlushAsync(cancellationToken);

    public virtual void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        inner.WriteZeroes(offset, length, durability);

    public virtual ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default) =>
        inner.WriteZeroesAsync(offset, length, durability, cancellationToken);

    public void Discard(long offset, long length) => inner.Discard(offset, length);

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        inner.DiscardAsync(offset, length, cancellationToken);

    public virtual void SetLength(long length) => inner.SetLength(length);

    public virtual ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        inner.SetLengthAsync(length, cancellationToken);

    public virtual void Dispose() => inner.Dispose();

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
