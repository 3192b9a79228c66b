// What all backings have in common. Keeps true: a derived class only ever sees arguments that are in range, aligned,
// not empty, of a device that is open and allows the operation, and a read that can't overflow; write-zeroes, discard
// and FUA mean the same everywhere, and are written once. Checks come in FileStream's order: arguments, then
// disposal, then what the device can do, then where it ends.

using System.Diagnostics.CodeAnalysis;

namespace PCache.Core.Backing;

internal abstract class CheckedBlockDevice(int blockSize, bool canWrite, bool canResize) : IBlockDevice
{
    /// <summary>The largest block size in bytes.</summary>
    public const int MaxBlockSize = 65_536;

    // Zeros are written in pieces of this length at most.
    internal const int ZeroChunkBytes = 64 * 1024;

    private static readonly byte[] Zeros = new byte[ZeroChunkBytes];

    private volatile bool _disposed;

    public abstract long Length { get; }

    public int BlockSize { get; } = blockSize;

    public bool CanWrite { get; } = canWrite;

    public bool CanResize { get; } = canResize;

    public virtual bool CanDiscard => false;

    /// <summary>The longest that it can become, as far as it knows, in bytes.</summary>
    internal virtual long MaxLengthBytes => long.MaxValue;

    /// <summary>
    /// Whether a synchronous write costs less than an asynchronous one and calls back into no caller's code: writes
    /// may come from any thread at once.
    /// </summary>
    internal virtual bool PrefersSynchronousWrites => false;

    /// <summary>
    /// Gives back what was claimed, without closing anything: the caller that gave the stream or handle keeps it.
    /// </summary>
    internal virtual void Abandon()
    {
    }

    protected bool IsDisposed => _disposed;

    public int Read(long offset, Span<byte> buffer)
    {
        int lengthBytes = CheckRead(offset, buffer.Length);
        return lengthBytes == 0 ? 0 : ReadAt(offset, buffer[..lengthBytes]);
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int lengthBytes = CheckRead(offset, buffer.Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        return lengthBytes == 0 ? default : ReadAtAsync(offset, buffer[..lengthBytes], cancellationToken);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        CheckWrite(offset, buffer.Length, durability);
        if (!buffer.IsEmpty)
        {
            WriteAt(offset, buffer);
        }

        if (durability != WriteDurability.Normal)
        {
            Harden(durability);
        }
    }

    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        CheckWrite(offset, buffer.Length, durability);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        ValueTask write = buffer.IsEmpty ? default : WriteAtAsync(offset, buffer, cancellationToken);
        return durability != WriteDurability.Normal ? ThenHardenAsync(write, durability, cancellationToken) : write;
    }

    public void Flush()
    {
        ThrowIfDisposed();
        FlushAll();
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled(cancellationToken)
            : FlushAllAsync(cancellationToken);
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        CheckWrite(offset, length, durability);
        if (length > 0)
        {
            WriteZeroesAt(offset, length);
        }

        if (durability != WriteDurability.Normal)
        {
            Harden(durability);
        }
    }

    public ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        CheckWrite(offset, length, durability);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        ValueTask write = length == 0 ? default : WriteZeroesAtAsync(offset, length, cancellationToken);
        return durability != WriteDurability.Normal ? ThenHardenAsync(write, durability, cancellationToken) : write;
    }

    public void Discard(long offset, long length)
    {
        long lengthBytes = CheckDiscard(offset, length);
        if (lengthBytes > 0)
        {
            DiscardAt(offset, lengthBytes);
        }
    }

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        long lengthBytes = CheckDiscard(offset, length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        return lengthBytes > 0 ? DiscardAtAsync(offset, lengthBytes, cancellationToken) : default;
    }

    public void SetLength(long length)
    {
        CheckSetLength(length);
        ResizeTo(length);
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        CheckSetLength(length);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled(cancellationToken)
            : ResizeToAsync(length, cancellationToken);
    }

    public void Dispose()
    {
        _disposed = true;
        Close();
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return CloseAsync();
    }

    // Reads until the buffer is full or the device ends.
    protected abstract int ReadAt(long offset, Span<byte> buffer);

    protected abstract ValueTask<int> ReadAtAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    protected abstract void WriteAt(long offset, ReadOnlySpan<byte> buffer);

    protected abstract ValueTask WriteAtAsync(
        long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken);

    protected abstract void FlushAll();

    protected abstract ValueTask FlushAllAsync(CancellationToken cancellationToken);

    // What was written survives the process afterwards. Nothing to do for a device that keeps nothing back.
    protected virtual void HandOverAll()
    {
    }

    protected virtual ValueTask HandOverAllAsync(CancellationToken cancellationToken)
    {
        HandOverAll();
        return ValueTask.CompletedTask;
    }

    protected abstract void ResizeTo(long lengthBytes);

    protected abstract ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken);

    // Called once or more; after it nothing but operations that had begun before runs.
    protected abstract void Close();

    protected abstract ValueTask CloseAsync();

    // Zeros for the next piece of a longer run of them.
    protected static ReadOnlyMemory<byte> ZeroChunk(long remainingBytes) =>
        Zeros.AsMemory(0, (int)Math.Min(remainingBytes, ZeroChunkBytes));

    protected virtual void WriteZeroesAt(long offset, long lengthBytes)
    {
        for (long done = 0; done < lengthBytes;)
        {
            ReadOnlyMemory<byte> zeros = ZeroChunk(lengthBytes - done);
            WriteAt(offset + done, zeros.Span);
            done += zeros.Length;
        }
    }

    protected virtual async ValueTask WriteZeroesAtAsync(
        long offset, long lengthBytes, CancellationToken cancellationToken)
    {
        for (long done = 0; done < lengthBytes;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ReadOnlyMemory<byte> zeros = ZeroChunk(lengthBytes - done);
            await WriteAtAsync(offset + done, zeros, cancellationToken).ConfigureAwait(false);
            done += zeros.Length;
        }
    }

    // Only for devices that say CanDiscard; the range is inside the device.
    protected virtual void DiscardAt(long offset, long lengthBytes)
    {
    }

    protected virtual ValueTask DiscardAtAsync(long offset, long lengthBytes, CancellationToken cancellationToken)
    {
        DiscardAt(offset, lengthBytes);
        return ValueTask.CompletedTask;
    }

    protected void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    private void Harden(WriteDurability durability)
    {
        if (durability == WriteDurability.ForceUnitAccess)
        {
            FlushAll();
        }
        else
        {
            HandOverAll();
        }
    }

    private async ValueTask ThenHardenAsync(
        ValueTask write, WriteDurability durability, CancellationToken cancellationToken)
    {
        await write.ConfigureAwait(false);
        if (durability == WriteDurability.ForceUnitAccess)
        {
            await FlushAllAsync(cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await HandOverAllAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    // How much of a read can be asked for without offset + length leaving the range of a long.
    private int CheckRead(long offset, int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ThrowIfDisposed();
        if (BlockSize > 1 && ((offset & (BlockSize - 1)) != 0
            || ((lengthBytes & (BlockSize - 1)) != 0 && offset < Length - lengthBytes)))
        {
            ThrowMisaligned(offset, lengthBytes);
        }

        return (int)Math.Min(lengthBytes, long.MaxValue - offset);
    }

    private void CheckWrite(long offset, long lengthBytes, WriteDurability durability)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes, "length");
        if (durability is < WriteDurability.Normal or > WriteDurability.Persist)
        {
            throw new ArgumentOutOfRangeException(nameof(durability), durability, "Not a durability.");
        }

        ThrowIfDisposed();
        ThrowIfReadOnly();
        long limit = CanResize ? long.MaxValue : Length;
        if (offset > limit - lengthBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset), offset, $"{lengthBytes} bytes at offset {offset} end beyond {limit} bytes, "
                    + $"{(CanResize ? "the longest possible" : "the fixed length")}.");
        }

        if (BlockSize > 1 && ((offset & (BlockSize - 1)) != 0
            || ((lengthBytes & (BlockSize - 1)) != 0 && offset + lengthBytes != Length)))
        {
            ThrowMisaligned(offset, lengthBytes);
        }
    }

    // How much of the range is inside the device and worth discarding.
    private long CheckDiscard(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ThrowIfDisposed();
        ThrowIfReadOnly();
        long insideBytes = Math.Min(length, Math.Max(0, Length - offset));
        if (BlockSize > 1
            && ((offset & (BlockSize - 1)) != 0 || ((length & (BlockSize - 1)) != 0 && length < Length - offset)))
        {
            ThrowMisaligned(offset, length);
        }

        return CanDiscard ? insideBytes : 0;
    }

    private void CheckSetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ThrowIfDisposed();
        if (!CanResize)
        {
            throw new NotSupportedException(CanWrite ? "The device has a fixed length." : "The device is read-only.");
        }
    }

    private void ThrowIfReadOnly()
    {
        if (!CanWrite)
        {
            throw new NotSupportedException("The device is read-only.");
        }
    }

    [DoesNotReturn]
    private void ThrowMisaligned(long offset, long lengthBytes) =>
        throw new ArgumentException(
            $"{lengthBytes} bytes at offset {offset} are no multiple of the block size of {BlockSize} bytes.");
}
