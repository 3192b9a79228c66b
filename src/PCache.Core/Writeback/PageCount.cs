namespace PCache.Core.Writeback;

/// <summary>
/// About how many bytes are left of many writes once they are merged. Keeps true: a page of 4 KiB counts once,
/// however often it is written; long writes count as a whole each time. Not thread-safe.
/// </summary>
internal sealed class PageCount
{
    private const int PageShift = 12;
    private const int LongBytes = 64 << 10;

    private readonly HashSet<long> _pages = [];
    private long _longBytes;

    /// <summary>Bytes.</summary>
    public long Bytes => _longBytes + ((long)_pages.Count << PageShift);

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        _pages.Clear();
        _longBytes = 0;
    }

    /// <summary>Adds a write.</summary>
    public void Add(long offset, int lengthBytes)
    {
        if (lengthBytes >= LongBytes)
        {
            _longBytes += lengthBytes;
            return;
        }

        for (long page = offset >> PageShift; page <= (offset + lengthBytes - 1) >> PageShift; page++)
        {
            _pages.Add(page);
        }
    }
}
