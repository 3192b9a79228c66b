namespace PCache.Core.Writeback;

/// <summary>Keys and bytes that the backing doesn't have yet, each overwrite counted. Any thread.</summary>
internal sealed class DirtyCounters
{
    private long _keys;
    private long _bytes;

    public long Keys => Volatile.Read(ref _keys);

    public long Bytes => Volatile.Read(ref _bytes);

    public void Add(long lengthBytes)
    {
        Interlocked.Increment(ref _keys);
        Interlocked.Add(ref _bytes, lengthBytes);
    }

    public void Remove(long keys, long lengthBytes)
    {
        Interlocked.Add(ref _keys, -keys);
        Interlocked.Add(ref _bytes, -lengthBytes);
    }
}
