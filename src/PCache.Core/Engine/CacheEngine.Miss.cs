using PCache.Core.Diagnostics;
using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Engine;

/// <summary>
/// Read misses and filling the cache. Keeps true: a miss reserves its gaps in the index before it reads the backing, and what it logs as clean is only
/// what it still owns afterwards: a write that overtakes a miss wins. A miss that finds no room fills nothing, and waits for nobody.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>Reserves the run of gaps at <paramref name="offset"/>. Null: there is no gap (any more), or the device has become shorter.</summary>
    private MissOperation? BeginMiss(long offset, int wantedBytes)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        int inStripe = (int)(offset & (StripeSize - 1));
        int bytes = Math.Min(Math.Min(wantedBytes, StripeSize - inStripe), MaxMissBytes);
        MissOperation miss = _misses.Get();
        miss.Stripe = stripe;
        miss.Shard = _index.For(stripe);
        miss.Start = inStripe / SectorSize;
        miss.End = (inStripe + bytes + SectorSize - 1) / SectorSize;
        miss.Id = (ulong)Interlocked.Increment(ref _missIds);
        using (miss.Shard.Gate.Hold())
        {
            if (offset >= Length || !Reserve(miss))
            {
                if (!_options.ReadOnly)
                {
                    miss.Shard.Stripes.RemoveIfEmpty(stripe);
                }

                _misses.Return(miss);
                return null;
            }
        }

        try
        {
            // Backing bytes beyond the device's length are none of the device's: a truncation is about to cut them off.
            miss.LengthChanges = Volatile.Read(ref _lengthChanges);
            miss.Prepare(Math.Max(_backing.BlockSize, 1), _backing.Length, Length);
        }
        catch
        {
            EndMiss(miss);
            throw;
        }

        return miss;
    }

    /// <summary>A writable device drops a damaged clean extent; a read-only one can't, and passes over it each time.</summary>
    private bool IsUselessReadOnly(in Extent piece) => _options.ReadOnly && _verifyReads && piece.IsClean && !PayloadFits(in piece);

    private bool Reserve(MissOperation miss)
    {
        StripeIndex? found = _options.ReadOnly ? miss.Shard.Stripes.Find(miss.Stripe) : miss.Shard.Stripes.GetOrAdd(miss.Stripe);
        if (found is not { } index)
        {
            return true;
        }

        index.Lookup(miss.Start, miss.End, miss.Pieces);
        int end = miss.Start;
        foreach (ref readonly Extent piece in miss.Pieces.AsSpan())
        {
            if (piece.IsPlaceholder)
            {
                miss.Foreign.Add(in piece);
            }
            else if (piece.IsGap || IsDead(in piece) || IsUselessReadOnly(in piece))
            {
                if (!_options.ReadOnly)
                {
                    index.Insert(MakePlaceholder(in piece, miss.Id));
                    miss.HasPlaceholders = true;
                }
            }
            else
            {
                break;
            }

            end = piece.End;
        }

        miss.Pieces.Clear();
        miss.End = end;
        return end > miss.Start;
    }

    /// <summary>
    /// Fills the cache with what the miss still owns, and copies the leading part that is still valid to <paramref name="destination"/>, which begins at
    /// device offset <paramref name="offset"/>. Returns the bytes copied; 0: the first sector was overtaken, look again.
    /// </summary>
    private int CompleteMiss(int index, MissOperation miss, long offset, Span<byte> destination)
    {
        bool fill = !_options.ReadOnly && _options.CacheReads && !miss.IsCut && MayFillNow(index) && TakeRoomsOrNote(index, miss);
        int validSectors = miss.End - miss.Start;
        bool relieve = false;
        if (!_options.ReadOnly)
        {
            using (miss.Shard.Gate.Hold())
            {
                StripeIndex? stripe = miss.Shard.Stripes.Find(miss.Stripe);
                validSectors = stripe is null ? 0 : CountUntouched(miss, stripe.Value);
                if (fill && stripe is not null)
                {
                    relieve = Fill(miss, stripe.Value);
                }

                RemovePlaceholders(miss);
            }

            if (relieve)
            {
                _log.Relieve(miss.Shard.Id);
            }
        }

        int skip = (int)(offset - miss.Offset);
        int copied = Math.Clamp((validSectors * SectorSize) - skip, 0, destination.Length);
        miss.Data.Slice(skip, copied).CopyTo(destination);
        _counters.Add(index, DeviceCounter.MissBytes, copied);
        return copied;
    }

    /// <summary>Ends a miss, completed or not: no placeholder and no room of it is left.</summary>
    private void EndMiss(MissOperation miss)
    {
        if (miss.HasPlaceholders)
        {
            using (miss.Shard.Gate.Hold())
            {
                RemovePlaceholders(miss);
            }
        }

        foreach ((PayloadRoom room, _) in miss.Rooms)
        {
            _heads.Return(in room);
        }

        _misses.Return(miss);
    }

    private bool MayFillNow(int index)
    {
        if (MayFill)
        {
            return true;
        }

        _counters.Add(index, DeviceCounter.FillsSuspended, 1);
        return false;
    }

    private bool TakeRoomsOrNote(int index, MissOperation miss)
    {
        if (TakeRooms(miss))
        {
            return true;
        }

        if (miss.HasPlaceholders)
        {
            _counters.Add(index, DeviceCounter.FillsWithoutRoom, 1);
        }

        return false;
    }

    /// <summary>Stores the miss's data in payload room, as far as there is some without waiting.</summary>
    private bool TakeRooms(MissOperation miss)
    {
        if (!miss.HasPlaceholders || _space.HasWaiters)
        {
            return false;
        }

        Span<byte> data = miss.Data;
        for (int done = 0; done < data.Length;)
        {
            if (!TryTakeRoom(data.Length - done, zeros: false, out PayloadRoom room))
            {
                break;
            }

            miss.Rooms.Add((room, 0));
            miss.Rooms[^1] = (room, StorePayload(in room, data.Slice(done, room.LengthBytes)));
            done += room.LengthBytes;
        }

        DrainPayload();

        return miss.Rooms.Count > 0;
    }

    private bool Fill(MissOperation miss, StripeIndex index)
    {
        var own = new PlaceholderFilter(miss.Id);
        bool relieve = false;
        int sector = miss.Start;
        foreach ((PayloadRoom room, uint crc) in miss.Rooms)
        {
            Extent whole = MakeExtent(sector, in room, crc, ExtentFlags.Clean);
            miss.Pieces.Clear();
            index.ReplaceWhere(in whole, ref own, miss.Pieces);
            int keys = 0;
            foreach (ref Extent part in miss.Pieces.AsSpan())
            {
                if (part.Length != whole.Length)
                {
                    // Overtaken in part: what is left is logged as a key of its own.
                    if (keys > 0 && !_log.TryReserve(1))
                    {
                        index.Remove(part.Start, part.End);
                        continue;
                    }

                    part.KeyStart = part.Start;
                    part.KeyLength = part.Length;
                    part.PayloadCrc = _payloadCrc ? Crc32C.HashToUInt32(miss.Data.Slice((part.Start - miss.Start) * SectorSize, part.Length * SectorSize)) : 0;
                    index.Insert(in part);
                    if (keys > 0)
                    {
                        _segments.AddReference(room.Segment);
                    }
                }

                relieve |= AddKey(miss.Shard, miss.Stripe, in part);
                keys++;
            }

            if (keys == 0)
            {
                _heads.Return(in room);
            }

            sector += room.LengthBytes / SectorSize;
        }

        miss.Rooms.Clear();
        miss.Pieces.Clear();
        return relieve;
    }

    private static void RemovePlaceholders(MissOperation miss)
    {
        if (miss.HasPlaceholders && miss.Shard.Stripes.Find(miss.Stripe) is { } index)
        {
            var own = new PlaceholderFilter(miss.Id);
            index.RemoveWhere(miss.Start, miss.End, ref own);
            miss.Shard.Stripes.RemoveIfEmpty(miss.Stripe);
        }

        miss.HasPlaceholders = false;
    }

    private static Extent MakePlaceholder(in Extent gap, ulong id) => new()
    {
        Start = gap.Start,
        Length = gap.Length,
        KeyStart = gap.Start,
        KeyLength = gap.Length,
        Flags = ExtentFlags.Placeholder,
        Generation = id,
    };

    /// <summary>
    /// Not while what was logged before damage was given up may still be on its way to the backing: a read of the given-up range sees the backing without it.
    /// </summary>
    private bool MayFill
    {
        get
        {
            long fillFrom = Volatile.Read(ref _fillFrom);
            return fillFrom == 0 || _positions.DirtyTail.Distance >= fillFrom;
        }
    }

    private static int CountUntouched(MissOperation miss, StripeIndex index)
    {
        miss.Pieces.Clear();
        index.Lookup(miss.Start, miss.End, miss.Pieces);
        int end = miss.Start;
        foreach (ref readonly Extent piece in miss.Pieces.AsSpan())
        {
            if (!miss.IsUntouched(in piece))
            {
                break;
            }

            end = piece.End;
        }

        miss.Pieces.Clear();
        return end - miss.Start;
    }
}
