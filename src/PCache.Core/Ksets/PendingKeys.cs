using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>Keys of one shard that are in the index and not yet logged, in the order in which they entered it. Guarded by the shard's lock.</summary>
internal sealed class PendingKeys : CacheLinePadded
{
    private int _count;
    private CacheKey[] _keys = [];

    /// <summary>Number of keys.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>When the oldest key was added (timestamp of the device's clock); meaningful while <see cref="Count"/> is above zero.</summary>
    public long Since { get; private set; }

    /// <summary>The keys.</summary>
    public ReadOnlySpan<CacheKey> Keys => _keys.AsSpan(0, _count);

    /// <summary>Adds a key.</summary>
    public void Add(in CacheKey key, TimeProvider clock)
    {
        int count = _count;
        if ((uint)count >= (uint)_keys.Length)
        {
            Array.Resize(ref _keys, Math.Max(MediaConstants.MaxKeysPerKset, _keys.Length * 2));
        }

        _keys[count] = key;
        Volatile.Write(ref _count, count + 1);
        if (count == 0)
        {
            Since = clock.GetTimestamp();
        }
    }

    /// <summary>Forgets all keys.</summary>
    public void Clear() => Volatile.Write(ref _count, 0);
}
