using Microsoft.Extensions.ObjectPool;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Read misses, as far as the store is concerned: which range is to be read from the backing, and what of it may be
/// used then. Keeps true: a miss returns backing data only for sectors that no write has replaced while it was read,
/// so a sector is never half old and half new. Any thread.
/// </summary>
internal abstract class Misses(ExtentStore store)
{
    /// <summary>Bytes of a sector.</summary>
    protected const int SectorSize = MediaConstants.SectorSize;

    /// <summary>Largest piece that one miss reads.</summary>
    private const int MaxMissBytes = 1 << 20;

    private readonly ObjectPool<MissOperation> _pool = new DefaultObjectPool<MissOperation>(
        new MissOperation.Policy(), 64);
    private long _ids;

    /// <summary>What the misses are of.</summary>
    protected ExtentStore Store { get; } = store;

    /// <summary>Whether misses fill the cache now, as far as damage that was given up is concerned.</summary>
    public abstract bool MayFill { get; }

    /// <summary>
    /// Reserves the run of gaps at <paramref name="offset"/>. Null: there is no gap (any more), or the device has
    /// become shorter.
    /// </summary>
    public MissOperation? TryBegin(long offset, int wantedBytes)
    {
        long stripe = offset >> ShardedIndex.StripeShift;
        int inStripe = (int)(offset & (MediaConstants.StripeSize - 1));
        int bytes = Math.Min(Math.Min(wantedBytes, MediaConstants.StripeSize - inStripe), MaxMissBytes);
        MissOperation miss = _pool.Get();
        miss.Stripe = stripe;
        miss.Shard = Store.Index.For(stripe);
        miss.Start = inStripe / SectorSize;
        miss.End = (inStripe + bytes + SectorSize - 1) / SectorSize;
        miss.Id = (ulong)Interlocked.Increment(ref _ids);
        using (miss.Shard.Gate.Hold())
        {
            if (offset < Store.Length && TryReserve(miss))
            {
                return miss;
            }

            LeaveEmpty(miss);
        }

        _pool.Return(miss);
        return null;
    }

    /// <summary>
    /// Fills the cache with what the miss still owns, where it may, and copies the leading part that is still valid
    /// to <paramref name="destination"/>, which begins at device offset <paramref name="offset"/>. Returns the bytes
    /// copied; 0: the first sector was overtaken, look again.
    /// </summary>
    /// <param name="index">The operation's cell.</param>
    /// <param name="miss">The miss, whose data was read.</param>
    /// <param name="offset">Device offset, within the miss.</param>
    /// <param name="destination">Where the data goes.</param>
    /// <param name="roomIsWanted">Whether writers wait for room: then a miss takes none.</param>
    public int Complete(int index, MissOperation miss, long offset, Span<byte> destination, bool roomIsWanted)
    {
        int validSectors = Settle(index, miss, roomIsWanted);
        int skip = (int)(offset - miss.Offset);
        int copied = Math.Clamp((validSectors * SectorSize) - skip, 0, destination.Length);
        miss.Data.Slice(skip, copied).CopyTo(destination);
        Store.Counters.Add(index, DeviceCounter.MissBytes, copied);
        return copied;
    }

    /// <summary>Ends a miss, completed or not: no placeholder and no room of it is left.</summary>
    public void End(MissOperation miss)
    {
        Abandon(miss);
        _pool.Return(miss);
    }

    /// <summary>Reserves the gaps at the miss's start, and shortens it to them. Holds the shard's lock.</summary>
    protected abstract bool TryReserve(MissOperation miss);

    /// <summary>Nothing was reserved. Holds the shard's lock.</summary>
    protected abstract void LeaveEmpty(MissOperation miss);

    /// <summary>Fills the cache, and returns how many sectors from the miss's start on are still valid.</summary>
    protected abstract int Settle(int index, MissOperation miss, bool roomIsWanted);

    /// <summary>Takes back whatever of the miss is still in index and segments.</summary>
    protected abstract void Abandon(MissOperation miss);
}
