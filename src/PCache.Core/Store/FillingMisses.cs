using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>
/// Misses of a writable device, which fill the cache. Keeps true: a miss reserves its gaps in the index by
/// placeholders before the backing is read, and what it logs as clean is only what it still owns afterwards: a write
/// that overtakes a miss wins. A miss that finds no room fills nothing, and waits for nothing.
/// </summary>
/// <param name="store">What the misses are of.</param>
/// <param name="writer">The way into index and log.</param>
/// <param name="cachesReads">Whether misses fill the cache at all.</param>
internal sealed class FillingMisses(ExtentStore store, ExtentWriter writer, bool cachesReads) : Misses(store)
{
    private long _fillFrom;

    /// <inheritdoc/>
    public override bool MayFill
    {
        get
        {
            long fillFrom = Volatile.Read(ref _fillFrom);
            return !cachesReads || fillFrom == 0 || Store.Positions.DirtyTail.Distance >= fillFrom;
        }
    }

    /// <summary>
    /// Damage is about to be given up: what was logged before may still be on its way to the backing, and a read of
    /// the given-up range sees the backing without it. So nothing fills the cache until write-back has passed
    /// <paramref name="distance"/>.
    /// </summary>
    public void SuspendUntil(long distance) => Volatile.Write(ref _fillFrom, distance);

    /// <inheritdoc/>
    protected override bool TryReserve(MissOperation miss)
    {
        StripeIndex index = miss.Shard.Stripes.GetOrAdd(miss.Stripe);
        index.Lookup(miss.Start, miss.End, miss.Pieces);
        int end = miss.Start;
        foreach (ref readonly Extent piece in miss.Pieces.AsSpan())
        {
            if (piece.IsPlaceholder)
            {
                miss.Foreign.Add(in piece);
            }
            else if (piece.IsGap || Store.IsDead(in piece))
            {
                index.Insert(MakePlaceholder(in piece, miss.Id));
                miss.HasPlaceholders = true;
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

    /// <inheritdoc/>
    protected override void LeaveEmpty(MissOperation miss) => miss.Shard.Stripes.RemoveIfEmpty(miss.Stripe);

    /// <inheritdoc/>
    protected override int Settle(int index, MissOperation miss, bool roomIsWanted)
    {
        bool fill = cachesReads && !miss.IsCut && !miss.IsBeyond && MayFillNow(index)
            && TakeRoomsOrCount(index, miss, roomIsWanted);
        bool relieve = false;
        int validSectors;
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
            writer.Log.Relieve(miss.Shard.Id);
        }

        return validSectors;
    }

    /// <inheritdoc/>
    protected override void Abandon(MissOperation miss)
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
            writer.Heads.Return(in room);
        }
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

    private bool MayFillNow(int index)
    {
        if (MayFill)
        {
            return true;
        }

        Store.Counters.Add(index, DeviceCounter.FillsSuspended, 1);
        return false;
    }

    private bool TakeRoomsOrCount(int index, MissOperation miss, bool roomIsWanted)
    {
        if (!miss.HasPlaceholders)
        {
            return false;
        }

        if (!roomIsWanted && TakeRooms(miss))
        {
            return true;
        }

        Store.Counters.Add(index, DeviceCounter.FillsWithoutRoom, 1);
        return false;
    }

    /// <summary>Stores the miss's data in payload room, as far as there is some without waiting.</summary>
    private bool TakeRooms(MissOperation miss)
    {
        Span<byte> data = miss.Data;
        for (int done = 0; done < data.Length;)
        {
            if (!writer.TryTakeRoom(data.Length - done, zeros: false, out PayloadRoom room))
            {
                break;
            }

            miss.Rooms.Add((room, 0));
            miss.Rooms[^1] = (room, writer.StorePayload(in room, data.Slice(done, room.LengthBytes)));
            done += room.LengthBytes;
        }

        writer.DrainPayload();
        return miss.Rooms.Count > 0;
    }

    /// <summary>Puts what the miss still owns into index and log. Holds the shard's lock.</summary>
    private bool Fill(MissOperation miss, StripeIndex index)
    {
        bool relieve = false;
        int sector = miss.Start;
        foreach ((PayloadRoom room, uint crc) in miss.Rooms)
        {
            if (FillRoom(miss, index, writer.MakeExtent(sector, in room, crc, ExtentFlags.Clean), ref relieve) == 0)
            {
                writer.Heads.Return(in room);
            }

            sector += room.LengthBytes / SectorSize;
        }

        miss.Rooms.Clear();
        miss.Pieces.Clear();
        return relieve;
    }

    /// <summary>Returns how many keys name payload of the room.</summary>
    private int FillRoom(MissOperation miss, StripeIndex index, in Extent whole, ref bool relieve)
    {
        var own = new PlaceholderFilter(miss.Id);
        miss.Pieces.Clear();
        index.ReplaceWhere(in whole, ref own, miss.Pieces);
        int keys = 0;
        foreach (ref Extent part in miss.Pieces.AsSpan())
        {
            if (part.Length != whole.Length)
            {
                // Overtaken in part: what is left is logged as a key of its own.
                if (keys > 0 && !writer.Log.Room.TryReserve(1))
                {
                    index.Remove(part.Start, part.End);
                    continue;
                }

                part.KeyStart = part.Start;
                part.KeyLength = part.Length;
                part.PayloadCrc = Store.PayloadCrc
                    ? Crc32C.HashToUInt32(
                        miss.Data.Slice((part.Start - miss.Start) * SectorSize, part.Length * SectorSize))
                    : 0;
                index.Insert(in part);
                if (keys > 0)
                {
                    Store.Segments.AddReference((int)whole.Segment);
                }
            }

            relieve |= writer.AddKey(miss.Shard, miss.Stripe, in part);
            keys++;
        }

        return keys;
    }
}
