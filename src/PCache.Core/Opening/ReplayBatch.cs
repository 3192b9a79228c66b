using System.Runtime.CompilerServices;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Store;

namespace PCache.Core.Opening;

/// <summary>
/// Applies replayed keys of one shard, stripe by stripe. Keeps true: the keys of a stripe are applied in order; the
/// order of the stripes depends on the keys alone. Belongs to one thread; keeps its tables from batch to batch.
/// </summary>
internal sealed class ReplayBatch
{
    private const int Buckets = 1 << 10;

    /// <summary>Below this, sorting costs more than it saves.</summary>
    private const int LeastSorted = 256;

    private int[] _order = [];
    private int[] _ends = [];

    /// <summary>
    /// Puts the keys into the index; each one's <see cref="CacheKey.Reserved"/> is its <see cref="ReplayAction"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Apply(IndexShard shard, ReadOnlySpan<CacheKey> keys)
    {
        using (shard.Gate.Hold())
        {
            Cursor cursor = new(shard.Stripes);
            if (keys.Length < LeastSorted)
            {
                foreach (ref readonly CacheKey key in keys)
                {
                    cursor.Apply(in key);
                }

                return;
            }

            foreach (int at in Sort(keys))
            {
                cursor.Apply(in keys[at]);
            }
        }
    }

    /// <summary>The places of the keys by stripe (its low bits), a stable counting sort.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private ReadOnlySpan<int> Sort(ReadOnlySpan<CacheKey> keys)
    {
        if (_order.Length < keys.Length)
        {
            _order = new int[keys.Length];
            _ends = new int[Buckets];
        }

        int[] ends = _ends;
        ends.AsSpan().Clear();
        foreach (ref readonly CacheKey key in keys)
        {
            ends[Bucket(in key)]++;
        }

        int end = 0;
        for (int bucket = 0; bucket < ends.Length; bucket++)
        {
            int count = ends[bucket];
            ends[bucket] = end; // its first place for now; the last step below leaves its end
            end += count;
        }

        for (int i = 0; i < keys.Length; i++)
        {
            _order[ends[Bucket(in keys[i])]++] = i;
        }

        return _order.AsSpan(0, keys.Length);
    }

    private static int Bucket(in CacheKey key) => (int)KeyExtents.StripeOf(in key) & (Buckets - 1);

    /// <summary>The stripe at hand: consecutive keys of one stripe look it up once.</summary>
    private ref struct Cursor(StripeDirectory stripes)
    {
        private bool _isKnown;
        private long _stripe;
        private StripeIndex _index = default!;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Apply(in CacheKey key)
        {
            long stripe = KeyExtents.StripeOf(in key);
            var action = (ReplayAction)key.Reserved;
            if (action != ReplayAction.Remove)
            {
                Extent extent = KeyExtents.ToExtent(
                    in key, action == ReplayAction.InsertClean ? ExtentFlags.Clean : ExtentFlags.None);
                if (!_isKnown || stripe != _stripe)
                {
                    _index = stripes.GetOrAdd(stripe);
                    _stripe = stripe;
                    _isKnown = true;
                }

                _index.Insert(in extent);
            }
            else if (stripes.Find(stripe) is { } index)
            {
                Extent extent = KeyExtents.ToExtent(in key, ExtentFlags.None);
                index.Remove(extent.Start, extent.End);
                stripes.RemoveIfEmpty(stripe);
                _isKnown = false; // it may be gone
            }
        }
    }
}
