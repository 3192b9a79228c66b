using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Dirty data whose payload no longer fits its checksum. Keeps true: an entry stands for a logged key, and counts
/// only as long as the index still shows some part of that key: overwriting or abandoning all of it ends the damage.
/// </summary>
internal sealed class DamageRegistry(ShardedIndex index, IDamageListener listener)
{
    private readonly SteadyLock _lock = new();
    private readonly HashSet<(long Stripe, ExtentIdentity Identity)> _entries = [];
    private volatile int _count;

    /// <summary>Records that a key's payload is damaged.</summary>
    public void Add(long stripe, ExtentIdentity identity)
    {
        bool added;
        using (_lock.Hold())
        {
            added = _entries.Add((stripe, identity));
            _count = _entries.Count;
        }

        if (added)
        {
            listener.DamageRecorded();
        }
    }

    /// <summary>
    /// Deals with a damaged extent that a reader met: where the backing has the same data it is dropped from the
    /// index (true). Else it is recorded, and <paramref name="stillThere"/> says whether the index shows it at all.
    /// </summary>
    public bool DropIfClean(long stripe, in Extent extent, bool drop, out bool stillThere)
    {
        using (index.For(stripe).Gate.Hold())
        {
            return DropIfCleanLocked(stripe, in extent, drop, out stillThere);
        }
    }

    /// <summary>As <see cref="DropIfClean"/>; the caller holds the shard's lock.</summary>
    public bool DropIfCleanLocked(long stripe, in Extent extent, bool drop, out bool stillThere)
    {
        stillThere = false;
        IndexShard shard = index.For(stripe);
        if (shard.Stripes.Find(stripe) is not { } stripeIndex)
        {
            return false;
        }

        ExtentIdentity identity = ExtentIdentity.Of(in extent);
        var pieces = new ExtentBuffer();
        stripeIndex.Lookup(extent.Start, extent.End, pieces);
        var same = new SameKeyFilter(identity) { MatchShared = true };
        bool clean = false;
        foreach (ref readonly Extent piece in pieces.AsSpan())
        {
            if (same.Matches(in piece))
            {
                stillThere = true;
                clean |= piece.IsClean;
            }
        }

        if (stillThere && clean && drop)
        {
            stripeIndex.RemoveWhere(identity.KeyStart, identity.KeyStart + identity.KeyLength, ref same);
            shard.Stripes.RemoveIfEmpty(stripe);
        }

        if (clean)
        {
            return true;
        }

        if (stillThere)
        {
            Add(stripe, identity);
        }

        return false;
    }

    /// <summary>
    /// The damaged ranges that the index still shows, in order. Forgets entries of which nothing is left.
    /// </summary>
    public IReadOnlyList<DeviceRange> Ranges()
    {
        if (_count == 0)
        {
            return [];
        }

        var ranges = new List<DeviceRange>();
        foreach ((long Stripe, ExtentIdentity Identity) entry in Entries())
        {
            if (CollectRanges(entry.Stripe, entry.Identity, ranges) == 0)
            {
                using (_lock.Hold())
                {
                    _entries.Remove(entry);
                    _count = _entries.Count;
                }
            }
        }

        ranges.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return ranges;
    }

    /// <summary>Takes damaged data inside a range out of the index: it then reads as what the backing has.</summary>
    public void Abandon(long offset, long lengthBytes)
    {
        foreach ((long stripe, ExtentIdentity identity) in Entries())
        {
            long stripeOffset = stripe << ShardedIndex.StripeShift;
            long from = Math.Max(offset - stripeOffset, 0) / MediaConstants.SectorSize;
            long to = (Math.Min(offset + lengthBytes - stripeOffset, MediaConstants.StripeSize)
                + MediaConstants.SectorSize - 1) / MediaConstants.SectorSize;
            from = Math.Max(from, identity.KeyStart);
            to = Math.Min(to, identity.KeyStart + identity.KeyLength);
            IndexShard shard = index.For(stripe);
            using (shard.Gate.Hold())
            {
                if (from < to && shard.Stripes.Find(stripe) is { } stripeIndex)
                {
                    var same = new SameKeyFilter(identity) { MatchShared = true };
                    stripeIndex.RemoveWhere((int)from, (int)to, ref same);
                    shard.Stripes.RemoveIfEmpty(stripe);
                }
            }
        }

        Ranges();
    }

    private (long Stripe, ExtentIdentity Identity)[] Entries()
    {
        using (_lock.Hold())
        {
            return [.. _entries];
        }
    }

    private int CollectRanges(long stripe, ExtentIdentity identity, List<DeviceRange> ranges)
    {
        int before = ranges.Count;
        IndexShard shard = index.For(stripe);
        using (shard.Gate.Hold())
        {
            if (shard.Stripes.Find(stripe) is { } stripeIndex)
            {
                var pieces = new ExtentBuffer();
                stripeIndex.Lookup(identity.KeyStart, identity.KeyStart + identity.KeyLength, pieces);
                var same = new SameKeyFilter(identity) { MatchShared = true };
                foreach (ref readonly Extent piece in pieces.AsSpan())
                {
                    if (same.Matches(in piece))
                    {
                        ranges.Add(
                            new DeviceRange(
                                (stripe << ShardedIndex.StripeShift) + ((long)piece.Start * MediaConstants.SectorSize),
                                (long)piece.Length * MediaConstants.SectorSize));
                    }
                }
            }
        }

        return ranges.Count - before;
    }
}
