using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Checks payloads against the checksums of their keys. Keeps true: nothing outside the key's data area is read; the bytes summed are bounded by a multiple of
/// the device, as sound keys share payload only where it is the same (zeros), which is summed once.
/// </summary>
internal sealed class PayloadVerifier
{
    internal enum Outcome
    {
        Fits,
        Differs,
        Unreadable,
        OutOfRange,
        BudgetSpent,
    }

    private const int ChunkBytes = 128 << 10;
    private const int MaxRemembered = 1 << 16;
    private const long LeastBudgetBytes = 1L << 30;

    private readonly PmemRegion _region;
    private readonly MediaState _media;
    private readonly byte[] _buffer;
    private readonly Dictionary<(uint Segment, uint Offset, uint Length), uint> _remembered = [];
    private long _budgetBytes;

    public PayloadVerifier(PmemRegion region, MediaState media)
    {
        _region = region;
        _media = media;
        _buffer = new byte[Math.Min(ChunkBytes, media.Geometry.DataSize)];
        _budgetBytes = LeastBudgetBytes + (2 * region.LengthBytes);
    }

    public Outcome Verify(in CacheKey key)
    {
        if (key.Segment >= (uint)_media.ChainLength || (ulong)key.SegmentOffset + key.Length > (ulong)_media.Geometry.DataSize)
        {
            return Outcome.OutOfRange;
        }

        (uint, uint, uint) place = (key.Segment, key.SegmentOffset, key.Length);
        if (!_remembered.TryGetValue(place, out uint crc))
        {
            if (_budgetBytes < key.Length)
            {
                return Outcome.BudgetSpent;
            }

            _budgetBytes -= key.Length;
            if (!TrySum(key, out crc))
            {
                return Outcome.Unreadable;
            }

            if (_remembered.Count < MaxRemembered)
            {
                _remembered.Add(place, crc);
            }
        }

        return crc == key.PayloadCrc ? Outcome.Fits : Outcome.Differs;
    }

    private bool TrySum(in CacheKey key, out uint crc)
    {
        crc = Crc32C.FormatSeed;
        long offset = _media.Geometry.DataOffset(_media.Chain[key.Segment]) + key.SegmentOffset;
        for (long at = 0; at < key.Length; at += _buffer.Length)
        {
            Span<byte> part = _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, key.Length - at));
            try
            {
                _region.ReadMetadata(offset + at, part);
            }
            catch (IOException)
            {
                return false;
            }

            crc = Crc32C.Append(crc, part);
        }

        return true;
    }
}
