using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// Keys of one shard that are in the index and not yet logged, in the order in which they entered it. Keeps true:
/// epochs only grow along the list, and where the newest begins is known; so the keys of the epochs before one that
/// was just begun are the list's first. Guarded by the shard's lock.
/// </summary>
internal sealed class PendingKeys(LogEpoch epoch) : CacheLinePadded
{
    private readonly LogEpoch _epoch = epoch;
    private int _count;
    private int _older; // keys before the first one of the newest epoch
    private long _newest;
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
        long epoch = _epoch.Current;
        if (epoch != _newest)
        {
            Invariant.Holds(epoch > _newest, "epochs only grow along the list");
            _newest = epoch;
            _older = count;
        }

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

    /// <summary>The keys of the epochs before <paramref name="epoch"/>, which is the present one.</summary>
    public ReadOnlySpan<CacheKey> OlderThan(long epoch) => _keys.AsSpan(0, _newest == epoch ? _older : _count);

    /// <summary>Forgets the first keys. Those behind them are of the present epoch, and so have just come.</summary>
    public void Remove(int keys, TimeProvider clock)
    {
        Invariant.Holds(keys >= 0 && keys <= _count, "what is removed was pending");
        int left = _count - keys;
        if (left > 0)
        {
            _keys.AsSpan(keys, left).CopyTo(_keys);
            Since = clock.GetTimestamp();
        }

        _older = 0;
        Volatile.Write(ref _count, left);
    }
}
