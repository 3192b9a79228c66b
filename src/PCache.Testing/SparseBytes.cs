namespace PCache.Testing;

/// <summary>
/// Bytes of any length; keeps only pages that were written. Keeps true: a copy shares its pages with the original
/// until one of them writes, so that copies cost next to nothing; what isn't kept reads as zeros; all beyond the
/// length is zeros. Ranges lie inside the length. Not thread-safe.
/// </summary>
internal sealed class SparseBytes
{
    private const int PageBytes = 4 << 10;

    private Dictionary<long, Page> _pages = [];
    private object _owner = new();

    public SparseBytes(long length) => Length = length;

    public long Length { get; private set; }

    /// <summary>A copy.</summary>
    public SparseBytes Clone()
    {
        var copy = new SparseBytes(Length);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Becomes a copy.</summary>
    public void CopyFrom(SparseBytes source)
    {
        source._owner = new object(); // neither owns the pages from here on
        _owner = new object();
        _pages = new Dictionary<long, Page>(source._pages);
        Length = source.Length;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        for (int done = 0; done < buffer.Length;)
        {
            int at = (int)((offset + done) % PageBytes);
            int n = Math.Min(PageBytes - at, buffer.Length - done);
            if (_pages.TryGetValue((offset + done) / PageBytes, out Page page))
            {
                page.Bytes.AsSpan(at, n).CopyTo(buffer[done..]);
            }
            else
            {
                buffer.Slice(done, n).Clear();
            }

            done += n;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        for (int done = 0; done < buffer.Length;)
        {
            long page = (offset + done) / PageBytes;
            int at = (int)((offset + done) % PageBytes);
            int n = Math.Min(PageBytes - at, buffer.Length - done);
            ReadOnlySpan<byte> part = buffer.Slice(done, n);
            if (_pages.ContainsKey(page) || part.ContainsAnyExcept((byte)0))
            {
                part.CopyTo(Own(page).AsSpan(at));
            }

            done += n;
        }
    }

    /// <summary>New space is zeros, also after a cut.</summary>
    public void SetLength(long length)
    {
        if (length < Length)
        {
            long last = length / PageBytes; // the page in which the end lies
            foreach (long page in _pages.Keys.Where(p => p >= last).ToArray())
            {
                if (page > last || length % PageBytes == 0)
                {
                    _ = _pages.Remove(page);
                }
                else
                {
                    Own(page).AsSpan((int)(length % PageBytes)).Clear();
                }
            }
        }

        Length = length;
    }

    private byte[] Own(long page)
    {
        if (!_pages.TryGetValue(page, out Page found))
        {
            found = new Page(new byte[PageBytes], _owner);
            _pages[page] = found;
        }
        else if (!ReferenceEquals(found.Owner, _owner))
        {
            found = new Page((byte[])found.Bytes.Clone(), _owner);
            _pages[page] = found;
        }

        return found.Bytes;
    }

    private readonly record struct Page(byte[] Bytes, object Owner);
}
