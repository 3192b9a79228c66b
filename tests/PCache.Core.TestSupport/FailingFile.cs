namespace PCache.Core.Tests.Support;

/// <summary>A file as a backing, which is known as that file. Keeps true: from a given write on, every write fails, and does nothing.</summary>
internal sealed class FailingFile(string path) : IBlockDevice, IBackingFile
{
    private readonly IBlockDevice _file = BlockDevice.OpenFile(path, FileAccess.ReadWrite);

    /// <summary>Writes so far.</summary>
    public int Writes { get; private set; }

    /// <summary>The first write that fails, counted from 1.</summary>
    public int FailsFrom { get; set; } = int.MaxValue;

    public string? FilePath => ((IBackingFile)_file).FilePath;

    public UInt128 FileId => ((IBackingFile)_file).FileId;

    public long Length => _file.Length;

    public int BlockSize => _file.BlockSize;

    public bool CanWrite => true;

    public bool CanResize => _file.CanResize;

    public bool CanDiscard => _file.CanDiscard;

    public StorageChange LookAtFile() => ((IBackingFile)_file).LookAtFile();

    public int Read(long offset, Span<byte> buffer) => _file.Read(offset, buffer);

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default) => _file.ReadAsync(offset, buffer, cancellationToken);

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        Writes++;
        if (Writes >= FailsFrom)
        {
            throw new IOException("The disk is gone.");
        }

        _file.Write(offset, buffer, durability);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public void Flush() => _file.Flush();

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => _file.FlushAsync(cancellationToken);

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) => _file.WriteZeroes(offset, length, durability);

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default) =>
        _file.WriteZeroesAsync(offset, length, durability, cancellationToken);

    public void Discard(long offset, long length) => _file.Discard(offset, length);

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) => _file.DiscardAsync(offset, length, cancellationToken);

    public void SetLength(long length) => _file.SetLength(length);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) => _file.SetLengthAsync(length, cancellationToken);

    public void Dispose() => _file.Dispose();

    public ValueTask DisposeAsync() => _file.DisposeAsync();
}
