using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Checks payloads against the checksums of their keys. Keeps true: nothing outside the key's data area is read; the
/// bytes summed are bounded by a multiple of the device, as sound keys share payload only where it is the same
/// (zeros), which is summed once.
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
    private readonly Func<CacheKey, long> _place;
    private readonly byte[] _buffer;
    private readonly Dictionary<(uint Segment, uint Offset, uint Length), uint> _remembered = [];
    private long _budgetBytes;

    /// <summary>For an image that could be loaded.</summary>
    public PayloadVerifier(PmemRegion region, MediaState media)
        : this(
            region, media.Geometry.DataSize, key => key.Segment >= (uint)media.ChainLength
                || (ulong)key.SegmentOffset + key.Length > (ulong)media.Geometry.DataSize
            ? -1
            : media.DeviceOffset(new LogPosition((int)key.Segment, (int)key.SegmentOffset)))
    {
    }

    /// <summary>For a damaged image.</summary>
    public PayloadVerifier(RescueLayout layout)
        : this(layout.Region, layout.Geometry.DataSize,
            key => layout.TryPlace(key.Segment, key.SegmentOffset, key.Length, out long place) ? place : -1)
    {
    }

    private PayloadVerifier(PmemRegion region, int dataSize, Func<CacheKey, long> place)
    {
        _region = region;
        _place = place;
        _buffer = new byte[Math.Min(ChunkBytes, dataSize)];
        _budgetBytes = LeastBudgetBytes + (2 * region.LengthBytes);
    }

    public Outcome Verify(in CacheKey key)
    {
        long offset = _place(key);
        if (offset < 0)
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
            if (!TrySum(offset, key.Length, out crc))
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

    private bool TrySum(long offset, uint length, out uint crc)
    {
        crc = Crc32C.FormatSeed;
        for (long at = 0; at < length; at += _buffer.Length)
        {
            Span<byte> part = _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, length - at));
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
