using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>A whole kset found in a data area.</summary>
internal readonly record struct ScannedKset(int Offset, KsetHeader Header)
{
    public int KeyCount => Header.IsLast ? 0 : (int)Header.KeyCount;

    public int SizeBytes => MediaConstants.KsetHeaderSize + (KeyCount * MediaConstants.KeySize);

    public int End => Offset + SizeBytes;

    public uint Sequence => Header.Sequence;
}

/// <summary>
/// One data area in memory, with every whole kset in it, wherever it stands. Keeps true: what can't be read reads as
/// zeros and is known as unreadable; a kset is listed only if count, bounds and crc fit; the bytes that checksums are
/// taken over are bounded by a multiple of the area. Used again for the next area.
/// </summary>
internal sealed class SegmentScan
{
    private const int ChunkBytes = 256 << 10;
    private const int PageBytes = MediaConstants.BlockSize;
    private const int MagicAt = 8;
    private const int WorkFactor = 64;

    private readonly RescueLayout _layout;
    private readonly byte[] _data;
    private readonly bool[] _badPages;
    private readonly List<ScannedKset> _ksets = [];

    public SegmentScan(RescueLayout layout)
    {
        _layout = layout;
        _data = new byte[Math.Min(layout.Geometry.DataSize, layout.Region.LengthBytes)];
        _badPages = new bool[(_data.Length / PageBytes) + 1];
    }

    /// <summary>The cache segment that was loaded last; -1: none.</summary>
    public int Segment { get; private set; } = -1;

    /// <summary>Whole ksets by offset. Some may be bytes inside others.</summary>
    public IReadOnlyList<ScannedKset> Ksets => _ksets;

    public ReadOnlySpan<byte> Data => _data;

    /// <summary>Loads a data area. False: its place isn't known, or nothing of it is on the device.</summary>
    public bool Load(int segment)
    {
        if (segment == Segment)
        {
            return true;
        }

        Segment = -1;
        if (!_layout.TryPlace(segment, 0, 0, out long place))
        {
            return false;
        }

        Segment = segment;
        Array.Clear(_badPages);
        int present = (int)Math.Min(_data.Length, _layout.Region.LengthBytes - place);
        for (int at = 0; at < present; at += ChunkBytes)
        {
            Read(place, at, Math.Min(ChunkBytes, present - at));
        }

        _data.AsSpan(present).Clear();
        for (int page = (present + PageBytes - 1) / PageBytes; page < _badPages.Length; page++)
        {
            _badPages[page] = true;
        }

        FindKsets();
        return true;
    }

    /// <summary>The kset that begins there, if there is a whole one.</summary>
    public bool TryGet(int offset, out ScannedKset kset)
    {
        int index = IndexFrom(offset);
        bool found = index < _ksets.Count && _ksets[index].Offset == offset;
        kset = found ? _ksets[index] : default;
        return found;
    }

    /// <summary>Index of the first kset at or behind an offset.</summary>
    public int IndexFrom(int offset)
    {
        int low = 0;
        int high = _ksets.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ksets[middle].Offset < offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    public ReadOnlySpan<CacheKey> Keys(in ScannedKset kset) =>
        MemoryMarshal.Cast<byte, CacheKey>(
            _data.AsSpan(kset.Offset + MediaConstants.KsetHeaderSize, kset.KeyCount * MediaConstants.KeySize));

    /// <summary>Whether any byte of a range couldn't be read.</summary>
    public bool IsUnreadable(int offset, int length)
    {
        for (int page = offset / PageBytes;
            page <= (offset + length - 1) / PageBytes && page < _badPages.Length;
            page++)
        {
            if (_badPages[page])
            {
                return true;
            }
        }

        return offset + length > _data.Length;
    }

    private void Read(long place, int at, int length)
    {
        try
        {
            _layout.Region.ReadMetadata(place + at, _data.AsSpan(at, length));
            return;
        }
        catch (IOException)
        {
            // A bad line hides only its own page: below, page by page.
        }

        for (int page = at; page < at + length; page += PageBytes)
        {
            Span<byte> bytes = _data.AsSpan(page, Math.Min(PageBytes, at + length - page));
            try
            {
                _layout.Region.ReadMetadata(place + page, bytes);
            }
            catch (IOException)
            {
                bytes.Clear();
                _badPages[page / PageBytes] = true;
            }
        }
    }

    private void FindKsets()
    {
        _ksets.Clear();
        Span<byte> magic = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(magic, MediaConstants.KsetMagic);
        long work = (long)_data.Length * WorkFactor;
        for (int at = MagicAt; at <= _data.Length - sizeof(ulong) - sizeof(ulong);)
        {
            int hit = _data.AsSpan(at).IndexOf(magic);
            if (hit < 0)
            {
                return;
            }

            int offset = at + hit - MagicAt;
            at += hit + 1;
            if (offset % 8 != 0 || offset > _data.Length - MediaConstants.KsetHeaderSize)
            {
                continue;
            }

            ScannedKset kset = new(offset, MemoryMarshal.Read<KsetHeader>(_data.AsSpan(offset)));
            if (!kset.Header.IsLast && kset.Header.KeyCount is 0 or > MediaConstants.MaxKeysPerKset)
            {
                continue;
            }

            work -= kset.SizeBytes;
            if (work < 0)
            {
                return;
            }

            if (kset.End <= _data.Length && kset.Header.Crc == StructureChecksum.Of(
                _data.AsSpan(offset + sizeof(uint), kset.SizeBytes - sizeof(uint))))
            {
                _ksets.Add(kset);
            }
        }
    }
}
