using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// Keys of one shard that are in the index and not yet logged, in the order in which they entered it. Guarded by the
/// shard's lock.
/// </summary>
internal sealed class PendingKeys : CacheLinePadded
{
    private int _count;
    private CacheKey[] _keys = [];

    /// <summary>Number of keys.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// When the oldest key was added (timestamp of the device's clock); meaningful while <see cref="Count"/> is above
    /// zero.
    /// </summary>
    public long Since { get; private set; }

    /// <summary>The keys.</summary>
    public ReadOnlySpan<CacheKey> Keys => _keys.AsSpan(0, _count);

    /// <summary>
    /// Whether <see cref="Next"/> would do no more than to hand out a place: not the first key, and the array needn't
    /// grow. Without the lock it may be outdated.
    /// </summary>
    public bool IsOpen => (uint)(_count - 1) < (uint)(_keys.Length - 1);

    /// <summary>Adds a key.</summary>
    public void Add(in CacheKey key, TimeProvider clock) => Next(clock) = key;

    /// <summary>Adds a key that the caller stores at once.</summary>
    public ref CacheKey Next(TimeProvider clock)
    {
        int count = _count;
        Invariant.Holds(count >= 0 && count <= _keys.Length, "pending keys lie in their array");
        if ((uint)count >= (uint)_keys.Length)
        {
            Array.Resize(ref _keys, Math.Max(MediaConstants.MaxKeysPerKset, _keys.Length * 2));
        }

        Volatile.Write(ref _count, count + 1);
        if (count == 0)
        {
            Since = clock.GetTimestamp();
        }

        return ref _keys[count];
    }

    /// <summary>Forgets all keys.</summary>
    public void Clear() => Volatile.Write(ref _count, 0);
}
