using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Reading. Keeps true: a read that is all cached completes synchronously, takes no lock beyond a lookup, and
/// allocates nothing; what isn't cached is read from the backing and, where there is room, cached. The device's end
/// is looked at when the read begins, and again where it meets one. Of a batch that is written as a whole a read has
/// all or nothing: where one came in the middle of it, it is read again. Any thread.
/// </summary>
internal sealed class ReadPath(ExtentStore store, Hits hits, BackingReads misses, SpaceQueue space, OperationGate gate)
{
    /// <summary>Reads of a batch that are looked up before their turn.</summary>
    private const int ReadsAhead = 4;

    private readonly ExtentStore _store = store;
    private readonly Hits _hits = hits;
    private readonly OperationGate _gate = gate;

    /// <inheritdoc cref="IBlockDevice.Read"/>
    public int Read(long offset, Span<byte> buffer)
    {
        Ranges.CheckOffset(offset);
        int token = _gate.Enter();
        try
        {
            int length = _store.Clip(offset, buffer.Length);
            int index = OperationGate.IndexOf(token);
            return _hits.TryReadPage(index, offset, buffer[..length])
                ? length
                : ReadSlowly(index, offset, buffer, length);
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    /// <summary>Completes synchronously, without a state machine, when all of it is cached.</summary>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Ranges.CheckOffset(offset);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        int token = _gate.Enter();
        try
        {
            int length = _store.Clip(offset, buffer.Length);
            int index = OperationGate.IndexOf(token);
            if (_hits.TryReadPage(index, offset, buffer.Span[..length]))
            {
                return new ValueTask<int>(length);
            }

            long batches = _store.Batches.Enter();
            int copied = _hits.Copy(index, offset, buffer.Span[..length]);
            if (copied < length || !_store.Batches.IsUnchanged(batches))
            {
                int entered = _gate.Share(token);
                token = -1;
                return ReadRestAsync(offset, buffer, copied, length, batches, entered, cancellationToken);
            }

            _hits.CountRead(index, length, missed: false);
            return new ValueTask<int>(length);
        }
        finally
        {
            if (token >= 0)
            {
                _gate.Exit(token);
            }
        }
    }

    /// <summary>Reads one after the other. Returns the bytes read in all.</summary>
    public long ReadBatch(ReadOnlySpan<BlockRead> reads)
    {
        CheckBatch(reads);
        long done = 0;
        Span<Extent> found = stackalloc Extent[ReadsAhead];
        int token = _gate.Enter();
        try
        {
            int index = OperationGate.IndexOf(token);

            // While one payload is copied, those of the next reads are on their way.
            int ahead = 0;
            for (int i = 0; i < reads.Length; i++)
            {
                for (; ahead < reads.Length && ahead < i + ReadsAhead; ahead++)
                {
                    _hits.PeekAhead(reads[ahead].Offset, reads[ahead].Buffer.Length, out found[ahead % ReadsAhead]);
                }

                ref readonly BlockRead read = ref reads[i];
                ref readonly Extent piece = ref found[i % ReadsAhead];
                int length = _store.Clip(read.Offset, read.Buffer.Length);
                Span<byte> buffer = read.Buffer.Span;
                done += !piece.IsGap && length == buffer.Length
                    && _hits.TryCopyPage(index, read.Offset, in piece, buffer)
                    ? length
                    : ReadSlowly(index, read.Offset, buffer, length);
            }
        }
        finally
        {
            _gate.Exit(token);
        }

        return done;
    }

    /// <inheritdoc cref="ReadBatch"/>
    public async ValueTask<long> ReadBatchAsync(ReadOnlyMemory<BlockRead> reads, CancellationToken cancellationToken)
    {
        CheckBatch(reads.Span);
        long done = 0;
        for (int i = 0; i < reads.Length; i++)
        {
            BlockRead read = reads.Span[i];
            done += await ReadAsync(read.Offset, read.Buffer, cancellationToken).ConfigureAwait(false);
        }

        return done;
    }

    private static void CheckBatch(ReadOnlySpan<BlockRead> reads)
    {
        foreach (ref readonly BlockRead read in reads)
        {
            Ranges.CheckOffset(read.Offset);
        }
    }

    private int ReadSlowly(int index, long offset, Span<byte> buffer, int length)
    {
        int done = 0;
        bool missed = false;
        long batches = _store.Batches.Enter();
        try
        {
            while (done < length || IsOutdated(ref batches, ref done))
            {
                int copied = _hits.Copy(index, offset + done, buffer[done..length]);
                if (copied > 0)
                {
                    done += copied;
                    continue;
                }

                MissOperation? miss = misses.TryBegin(offset + done, length - done);
                if (miss is null)
                {
                    length = Math.Min(length, done + _store.Clip(offset + done, length - done));
                    continue;
                }

                missed = true;
                try
                {
                    if (misses.Read(miss))
                    {
                        done += misses.Complete(index, miss, offset + done, buffer[done..length], space.HasWaiters);
                    }
                }
                finally
                {
                    misses.End(miss);
                }
            }

            return length;
        }
        finally
        {
            _hits.CountRead(index, done, missed);
        }
    }

    /// <summary>At the end of a read: whether a batch has come in the middle of it, and it has to begin anew.</summary>
    private bool IsOutdated(ref long batches, ref int done)
    {
        if (done == 0 || _store.Batches.IsUnchanged(batches))
        {
            return false;
        }

        batches = _store.Batches.Enter();
        done = 0;
        return true;
    }

    private async ValueTask<int> ReadRestAsync(
        long offset, Memory<byte> buffer, int done, int length, long batches, int token,
        CancellationToken cancellationToken)
    {
        bool missed = false;
        try
        {
            while (done < length || IsOutdated(ref batches, ref done))
            {
                cancellationToken.ThrowIfCancellationRequested();
                int copied = _hits.Copy(ThreadIndex.Current, offset + done, buffer.Span[done..length]);
                if (copied > 0)
                {
                    done += copied;
                    continue;
                }

                MissOperation? miss = misses.TryBegin(offset + done, length - done);
                if (miss is null)
                {
                    length = Math.Min(length, done + _store.Clip(offset + done, length - done));
                    continue;
                }

                missed = true;
                try
                {
                    if (await misses.ReadAsync(miss, cancellationToken).ConfigureAwait(false))
                    {
                        done += misses.Complete(
                            ThreadIndex.Current, miss, offset + done, buffer.Span[done..length], space.HasWaiters);
                    }
                }
                finally
                {
                    misses.End(miss);
                }
            }

            return length;
        }
        finally
        {
            _hits.CountRead(ThreadIndex.Current, done, missed);
            _gate.Exit(token);
        }
    }
}
