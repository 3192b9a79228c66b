using System.Globalization;
using PCache.Core.Indexing;
using PCache.Core.Layout;

namespace PCache.Core.Store;

/// <summary>
/// The bound on the index's memory (<see cref="PCacheOptions.MaxIndexMemoryBytes"/>).
/// </summary>
/// <remarks>
/// <para>Keeps true: a thread that is about to make the index larger has asked <see cref="IsFull"/> first.</para>
/// <para>Nothing waits here: a full index is answered like a full cache. Write-back and GC then give segments back,
/// and the sweep takes their extents out of the index. That ends with an empty index, if need be, as open data heads
/// are closed too when nothing else is left to do; so any bound that has room for an empty index and for the keys of
/// the writes in flight lets writers get on, and the least bound allowed has far more.</para>
/// Any thread.
/// </remarks>
internal sealed class IndexMemory
{
    /// <summary>What is expected for each whole page of 4096 bytes at the least.</summary>
    public const int BytesPerPage = 24;

    /// <summary>What an index takes that holds next to nothing, rounded up; also the least bound.</summary>
    public const long FixedBytes = 256 << 10;

    private readonly long _bound;

    public IndexMemory(ShardedIndex index, long? bound)
    {
        Index = index;
        _bound = bound ?? long.MaxValue;
    }

    /// <summary>The index that is bounded.</summary>
    public ShardedIndex Index { get; }

    /// <summary>Whether there is a bound.</summary>
    public bool IsBounded => _bound != long.MaxValue;

    /// <summary>Whether the bound is reached.</summary>
    public bool IsFull => _bound != long.MaxValue && Index.UsedBytes >= _bound;

    /// <summary>
    /// Bytes by which the index may exceed the bound: what writes in flight bring, and what making room needs.
    /// </summary>
    public static long SlackBytes(long bound) => (bound / 8) + FixedBytes;

    /// <summary>
    /// Refuses a bound that can't hold the index of a cache of this size, if it is filled with whole pages.
    /// </summary>
    /// <exception cref="PCacheIndexMemoryException">It can't.</exception>
    public static void CheckCapacity(long? bound, int segments, int dataBytes)
    {
        long needed = FixedBytes + ((long)segments * (dataBytes / MediaConstants.BlockSize) * BytesPerPage);
        if (bound < needed)
        {
            throw new PCacheIndexMemoryException(needed, bound.Value, string.Create(
                CultureInfo.InvariantCulture,
                $"The index of this cache of {segments} segments needs {needed} bytes of memory when it is full of "
                + $"pages of {MediaConstants.BlockSize} bytes; PCacheOptions.MaxIndexMemoryBytes allows {bound.Value}. "
                + $"Raise it, or make the cache smaller."));
        }
    }

    /// <summary>Refuses a replayed index that is beyond the bound.</summary>
    /// <exception cref="PCacheIndexMemoryException">It is.</exception>
    public void CheckReplayed()
    {
        if (!IsBounded)
        {
            return;
        }

        long needed = Index.UsedBytes;
        if (needed > _bound + SlackBytes(_bound))
        {
            throw new PCacheIndexMemoryException(needed, _bound, string.Create(
                CultureInfo.InvariantCulture,
                $"What is in the cache needs {needed} bytes of memory at the least for its index; "
                + $"PCacheOptions.MaxIndexMemoryBytes allows {_bound}. Nothing was changed. Raise it for this open, "
                + $"and write back."));
        }
    }
}
