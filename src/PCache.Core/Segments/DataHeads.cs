using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Segments;

/// <summary>Room for payload, with one reference on its segment that the key to be logged will own.</summary>
/// <param name="Segment">Cache segment id.</param>
/// <param name="Offset">Byte offset in the data area.</param>
/// <param name="LengthBytes">Length in bytes, a multiple of 512; 0: no room.</param>
internal readonly record struct PayloadRoom(int Segment, int Offset, int LengthBytes);

/// <summary>
/// Bump allocation of payload, one open segment per core (at most an eighth of the segments, at least one).
/// </summary>
/// <remarks>
/// Keeps true: room is handed out once per life of a segment; a head holds one reference on its segment, dropped when the segment is full; every room
/// handed out holds one more. When no free segment is left, the remaining room of every head is used before anybody has to wait.
/// Each head has its own lock, above the pools' lock and below the shards' locks.
/// </remarks>
internal sealed class DataHeads
{
    private const int MaxZeroPayload = 1 << 20;
    private readonly PmemRegion _region;
    private readonly SegmentTable _segments;
    private readonly Head[] _heads;
    private readonly int _zeroPayloadBytes;
    private readonly Chance _chance;

    public DataHeads(PmemRegion region, SegmentTable segments, Chance chance)
    {
        _chance = chance;
        _region = region;
        _segments = segments;
        _heads = new Head[Math.Clamp(chance.Cores, 1, Math.Clamp(segments.Count / 8, 1, 64))];
        for (int i = 0; i < _heads.Length; i++)
        {
            _heads[i] = new Head();
        }

        _zeroPayloadBytes = Math.Min(MaxZeroPayload, segments.DataSize / 8 / MediaConstants.SectorSize * MediaConstants.SectorSize);
        ZeroPayloadCrcs = new ZeroCrcs(_zeroPayloadBytes);
    }

    /// <summary>Checksums of zero payloads.</summary>
    public ZeroCrcs ZeroPayloadCrcs { get; }

    /// <summary>Hands out up to <paramref name="wantedBytes"/> (a multiple of 512); less where a segment ends; nothing when all is full.</summary>
    public PayloadRoom Take(int wantedBytes)
    {
        int first = (int)(_chance.CurrentCore() % (uint)_heads.Length);
        PayloadRoom room = TakeFrom(_heads[first], wantedBytes, mayOpen: true);
        for (int i = 1; room.LengthBytes == 0 && i < _heads.Length; i++)
        {
            room = TakeFrom(_heads[(first + i) % _heads.Length], wantedBytes, mayOpen: false);
        }

        return room;
    }

    /// <summary>Room whose payload is zeros, shared by all zero keys of its segment; up to <paramref name="wantedBytes"/>.</summary>
    public PayloadRoom TakeZeros(int wantedBytes)
    {
        int first = (int)(_chance.CurrentCore() % (uint)_heads.Length);
        for (int i = 0; i < _heads.Length; i++)
        {
            Head head = _heads[(first + i) % _heads.Length];
            lock (head.Gate)
            {
                if (head.ZeroLength == 0)
                {
                    PayloadRoom made = TakeLocked(head, _zeroPayloadBytes, mayOpen: i == 0);
                    if (made.LengthBytes == 0)
                    {
                        continue;
                    }

                    try
                    {
                        long at = _segments.DataOffset(made.Segment) + made.Offset;
                        _region.WriteZeros(at, made.LengthBytes);
                        _region.FlushRange(at, made.LengthBytes);
                        if (!RuleSwitch.IsBroken(BrokenRule.PayloadBeforeKset))
                        {
                            _region.Drain();
                        }
                    }
                    finally
                    {
                        _segments.DropReference(made.Segment); // the head's own reference keeps it; each zero key takes one below
                    }

                    head.ZeroOffset = made.Offset;
                    head.ZeroLength = made.LengthBytes;
                }

                _segments.AddReference(head.Segment);
                return new PayloadRoom(head.Segment, head.ZeroOffset, Math.Min(head.ZeroLength, wantedBytes));
            }
        }

        return default;
    }

    /// <summary>The open segments, for audits of a device at rest.</summary>
    internal IEnumerable<int> OpenSegments => _heads.Select(head => head.Segment).Where(segment => segment >= 0);

    /// <summary>Gives room back whose key was never logged.</summary>
    public void Return(in PayloadRoom room) => _segments.DropReference(room.Segment);

    private PayloadRoom TakeFrom(Head head, int wantedBytes, bool mayOpen)
    {
        lock (head.Gate)
        {
            return TakeLocked(head, wantedBytes, mayOpen);
        }
    }

    private PayloadRoom TakeLocked(Head head, int wantedBytes, bool mayOpen)
    {
        int left = head.Segment < 0 ? 0 : _segments.DataSize - head.Next;
        if (left < MediaConstants.SectorSize)
        {
            if (head.Segment >= 0)
            {
                RetireLocked(head);
            }

            if (!mayOpen)
            {
                return default;
            }

            int segment = _segments.TakeForData();
            if (segment < 0)
            {
                return default;
            }

            head.Segment = segment;
            head.Next = 0;
            left = _segments.DataSize;
        }

        int length = Math.Min(wantedBytes, left) & -MediaConstants.SectorSize;
        var room = new PayloadRoom(head.Segment, head.Next, length);
        _segments.AddReference(head.Segment);
        head.Next += length;
        return room;
    }

    private void RetireLocked(Head head)
    {
        if (head.Segment >= 0)
        {
            int segment = head.Segment;
            head.Segment = -1;
            head.ZeroLength = 0;
            _segments.DropReference(segment);
        }
    }

    private sealed class Head
    {
        public readonly Lock Gate = new();
        public int Segment = -1;
        public int Next;
        public int ZeroOffset;
        public int ZeroLength;
    }

    /// <summary>CRC-32C of n zero sectors, in the format's start value; computed once.</summary>
    internal sealed class ZeroCrcs
    {
        private readonly uint[] _bySectors;

        public ZeroCrcs(int maxBytes)
        {
            _bySectors = new uint[(maxBytes / MediaConstants.SectorSize) + 1];
            Span<byte> zeros = stackalloc byte[MediaConstants.SectorSize];
            zeros.Clear();
            uint crc = Crc32C.FormatSeed;
            for (int i = 0; i < _bySectors.Length; i++)
            {
                _bySectors[i] = crc;
                crc = Crc32C.Append(crc, zeros);
            }
        }

        public uint this[int lengthBytes] => _bySectors[lengthBytes / MediaConstants.SectorSize];
    }
}
