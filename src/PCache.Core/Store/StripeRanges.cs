using PCache.Core.Indexing;
using PCache.Core.Layout;

namespace PCache.Core.Store;

/// <summary>
/// Taking ranges out of the index: of a discard, of a truncation. Keeps true: a truncation publishes the new length
/// while it holds every shard's lock, so no key beyond it enters the index afterwards; the time goes by what is
/// cached, not by the range, so a discard of a petabyte takes no petabyte's time.
/// </summary>
internal static class StripeRanges
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int SectorsPerStripe = MediaConstants.StripeSize / MediaConstants.SectorSize;

    /// <summary>Takes out what the backing has too, of sectors [first, end).</summary>
    public static void DropClean(ShardedIndex shards, long firstSector, long endSector)
    {
        long firstStripe = firstSector / SectorsPerStripe;
        long lastStripe = (endSector - 1) / SectorsPerStripe;
        var clean = default(CleanFilter);
        foreach (IndexShard shard in shards.Shards)
        {
            using (shard.Gate.Hold())
            {
                List<long>? emptied = null;
                long cursor = 0;
                while (shard.Stripes.NextStripe(ref cursor, out long stripe, out StripeIndex index))
                {
                    if (stripe < firstStripe || stripe > lastStripe)
                    {
                        continue;
                    }

                    int from = (int)Math.Max(0, firstSector - (stripe * SectorsPerStripe));
                    int to = (int)Math.Min(SectorsPerStripe, endSector - (stripe * SectorsPerStripe));
                    index.RemoveWhere(from, to, ref clean);
                    if (index.IsEmpty)
                    {
                        (emptied ??= []).Add(stripe);
                    }
                }

                emptied?.ForEach(shard.Stripes.RemoveIfEmpty);
            }
        }
    }

    /// <summary>
    /// Takes the next part of a queued discard, within one stripe, out of queue and index. False: it was rewritten
    /// meanwhile.
    /// </summary>
    /// <param name="shards">The index.</param>
    /// <param name="discards">The queue.</param>
    /// <param name="first">First sector.</param>
    /// <param name="end">Sector behind the last one; becomes the end of what was taken.</param>
    public static bool TryTakeDiscard(ShardedIndex shards, DiscardQueue discards, long first, ref long end)
    {
        // Taken out of the queue under the shard's lock: a write either is seen by the queue before, or comes after
        // the index was cleared.
        long stripe = first / SectorsPerStripe;
        end = Math.Min(end, (stripe + 1) * SectorsPerStripe);
        IndexShard shard = shards.For(stripe);
        using (shard.Gate.Hold())
        {
            bool taken = discards.TryTake(first, end, out end);
            if (taken && shard.Stripes.Find(stripe) is { } index)
            {
                int start = (int)(first - (stripe * SectorsPerStripe));
                index.Remove(start, start + (int)(end - first));
                shard.Stripes.RemoveIfEmpty(stripe);
            }

            return taken;
        }
    }

    /// <summary>
    /// Publishes a shorter length under every shard's lock, and takes what lies beyond it out of the index.
    /// </summary>
    public static void Truncate(ExtentStore store, long length) => Truncate(store, 0, length);

    /// <summary>
    /// The backing has been cut: the partial last sector is on it, cut off at the new end; the cache's copy of it
    /// isn't, and goes.
    /// </summary>
    public static void DropPartialEnd(ShardedIndex shards, long length)
    {
        if (length % SectorSize != 0)
        {
            long stripe = length >> ShardedIndex.StripeShift;
            int sector = (int)(length & (MediaConstants.StripeSize - 1)) / SectorSize;
            IndexShard shard = shards.For(stripe);
            using (shard.Gate.Hold())
            {
                var clean = default(CleanFilter);
                shard.Stripes.Find(stripe)?.RemoveWhere(sector, sector + 1, ref clean);
            }
        }
    }

    private static void Truncate(ExtentStore store, int shardNumber, long length)
    {
        if (shardNumber == store.Index.Shards.Length)
        {
            store.ChangeLength(length);
            return;
        }

        IndexShard shard = store.Index.Shards[shardNumber];
        using (shard.Gate.Hold())
        {
            Truncate(store, shardNumber + 1, length);

            // The last partial sector goes too: what the cache has of it may reach beyond the new end. The backing
            // has it once the log is empty.
            long stripe = length >> ShardedIndex.StripeShift;
            int sector = (int)(length & (MediaConstants.StripeSize - 1)) / SectorSize;
            shard.Stripes.RemoveFrom(stripe + 1);
            if (shard.Stripes.Find(stripe) is { } index && sector < StripeIndex.SectorCount)
            {
                TruncateStripe(index, sector, partial: length % SectorSize != 0);
                shard.Stripes.RemoveIfEmpty(stripe);
            }
        }
    }

    private static void TruncateStripe(StripeIndex index, int sector, bool partial)
    {
        if (partial)
        {
            // A miss that began at the old length may bring bytes beyond the new end into the sector: it has been
            // overtaken.
            var placeholders = default(AnyPlaceholderFilter);
            index.RemoveWhere(sector, sector + 1, ref placeholders);
        }

        int first = partial ? sector + 1 : sector;
        if (first < StripeIndex.SectorCount)
        {
            index.Remove(first, StripeIndex.SectorCount);
        }
    }
}
