namespace PCache.Testing;

/// <summary>
/// What a disk holds, and what of it a power cut may take back. Keeps true: <c>content == durable</c> with every unflushed change applied in order; an
/// unflushed sector may be left with its durable value or any value written since; changes of length may be taken back from the last one on. Not thread-safe.
/// </summary>
internal sealed class DiskState
{
    /// <summary>Bytes that are written as a whole or not at all.</summary>
    public const int SectorBytes = 512;

    private readonly Dictionary<long, List<byte[]>> _unflushed = [];
    private readonly List<long> _lengths = []; // unflushed changes of length, oldest first
    private readonly SparseBytes _content;
    private readonly SparseBytes _durable;

    public DiskState(long length)
    {
        _content = new SparseBytes(length);
        _durable = new SparseBytes(length);
    }

    /// <summary>Length in bytes.</summary>
    public long Length => _content.Length;

    /// <summary>The sectors that are open, in no order.</summary>
    public int OpenSectors => _unflushed.Count;

    /// <summary>Whether a power cut now could leave more than one state.</summary>
    public bool IsOpen => _unflushed.Count + _lengths.Count > 0;

    public void Read(long offset, Span<byte> buffer) => _content.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        _content.Write(offset, bytes);
        Span<byte> content = stackalloc byte[SectorBytes];
        for (long sector = offset / SectorBytes; sector * SectorBytes < offset + bytes.Length; sector++)
        {
            _content.Read(sector * SectorBytes, content);
            if (!_unflushed.TryGetValue(sector, out List<byte[]>? versions))
            {
                _unflushed[sector] = versions = [];
            }

            versions.Add(content.ToArray());
        }
    }

    public void SetLength(long length)
    {
        _lengths.Add(length);
        _content.SetLength(length);
        foreach (long sector in _unflushed.Keys.Where(s => s * SectorBytes >= length).ToArray())
        {
            _ = _unflushed.Remove(sector);
        }
    }

    public void Flush()
    {
        if (IsOpen)
        {
            _durable.CopyFrom(_content);
            _unflushed.Clear();
            _lengths.Clear();
        }
    }

    /// <summary>A disk as a kill of the process leaves it: all of it, and what isn't flushed still open.</summary>
    public DiskState AfterKill()
    {
        var left = new DiskState(Length);
        left._content.CopyFrom(_content);
        left._durable.CopyFrom(_durable);
        left._lengths.AddRange(_lengths);
        foreach ((long sector, List<byte[]> versions) in _unflushed)
        {
            left._unflushed[sector] = [.. versions];
        }

        return left;
    }

    /// <summary>A disk as a power cut leaves it.</summary>
    /// <param name="random">Decides; null: all that is open is lost.</param>
    public DiskState AfterPowerCut(Random? random)
    {
        var left = new DiskState(Length);
        left._content.CopyFrom(_durable);
        int lengths = random is null ? 0 : random.Next(2) == 0 ? _lengths.Count : random.Next(_lengths.Count + 1);
        for (int i = 0; i < lengths; i++)
        {
            left._content.SetLength(_lengths[i]);
        }

        if (random is not null)
        {
            int percentNew = new[] { 0, 20, 50, 80, 100 }[random.Next(5)];
            foreach ((long sector, List<byte[]> versions) in _unflushed.OrderBy(s => s.Key))
            {
                if (random.Next(100) < percentNew && sector * SectorBytes < left.Length)
                {
                    byte[] version = versions[random.Next(3) == 0 ? random.Next(versions.Count) : ^1];
                    left._content.Write(sector * SectorBytes, version.AsSpan(0, (int)Math.Min(SectorBytes, left.Length - (sector * SectorBytes))));
                }
            }
        }

        left._durable.CopyFrom(left._content);
        return left;
    }
}
