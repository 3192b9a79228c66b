namespace PCache.Core.Journal;

/// <summary>
/// Where a checkpoint journal stands. Keeps true: what was written before a flush that returned is there after a
/// power cut; a place that doesn't exist yet reads as empty, and is made by the first write. One thread at a time.
/// </summary>
internal abstract class JournalPlace : IDisposable
{
    /// <summary>For messages and the status.</summary>
    public abstract string Name { get; }

    /// <summary>Unit of reads and writes in bytes, a power of two, at least 512.</summary>
    public abstract int BlockSize { get; }

    /// <summary>Bytes there now; 0: nothing.</summary>
    public abstract long Length { get; }

    /// <summary>Most bytes that fit.</summary>
    public abstract long Capacity { get; }

    /// <summary>Whether there is something to remove.</summary>
    public virtual bool Exists => false;

    /// <summary>Tries whether a journal can be written there, and leaves nothing behind.</summary>
    /// <exception cref="IOException">It can't.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not.</exception>
    public virtual void Probe()
    {
    }

    /// <summary>Reads; less than asked for only at the end.</summary>
    public abstract int Read(long offset, Span<byte> buffer);

    /// <summary>Writes whole blocks.</summary>
    public abstract void Write(long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Makes all of it durable, its name too.</summary>
    public abstract void Flush();

    /// <summary>Leaves nothing behind, where that can be; the journal in it was made invalid before.</summary>
    public virtual void Remove()
    {
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    /// <summary>Lets go of it.</summary>
    protected virtual void Close()
    {
    }

    /// <summary>Writes zeros over the header, durably: there is no valid journal any more.</summary>
    public void Invalidate()
    {
        if (Length > 0)
        {
            Write(0, new byte[BlockSize]);
            Flush();
        }
    }
}

/// <summary>A block device that the caller has given for it; it stays the caller's.</summary>
internal sealed class DeviceJournalPlace(IBlockDevice device) : JournalPlace
{
    /// <inheritdoc/>
    public override string Name => (device as IBackingFile)?.FilePath ?? "the journal device";

    /// <inheritdoc/>
    public override int BlockSize => Math.Max(512, device.BlockSize);

    /// <inheritdoc/>
    public override long Length => device.Length;

    /// <inheritdoc/>
    public override long Capacity => device.CanResize ? long.MaxValue : device.Length & -(long)BlockSize;

    /// <inheritdoc/>
    public override int Read(long offset, Span<byte> buffer) => device.Read(offset, buffer);

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset + bytes.Length > device.Length && device.CanResize)
        {
            device.SetLength(offset + bytes.Length);
        }

        device.Write(offset, bytes);
    }

    /// <inheritdoc/>
    public override void Flush() => device.Flush();
}
