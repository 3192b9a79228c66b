namespace PCache.Testing;

/// <summary>
/// What a disk holds, and what of it a power cut may take back. Keeps true: <c>content == durable</c> with every
/// unflushed change applied in order; an unflushed sector may be left with its durable value or any value written
/// since; changes of length may be taken back from the last one on, and what one that isn't taken back cut off stays
/// zeros in every value written before it. Not thread-safe.
/// </summary>
internal sealed partial class DiskState
{
    /// <summary>Bytes that are written as a whole or not at all.</summary>
    public const int SectorBytes = 512;

    private static readonly byte[] Zeros = new byte[SectorBytes];

    // by sector: what was written into it, oldest first
    private readonly Dictionary<long, List<Version>> _unflushed = [];
    private readonly List<(long Change, long Length)> _lengths = []; // unflushed changes of length, oldest first
    private readonly SparseBytes _content;
    private readonly SparseBytes _durable;

    public DiskState(long length)
    {
        _content = new SparseBytes(length);
        _durable = new SparseBytes(length);
    }

    /// <summary>Length in bytes.</summary>
    public long Length => _content.Length;

    /// <summary>Whether a power cut now could leave more than one state.</summary>
    public bool IsOpen => _unflushed.Count + _lengths.Count > 0;

    /// <summary>Number of changes so far: what a flush that begins now has to make durable.</summary>
    public long Changes { get; private set; }

    public void Read(long offset, Span<byte> buffer) => _content.Read(offset, buffer);

    /// <summary>Writes within the length.</summary>
    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        _content.Write(offset, bytes);
        Changes++;
        Span<byte> content = stackalloc byte[SectorBytes];
        long last = (offset + bytes.Length - 1) / SectorBytes;
        for (long sector = offset / SectorBytes; sector <= last; sector++)
        {
            ReadSector(_content, sector, content);
            if (!_unflushed.TryGetValue(sector, out List<Version>? versions))
            {
                _unflushed[sector] = versions = new List<Version>(1);
            }

            versions.Add(new Version(Changes, content.ContainsAnyExcept((byte)0) ? content.ToArray() : Zeros));
        }
    }

    public void SetLength(long length)
    {
        Changes++;
        _lengths.Add((Changes, length));
        _content.SetLength(length);
    }

    /// <summary>Makes the first <paramref name="changes"/> changes durable.</summary>
    public void Flush(long changes)
    {
        int lengths = _lengths.FindLastIndex(l => l.Change <= changes) + 1;
        for (int i = 0; i < lengths; i++)
        {
            _durable.SetLength(_lengths[i].Length);
        }

        foreach ((long sector, List<Version> versions) in _unflushed)
        {
            int flushed = versions.FindLastIndex(v => v.Change <= changes) + 1;
            if (flushed > 0)
            {
                Put(_durable, sector, versions[flushed - 1], lengths);
                versions.RemoveRange(0, flushed);
            }

            if (versions.Count == 0)
            {
                _ = _unflushed.Remove(sector);
            }
        }

        _lengths.RemoveRange(0, lengths);
    }

    /// <summary>
    /// Makes what a range holds now durable, whole sectors of it; if a change of length isn't durable yet, all.
    /// </summary>
    public void FlushRange(long offset, long lengthBytes)
    {
        if (_lengths.Count > 0)
        {
            Flush(Changes);
            return;
        }

        for (long sector = offset / SectorBytes;
            lengthBytes > 0 && sector <= (offset + lengthBytes - 1) / SectorBytes;
            sector++)
        {
            if (_unflushed.Remove(sector, out List<Version>? versions))
            {
                Put(_durable, sector, versions[^1], 0);
            }
        }
    }

    /// <summary>A disk as a kill of the process leaves it: all of it, and what isn't flushed still open.</summary>
    public DiskState AfterKill()
    {
        var left = new DiskState(Length) { Changes = Changes };
        left._content.CopyFrom(_content);
        left._durable.CopyFrom(_durable);
        left._lengths.AddRange(_lengths);
        foreach ((long sector, List<Version> versions) in _unflushed)
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
            left._content.SetLength(_lengths[i].Length);
        }

        if (random is not null)
        {
            int percentNew = new[] { 0, 20, 50, 80, 100 }[random.Next(5)];
            foreach ((long sector, List<Version> versions) in _unflushed.OrderBy(s => s.Key))
            {
                if (random.Next(100) < percentNew)
                {
                    Put(left._content, sector, versions[random.Next(3) == 0 ? random.Next(versions.Count) : ^1],
                        lengths);
                }
            }
        }

        left._durable.CopyFrom(left._content);
        return left;
    }

    private static void ReadSector(SparseBytes from, long sector, Span<byte> bytes)
    {
        int count = (int)Math.Clamp(from.Length - (sector * SectorBytes), 0, SectorBytes);
        bytes[count..].Clear();
        from.Read(sector * SectorBytes, bytes[..count]);
    }

    /// <summary>
    /// Puts a version into a sector of a disk on which the first <paramref name="lengths"/> of the open changes of
    /// length have happened.
    /// </summary>
    private void Put(SparseBytes target, long sector, Version version, int lengths)
    {
        long end = target.Length;
        for (int i = lengths - 1; i >= 0 && _lengths[i].Change > version.Change; i--)
        {
            end = Math.Min(end, _lengths[i].Length);
        }

        // From its end on it was cut off later; if the disk then grew again, these are zeros.
        long at = sector * SectorBytes;
        int kept = (int)Math.Clamp(end - at, 0, SectorBytes);
        int rest = (int)Math.Clamp(target.Length - at, 0, SectorBytes) - kept;
        target.Write(at, version.Bytes.AsSpan(0, kept));
        if (rest > 0)
        {
            target.Write(at + kept, Zeros.AsSpan(0, rest));
        }
    }

    /// <summary>What a sector held after a change.</summary>
    private readonly record struct Version(long Change, byte[] Bytes);
}
