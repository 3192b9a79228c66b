using PCache.Core.Diagnostics;
using PCache.Core.Indexing;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Reading. Keeps true: hits are copied without any lock; the segment's generation is checked again after the copy, so what was copied is what the
/// index named; a miss returns backing data only for sectors that nobody wrote while it was read (its placeholders are still there), so a sector is
/// never half old and half new; with payload checksums on, nothing is returned that doesn't fit its checksum.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>log2 of a page's bytes.</summary>
    private const int PageShift = 12;

    public int Read(long offset, Span<byte> buffer)
    {
        CheckOffset(offset);
        int token = _gate.Enter();
        try
        {
            int length = ClipToDevice(offset, buffer.Length);
            int index = OperationGate.IndexOf(token);
            return TryReadPage(index, offset, buffer[..length]) ? length : ReadSlowly(index, offset, buffer, length);
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    private int ReadSlowly(int index, long offset, Span<byte> buffer, int length)
    {
        int done = 0;
        bool missed = false;
        try
        {
            while (done < length)
            {
                int copied = CopyHits(index, offset + done, buffer[done..length]);
                if (copied > 0)
                {
                    done += copied;
                    continue;
                }

                MissOperation? miss = BeginMiss(offset + done, length - done);
                if (miss is null)
                {
                    length = Math.Min(length, done + ClipToDevice(offset + done, length - done));
                    continue;
                }

                missed = true;
                try
                {
                    if (ReadBacking(miss))
                    {
                        done += CompleteMiss(index, miss, offset + done, buffer[done..length]);
                    }
                }
                finally
                {
                    EndMiss(miss);
                }
            }

            return length;
        }
        finally
        {
            CountRead(index, done, missed);
        }
    }

    /// <summary>Completes synchronously, without a state machine, when all of it is cached.</summary>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        CheckOffset(offset);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        int token = _gate.Enter();
        try
        {
            int length = ClipToDevice(offset, buffer.Length);
            int index = OperationGate.IndexOf(token);
            if (TryReadPage(index, offset, buffer.Span[..length]))
            {
                return new ValueTask<int>(length);
            }

            int copied = CopyHits(index, offset, buffer.Span[..length]);
            if (copied < length)
            {
                int entered = _gate.Share(token);
                token = -1;
                return ReadRestAsync(offset, buffer, copied, length, entered, cancellationToken);
            }

            CountRead(index, length, missed: false);
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

    private async ValueTask<int> ReadRestAsync(long offset, Memory<byte> buffer, int done, int length, int token, CancellationToken cancellationToken)
    {
        bool missed = false;
        try
        {
            while (done < length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int copied = CopyHits(ThreadIndex.Current, offset + done, buffer.Span[done..length]);
                if (copied > 0)
                {
                    done += copied;
                    continue;
                }

                MissOperation? miss = BeginMiss(offset + done, length - done);
                if (miss is null)
                {
                    length = Math.Min(length, done + ClipToDevice(offset + done, length - done));
                    continue;
                }

                missed = true;
                try
                {
                    if (await ReadBackingAsync(miss, cancellationToken).ConfigureAwait(false))
                    {
                        done += CompleteMiss(ThreadIndex.Current, miss, offset + done, buffer.Span[done..length]);
                    }
                }
                finally
                {
                    EndMiss(miss);
                }
            }

            return length;
        }
        finally
        {
            CountRead(ThreadIndex.Current, done, missed);
            _gate.Exit(token);
        }
    }

    /// <summary>False: the device's length has changed meanwhile, look again.</summary>
    private bool ReadBacking(MissOperation miss)
    {
        try
        {
            return IsWhole(miss, _backing.Read(miss.ReadOffset, miss.ReadBuffer.Span));
        }
        catch (Exception e) when (_diagnostics.NoteReadFailure(e))
        {
            throw;
        }
    }

    /// <inheritdoc cref="ReadBacking"/>
    private async ValueTask<bool> ReadBackingAsync(MissOperation miss, CancellationToken cancellationToken)
    {
        try
        {
            return IsWhole(miss, await _backing.ReadAsync(miss.ReadOffset, miss.ReadBuffer, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception e) when (_diagnostics.NoteReadFailure(e))
        {
            throw;
        }
    }

    private int ClipToDevice(long offset, int length) => (int)Math.Clamp(Length - offset, 0, length);

    /// <summary>The commonest read: a range inside one page that one key covers, without any lock. False: nothing is known, look with the lock.</summary>
    private bool TryReadPage(int index, long offset, Span<byte> destination) =>
        TryPeekPage(offset, destination.Length, out Extent piece) && TryCopyPage(index, offset, in piece, destination);

    /// <summary>Looks up a range that <see cref="TryReadPage"/> can read.</summary>
    private bool TryPeekPage(long offset, int lengthBytes, out Extent piece)
    {
        int inStripe = (int)(offset & (StripeSize - 1));
        int last = inStripe + lengthBytes - 1;
        long stripe = offset >> ShardedIndex.StripeShift;
        IndexShard shard = _index.For(stripe);
        int start = inStripe / SectorSize;
        int end = (last / SectorSize) + 1;
        if (inStripe >> PageShift != last >> PageShift
            || lengthBytes == 0
            || !shard.Stripes.TryPeek(shard.Gate, stripe, start, end, out Slot slot)
            || slot.Kind != SlotKind.Payload)
        {
            piece = default;
            return false;
        }

        piece = slot.Unpack(start, end - start);
        return true;
    }

    private bool TryCopyPage(int index, long offset, in Extent piece, Span<byte> destination)
    {
        if (!TryCopy(offset >> ShardedIndex.StripeShift, in piece, (int)(offset & (SectorSize - 1)), destination, _verifyReads, locked: false))
        {
            return false;
        }

        _counters.Add(index, DeviceCounter.HitBytes, destination.Length);
        CountRead(index, destination.Length, missed: false);
        return true;
    }

    /// <summary>Copies what is cached from <paramref name="offset"/> on, up to the first gap; returns the number of bytes.</summary>
    private int CopyHits(int index, long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            long at = offset + done;
            int inStripe = (int)(at & (StripeSize - 1));
            int wanted = Math.Min(destination.Length - done, StripeSize - inStripe);
            int copied = CopyHitsOfStripe(at >> ShardedIndex.StripeShift, inStripe, destination.Slice(done, wanted));
            done += copied;
            if (copied < wanted)
            {
                break;
            }
        }

        if (done > 0)
        {
            _counters.Add(index, DeviceCounter.HitBytes, done);
        }

        return done;
    }

    private int CopyHitsOfStripe(long stripe, int inStripe, Span<byte> destination)
    {
        int start = inStripe / SectorSize;
        int end = (inStripe + destination.Length + SectorSize - 1) / SectorSize;
        IndexShard shard = _index.For(stripe);
        ExtentBuffer pieces = ThreadPieces;
        pieces.Clear();
        using (shard.Gate.Hold())
        {
            if (!shard.Stripes.TryFind(stripe, out StripeIndex index))
            {
                return 0;
            }

            if (index.TryGetSingle(start, end, out Extent single))
            {
                pieces.Add(in single);
            }
            else
            {
                index.Lookup(start, end, pieces);
            }
        }

        int done = 0;
        for (int i = 0; i < pieces.Count; i++)
        {
            Extent piece = pieces[i];
            if ((piece.Flags & (ExtentFlags.Gap | ExtentFlags.Placeholder)) != 0)
            {
                break;
            }

            int from = Math.Max(inStripe, piece.Start * SectorSize);
            int to = Math.Min(inStripe + destination.Length, piece.End * SectorSize);
            if (!TryCopy(stripe, in piece, from - (piece.Start * SectorSize), destination[(from - inStripe)..(to - inStripe)], _verifyReads, locked: false))
            {
                break;
            }

            done = to - inStripe;
        }

        return done;
    }

    /// <summary>
    /// Copies a part of an extent's payload. False: the extent is dead, or was clean and damaged and has been dropped: the caller treats it as a gap.
    /// </summary>
    private bool TryCopy(long stripe, in Extent extent, int skipBytes, Span<byte> destination, bool verify, bool locked)
    {
        if (IsDead(in extent))
        {
            return false;
        }

        long address = PayloadAddress(in extent);
        _region.CopyOut(address + skipBytes, destination);
        bool fits = !verify || PayloadFits(in extent);

        // Loads of the payload before the load of the generation: whoever reuses the segment raises it before the first store.
        Volatile.ReadBarrier();
        if (IsDead(in extent))
        {
            return false;
        }

        return fits || DropIfClean(stripe, in extent, locked);
    }

    /// <summary>Whether the whole payload of the key that an extent is part of fits its checksum.</summary>
    private bool PayloadFits(in Extent extent)
    {
        long start = PayloadAddress(in extent) - ((long)(extent.Start - extent.KeyStart) * SectorSize);
        return Crc32C.HashToUInt32(_region.ReadSpan(start, extent.KeyLength * SectorSize)) == extent.PayloadCrc;
    }

    /// <summary>Damaged payload: dropped where the backing has the same data (returns false: a gap now); else an error, and the device is degraded.</summary>
    private bool DropIfClean(long stripe, in Extent extent, bool locked)
    {
        bool stillThere;
        if (locked
            ? _damage.DropIfCleanLocked(stripe, in extent, drop: !_readOnly, out stillThere)
            : _damage.DropIfClean(stripe, in extent, drop: !_readOnly, out stillThere))
        {
            return false;
        }

        if (!stillThere)
        {
            return false; // overwritten meanwhile: look again
        }

        long offset = (stripe << ShardedIndex.StripeShift) + ((long)extent.Start * SectorSize);
        long lengthBytes = (long)extent.Length * SectorSize;
        _diagnostics.NoteDamage(offset, lengthBytes);
        throw new PCacheDamagedDataException(offset, lengthBytes);
    }
}
