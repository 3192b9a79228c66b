using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// Keys that were taken out of the shards' lists and aren't logged yet, in the order in which they have to be. Keeps
/// true: what an append that failed has left stays in front of all that is taken later. Belongs to the thread that
/// holds the log's append lock, but for <see cref="Count"/>.
/// </summary>
internal sealed class TakenKeys
{
    private CacheKey[] _keys = new CacheKey[MediaConstants.MaxKeysPerKset * 8];
    private int _start;
    private int _count;

    /// <summary>How many there are. Any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All of them, the next one first.</summary>
    public ReadOnlySpan<CacheKey> All => _keys.AsSpan(_start, _count);

    /// <summary>Takes more.</summary>
    public void Add(ReadOnlySpan<CacheKey> keys)
    {
        if (_start + _count + keys.Length > _keys.Length)
        {
            Compact(keys.Length);
        }

        Invariant.Holds(_start + _count + keys.Length <= _keys.Length, "there is room for what is taken");
        keys.CopyTo(_keys.AsSpan(_start + _count));
        Volatile.Write(ref _count, _count + keys.Length);
    }

    /// <summary>The first ones are logged.</summary>
    public void Remove(int keys)
    {
        Invariant.Holds(keys >= 0 && keys <= _count, "what is logged was taken");
        _start += keys;
        Volatile.Write(ref _count, _count - keys);
        if (_count == 0)
        {
            _start = 0;
        }
    }

    private void Compact(int more)
    {
        ReadOnlySpan<CacheKey> live = All;
        CacheKey[] keys =
            _count + more > _keys.Length ? new CacheKey[Math.Max(_keys.Length * 2, _count + more)] : _keys;
        live.CopyTo(keys);
        _keys = keys;
        _start = 0;
    }
}
