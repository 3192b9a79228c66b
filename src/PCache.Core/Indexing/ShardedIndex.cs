using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>Some of the stripes, and the lock over their indexes and over their keys that aren't logged yet.</summary>
internal sealed class IndexShard(int id)
{
    /// <summary>Number of the shard.</summary>
    public int Id { get; } = id;

    /// <summary>
    /// Guards everything in the shard. Held for lookups and insertions, never during backing I/O or a copy (but of
    /// one partial sector).
    /// </summary>
    public Latch Gate { get; } = new(LockRank.Shard, id);

    /// <summary>The shard's stripes.</summary>
    public StripeDirectory Stripes { get; } = new();
}

/// <summary>
/// The index of the whole device: shards of 4 MiB stripes. Keeps true: a key never crosses a stripe, so two keys that
/// overlap always meet in one shard, under one lock; that is what makes log order and index order the same. Its
/// memory is native; it is freed by <see cref="Dispose"/>, after the last operation.
/// </summary>
internal sealed class ShardedIndex : IDisposable
{
    /// <summary>log2 of the stripe size.</summary>
    public const int StripeShift = 22;

    // Few threads meet in one of them even where there are few cores; a flush passes those that have nothing to log.
    private const int MinShards = 8;
    private const int MaxShards = 64;

    private readonly IndexShard[] _shards;

    public ShardedIndex(int cores)
    {
        int count = Math.Clamp(
            (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)cores * 2), MinShards, MaxShards);
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

    /// <summary>
    /// Managed and native bytes of the index, with what is kept for later: about, as shards change meanwhile. Any
    /// thread.
    /// </summary>
    public long MemoryBytes
    {
        get
        {
            long bytes = 0;
            foreach (IndexShard shard in _shards)
            {
                bytes += shard.Stripes.MemoryBytes;
            }

            return bytes;
        }
    }

    /// <summary>
    /// Bytes of it that hold something: what falls when something is removed, so what a bound on memory goes by. Any
    /// thread.
    /// </summary>
    public long UsedBytes
    {
        get
        {
            long bytes = 0;
            foreach (IndexShard shard in _shards)
            {
                bytes += shard.Stripes.UsedBytes;
            }

            return bytes;
        }
    }

    /// <summary>
    /// Brings the slot of a page near, see <see cref="StripeDirectory.Prefetch"/>. Any thread, without the lock,
    /// inside an operation.
    /// </summary>
    public void Prefetch(long stripe, int sector) => For(stripe).Stripes.Prefetch(stripe, sector);

    /// <summary>Frees all memory. No operation may be under way.</summary>
    public void Dispose()
    {
        foreach (IndexShard shard in _shards)
        {
            shard.Stripes.Dispose();
        }
    }

    /// <summary>The shard of a stripe.</summary>
    public IndexShard For(long stripe) =>
        _shards[(int)(((ulong)stripe * 0x9E3779B97F4A7C15) >> 58) & (_shards.Length - 1)];
}
