using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Reading what is cached. Keeps true: a hit takes no lock where one slot of the index has all of it, and the shard's
/// lock for a lookup and no copy elsewhere; it allocates nothing; what is copied ends at the first sector that isn't
/// cached. Any thread.
/// </summary>
internal sealed class Hits(ExtentStore store)
{
    /// <summary>log2 of a page's bytes.</summary>
    private const int PageShift = 12;

    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    [ThreadStatic]
    private static ExtentBuffer? _threadPieces;

    private readonly ExtentStore _store = store;
    private readonly ShardedIndex _index = store.Index;
    private readonly PmemRegion _region = store.Region;
    private readonly CounterSet _counters = store.Counters;
    private readonly bool _verify = store.VerifiesReads;

    private static ExtentBuffer ThreadPieces => _threadPieces ??= new ExtentBuffer();

    /// <summary>
    /// The commonest read: a range inside one page that one key covers, without any lock, counted as a whole. False:
    /// nothing is known, look with the lock.
    /// </summary>
    /// <param name="index">The operation's cell.</param>
    /// <param name="offset">Device offset.</param>
    /// <param name="destination">The whole range of the read.</param>
    public bool TryReadPage(int index, long offset, Span<byte> destination) =>
        TryPeekPage(offset, destination.Length, out Extent piece) && TryCopyPage(index, offset, in piece, destination);

    /// <summary>
    /// Looks a read up that will come soon, if that can be done without the lock, and brings its payload near; else a
    /// gap.
    /// </summary>
    public void PeekAhead(long offset, int lengthBytes, out Extent piece)
    {
        if (offset > _store.Length - lengthBytes || !TryPeekPage(offset, lengthBytes, out piece)
            || _store.IsDead(in piece))
        {
            piece = new Extent { Flags = ExtentFlags.Gap };
            return;
        }

        _region.Prefetch(_store.PayloadAddress(in piece), lengthBytes);
    }

    /// <summary>Copies a range that <see cref="PeekAhead"/> found, and counts the read.</summary>
    public bool TryCopyPage(int index, long offset, in Extent piece, Span<byte> destination)
    {
        if (!_store.TryCopy(
            offset >> ShardedIndex.StripeShift, in piece, (int)(offset & (SectorSize - 1)), destination, _verify,
            locked: false))
        {
            return false;
        }

        _counters.Add(index, DeviceCounter.HitBytes, destination.Length);
        CountRead(index, destination.Length, missed: false);
        return true;
    }

    /// <summary>
    /// Copies what is cached from <paramref name="offset"/> on, up to the first gap; returns the number of bytes.
    /// </summary>
    public int Copy(int index, long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            long at = offset + done;
            int inStripe = (int)(at & (StripeSize - 1));
            int wanted = Math.Min(destination.Length - done, StripeSize - inStripe);
            int copied = CopyOfStripe(at >> ShardedIndex.StripeShift, inStripe, destination.Slice(done, wanted));
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

    /// <summary>Ends a read's accounts: what it gave, and whether it needed the backing.</summary>
    public void CountRead(int index, int bytes, bool missed)
    {
        _counters.Add(index, missed ? DeviceCounter.Misses : DeviceCounter.Hits, 1);
        _counters.Add(index, DeviceCounter.ReadBytes, bytes);
    }

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

    private int CopyOfStripe(long stripe, int inStripe, Span<byte> destination)
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
            Span<byte> part = destination[(from - inStripe)..(to - inStripe)];
            if (!_store.TryCopy(stripe, in piece, from - (piece.Start * SectorSize), part, _verify, locked: false))
            {
                break;
            }

            done = to - inStripe;
        }

        return done;
    }
}
