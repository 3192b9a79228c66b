using PCache.Core.Layout;

namespace PCache.Core.Ksets;

/// <summary>Keys of one shard that are in the index and not yet logged, in the order in which they entered it. Guarded by the shard's lock.</summary>
internal sealed class PendingKeys
{
    private CacheKey[] _keys = new CacheKey[MediaConstants.MaxKeysPerKset];

    /// <summary>Number of keys.</summary>
    public int Count { get; private set; }

    /// <summary>When the oldest key was added (timestamp of the device's clock); meaningful while <see cref="Count"/> is above zero.</summary>
    public long Since { get; private set; }

    /// <summary>The keys.</summary>
    public ReadOnlySpan<CacheKey> Keys => _keys.AsSpan(0, Count);

    /// <summary>Adds a key.</summary>
    public void Add(in CacheKey key, TimeProvider clock)
    {
        if (Count == _keys.Length)
        {
            Array.Resize(ref _keys, _keys.Length * 2);
        }

        _keys[Count++] = key;
        if (Count == 1)
        {
            Since = clock.GetTimestamp();
        }
    }

    /// <summary>Forgets all keys.</summary>
    public void Clear() => Count = 0;
}
