using PCache.Core.Engine;
using PCache.Core.Opening;
using PCache.Core.Store;

namespace PCache.Core;

/// <summary>
/// Writes that become visible and durable together, or not at all; from <see cref="PCacheDevice.BeginAtomic"/>.
/// Until <see cref="Commit"/> only this scope's own reads see them, and disposing it without a commit is as if nothing
/// had been written. Belongs to one thread at a time; several scopes may be open, and whichever commits later comes
/// later.
/// </summary>
/// <remarks>
/// Keeps true: nothing reaches the device before the commit; what is written is kept in memory of the process until
/// then, about as much as it is. After a commit, or one that failed, the scope is closed.
/// </remarks>
public sealed class AtomicBatch : IDisposable
{
    private readonly CacheEngine _engine;
    private AtomicContent? _content = new();

    internal AtomicBatch(CacheEngine engine)
    {
        _engine = engine;
    }

    /// <summary>Bytes of the sectors that are written so far: what the limit is about.</summary>
    public long LengthBytes => Content.SectorBytes;

    private AtomicContent Content =>
        _content ?? throw new ObjectDisposedException(nameof(AtomicBatch), "The batch is committed or disposed.");

    /// <summary>Writes; of overlapping writes the last one wins.</summary>
    /// <param name="offset">First byte on the device, 0 or more.</param>
    /// <param name="data">The bytes; they are copied.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative offset, or a range past the end of a device that
    /// can't grow. The scope is as before.</exception>
    /// <exception cref="ArgumentException">The batch would be too large, see
    /// <see cref="PCacheStatus.AtomicBatchBytes"/>. The scope is as before.</exception>
    /// <exception cref="ObjectDisposedException">The scope is committed or disposed.</exception>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        AtomicContent content = Content;
        Ranges.Check(offset, data.Length);
        if (!data.IsEmpty)
        {
            CheckEnd(offset + data.Length);
            AtomicLimits limits = _engine.Writable.Batches.Atomic.Limits;
            limits.CheckBytes(data.Length); // before its sectors are looked at one by one
            limits.CheckBytes(content.SectorBytes + content.Added(offset, data.Length));
            content.Write(offset, data);
        }
    }

    /// <summary>Reads what the device would hold after a commit now.</summary>
    /// <param name="offset">First byte on the device, 0 or more.</param>
    /// <param name="buffer">Where the bytes go.</param>
    /// <returns>Bytes read: less than the buffer holds only where the device, with this batch, ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A negative offset.</exception>
    /// <exception cref="PCacheDamagedDataException">Dirty cached data of the range doesn't fit its
    /// checksum.</exception>
    /// <exception cref="ObjectDisposedException">The scope is committed or disposed, or the device is
    /// disposed.</exception>
    public int Read(long offset, Span<byte> buffer)
    {
        AtomicContent content = Content;
        int read = _engine.Reads.Read(offset, buffer);
        int length = (int)Math.Max(read, Math.Min(buffer.Length, content.End - offset));
        buffer[read..length].Clear();
        content.Overlay(offset, buffer[..length]);
        return length;
    }

    /// <summary>Writes all of it, and closes the scope.</summary>
    /// <param name="durability">With <see cref="WriteDurability.ForceUnitAccess"/> all of it is durable on
    /// return.</param>
    /// <exception cref="ArgumentException">The batch has too many separate ranges, see
    /// <see cref="PCacheStatus.AtomicBatchRanges"/>. Nothing was written.</exception>
    /// <exception cref="PCacheFullException">There was no room, and none could be made. Nothing was
    /// written.</exception>
    /// <exception cref="IOException">Medium or backing failed: nothing was written, or all of it, and it isn't known
    /// to be durable.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited for room. Nothing was
    /// written.</exception>
    /// <exception cref="ObjectDisposedException">The scope is committed or disposed, or the device is
    /// disposed.</exception>
    public void Commit(WriteDurability durability = WriteDurability.Normal) =>
        CommitAsync(durability, async: false, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc cref="Commit"/>
    /// <exception cref="OperationCanceledException">Cancelled: nothing was written, or, while it was made durable, all
    /// of it.</exception>
    public ValueTask CommitAsync(
        WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default) =>
        CommitAsync(durability, async: true, cancellationToken);

    /// <summary>Without a commit: as if nothing had been written.</summary>
    public void Dispose() => _content = null;

    private ValueTask CommitAsync(WriteDurability durability, bool async, CancellationToken cancellationToken)
    {
        DeviceSetup.CheckDurability(durability);
        AtomicContent content = Content;
        _content = null;
        return _engine.Writable.Batches.Atomic.CommitAsync(content, durability, async, cancellationToken);
    }

    private void CheckEnd(long end)
    {
        if (end > _engine.Store.Length && !_engine.CanResize)
        {
            throw new ArgumentOutOfRangeException(nameof(end), end, $"The range ends at {end}, beyond the device's "
                + $"length of {_engine.Store.Length} bytes, and the backing's length is fixed.");
        }
    }
}
