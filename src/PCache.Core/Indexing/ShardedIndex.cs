using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>Some of the stripes, and the lock over their indexes and over their keys that aren't logged yet.</summary>
internal sealed class IndexShard(int id)
{
    /// <summary>Number of the shard.</summary>
    public int Id { get; } = id;

    /// <summary>Guards everything in the shard. Held for lookups and insertions, never during backing I/O or a copy (but of one partial sector).</summary>
    public Latch Gate { get; } = new();

    /// <summary>The shard's stripes.</summary>
    public StripeDirectory Stripes { get; } = new();
}

/// <summary>
/// The index of the whole device: shards of 4 MiB stripes. Keeps true: a key never crosses a stripe, so two keys that overlap always meet in one shard,
/// under one lock; that is what makes log order and index order the same.
/// </summary>
internal sealed class ShardedIndex
{
    /// <summary>log2 of the stripe size.</summary>
    public const int StripeShift = 22;

    private readonly IndexShard[] _shards;

    public ShardedIndex(int cores)
    {
        int count = (int)Math.Min(64u, System.Numerics.BitOperations.RoundUpToPowerOf2((uint)cores * 2));
        _shards = new IndexShard[count];
        for (int i = 0; i < count; i++)
        {
            _shards[i] = new IndexShard(i);
        }
    }

    /// <summary>All shards.</summary>
    public ReadOnlySpan<IndexShard> Shards => _shards;

    /// <summary>The shards' locks by shard number.</summary>
    public Latch[] Locks => Array.ConvertAll(_shards, shard => shard.Gate);

    /// <summary>The shard of a stripe.</summary>
    public IndexShard For(long stripe) => _shards[(int)(((ulong)stripe * 0x9E3779B97F4A7C15) >> 58) & (_shards.Length - 1)];
}
