namespace PCache.Testing;

/// <summary>Bytes of any length; keeps only pages that were written, so that copies of mostly empty devices are cheap. Not thread-safe.</summary>
internal sealed class SparseBytes
{
    private const int Page = 16 << 10;
    private readonly Dictionary<long, byte[]> _pages = [];

    public SparseBytes(long length) => Length = length;

    public long Length { get; private set; }

    public SparseBytes Clone()
    {
        var copy = new SparseBytes(Length);
        foreach ((long page, byte[] bytes) in _pages)
        {
            copy._pages[page] = (byte[])bytes.Clone();
        }

        return copy;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        for (int done = 0; done < buffer.Length;)
        {
            int at = (int)((offset + done) % Page);
            int n = Math.Min(Page - at, buffer.Length - done);
            if (_pages.TryGetValue((offset + done) / Page, out byte[]? bytes))
            {
                bytes.AsSpan(at, n).CopyTo(buffer[done..]);
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
            long page = (offset + done) / Page;
            int at = (int)((offset + done) % Page);
            int n = Math.Min(Page - at, buffer.Length - done);
            ReadOnlySpan<byte> part = buffer.Slice(done, n);
            if (!_pages.TryGetValue(page, out byte[]? bytes) && part.ContainsAnyExcept((byte)0))
            {
                _pages[page] = bytes = new byte[Page];
            }

            if (bytes is not null)
            {
                part.CopyTo(bytes.AsSpan(at));
            }

            done += n;
        }
    }

    public void CopyFrom(SparseBytes source, long offset, long length)
    {
        var buffer = new byte[(int)Math.Clamp(Math.Min(source.Length, Length) - offset, 0, length)];
        source.Read(offset, buffer);
        Write(offset, buffer);
    }

    /// <summary>New space is zeros, also after a cut.</summary>
    public void SetLength(long length)
    {
        if (length < Length)
        {
            foreach (long page in _pages.Keys.Where(p => (p + 1) * Page > length).ToArray())
            {
                if (page * Page >= length)
                {
                    _pages.Remove(page);
                }
                else
                {
                    _pages[page].AsSpan((int)(length - (page * Page))).Clear();
                }
            }
        }

        Length = length;
    }
}
