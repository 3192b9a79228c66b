namespace PCache.Core;

/// <content>Batches that are written as a whole.</content>
public sealed partial class PCacheDevice
{
    /// <summary>
    /// Writes many extents at once. With <see cref="BatchAtomicity.All"/> all of them or nothing: a read, also one that
    /// spans several of them, sees all of what it spans or nothing of it; so does whatever a crash leaves, with or
    /// without a flush, and the backing wherever write-back has ended a group. Of overlapping extents the last wins.
    /// </summary>
    /// <param name="writes">What to write; any number, empty ones allowed.</param>
    /// <param name="durability">With <see cref="WriteDurability.ForceUnitAccess"/> all of it is durable on
    /// return.</param>
    /// <param name="atomicity">Whether the batch is written as a whole.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative offset, or a range past the end of a device that
    /// can't grow. Nothing was written.</exception>
    /// <exception cref="ArgumentException">The batch is too large to be written as a whole, see
    /// <see cref="PCacheStatus.AtomicBatchBytes"/>. Nothing was written.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="PCacheFullException">There was no room, and none could be made; of a whole nothing was
    /// written.</exception>
    /// <exception cref="IOException">The medium or the backing failed.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited for room; of a whole
    /// nothing was written.</exception>
    public void WriteBatch(
        ReadOnlySpan<BlockWrite> writes, WriteDurability durability, BatchAtomicity atomicity)
    {
        if (IsWhole(atomicity))
        {
            using AtomicBatch batch = Collect(writes);
            batch.Commit(durability);
        }
        else
        {
            WriteBatch(writes, durability);
        }
    }

    /// <inheritdoc cref="WriteBatch(ReadOnlySpan{BlockWrite}, WriteDurability, BatchAtomicity)"/>
    /// <exception cref="OperationCanceledException">Cancelled; of a whole nothing was written, or, while it was made
    /// durable, all of it.</exception>
    public async ValueTask WriteBatchAsync(
        ReadOnlyMemory<BlockWrite> writes, WriteDurability durability, BatchAtomicity atomicity,
        CancellationToken cancellationToken = default)
    {
        if (IsWhole(atomicity))
        {
            using AtomicBatch batch = Collect(writes.Span);
            await batch.CommitAsync(durability, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await WriteBatchAsync(writes, durability, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Begins a scope whose writes become visible and durable together, or not at all, for callers that don't know
    /// them beforehand.
    /// </summary>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public AtomicBatch BeginAtomic()
    {
        _engine.ThrowIfClosed();
        _ = _engine.Writable;
        return new AtomicBatch(_engine);
    }

    private static bool IsWhole(BatchAtomicity atomicity) => atomicity switch
    {
        BatchAtomicity.EachSector => false,
        BatchAtomicity.All => true,
        _ => throw new ArgumentOutOfRangeException(nameof(atomicity), atomicity, "Not a defined value."),
    };

    private AtomicBatch Collect(ReadOnlySpan<BlockWrite> writes)
    {
        AtomicBatch batch = BeginAtomic();
        foreach (ref readonly BlockWrite write in writes)
        {
            batch.Write(write.Offset, write.Data.Span);
        }

        return batch;
    }
}
