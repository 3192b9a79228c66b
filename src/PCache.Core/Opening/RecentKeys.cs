using PCache.Core.Layout;

namespace PCache.Core.Opening;

/// <summary>
/// The last keys of a replay, newest first. Keeps true: bounded memory, and not more than twice what is used; adding
/// costs a copy of the key.
/// </summary>
/// <param name="capacity">Most keys, a power of two, 64 at least.</param>
internal sealed class RecentKeys(int capacity)
{
    private CacheKey[] _keys = [];
    private long _count;

    /// <summary>Takes the next key of the log.</summary>
    public void Add(in CacheKey key)
    {
        if (_count == _keys.Length && _keys.Length < capacity)
        {
            // nothing has been overwritten yet, so all stay in their places
            Array.Resize(ref _keys, Math.Max(64, _keys.Length * 2));
        }

        _keys[_count++ & (_keys.Length - 1)] = key;
    }

    /// <summary>The keys, the latest one first.</summary>
    public IEnumerable<CacheKey> NewestFirst()
    {
        for (long i = _count - 1; i >= Math.Max(0, _count - _keys.Length); i--)
        {
            yield return _keys[i & (_keys.Length - 1)];
        }
    }
}
