using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Segments;

/// <summary>
/// Room for payload, with one reference on its segment that the key to be logged will own, and room for that key in
/// the log.
/// </summary>
/// <param name="Segment">Cache segment id.</param>
/// <param name="Offset">Byte offset in the data area.</param>
/// <param name="LengthBytes">Length in bytes, a multiple of 512; 0: no room.</param>
internal readonly record struct PayloadRoom(int Segment, int Offset, int LengthBytes);

/// <summary>
/// Bump allocation of payload, one open segment per core (at most an eighth of the segments, at least one).
/// </summary>
/// <remarks>
/// Keeps true: room is handed out once per life of a segment; a head holds one reference on its segment, dropped when
/// the segment is full; every room handed out holds one more, and room for one key in the log. When no free segment
/// is left, the remaining room of every head is used before a writer has to wait. So that handing out takes no
/// interlocked instruction but that of the head's lock, a head takes references and room for keys many at a time;
/// what it has in hand is given back when its segment is full (references), when room in the log gets short
/// (<see cref="ReturnReserved"/>), and for audits. Each head has its own lock; only one head's lock is held at a
/// time.
/// </remarks>
internal sealed class DataHeads
{
    private const int MaxZeroPayload = 1 << 20;

    /// <summary>Keys that a head reserves room for at a time.</summary>
    private const int KeysAhead = 32;

    /// <summary>References that a head takes at a time: more than a segment has sectors.</summary>
    private const int ReferencesAhead = 1 << 16;

    private readonly PmemRegion _region;
    private readonly SegmentTable _segments;
    private readonly IKeyRoom _keyRoom;
    private readonly Head[] _heads;
    private readonly int _dataSize;
    private readonly int _zeroPayloadBytes;
    private readonly Chance _chance;
    private readonly Action _segmentOpened;

    /// <param name="region">Where payload goes.</param>
    /// <param name="segments">Where segments come from.</param>
    /// <param name="keyRoom">Room for the payload's keys.</param>
    /// <param name="chance">Which head a thread uses.</param>
    /// <param name="segmentOpened"> Called, on any thread and under a head's lock, when a head has begun a new
    /// segment: there is one segment less to write to.
    /// </param>
    public DataHeads(PmemRegion region, SegmentTable segments, IKeyRoom keyRoom, Chance chance, Action segmentOpened)
    {
        _segmentOpened = segmentOpened;
        keyRoom.AddHolder(ReturnReserved);
        _chance = chance;
        _region = region;
        _segments = segments;
        _keyRoom = keyRoom;
        _dataSize = segments.DataSize;
        _heads = new Head[Math.Clamp(chance.Cores, 1, Math.Clamp(segments.Count / 8, 1, 64))];
        for (int i = 0; i < _heads.Length; i++)
        {
            _heads[i] = new Head();
        }

        _zeroPayloadBytes = Math.Min(
            MaxZeroPayload, segments.DataSize / 8 / MediaConstants.SectorSize * MediaConstants.SectorSize);
        ZeroPayloadCrcs = new ZeroCrcs(_zeroPayloadBytes);
    }

    /// <summary>Checksums of zero payloads.</summary>
    public ZeroCrcs ZeroPayloadCrcs { get; }

    /// <summary>
    /// Hands out up to <paramref name="wantedBytes"/> (a multiple of 512), and room for one key; less payload where a
    /// segment ends; nothing when either is full.
    /// </summary>
    public bool TryTake(int wantedBytes, out PayloadRoom room) => TryTake(ThreadIndex.Current, wantedBytes, out room);

    /// <summary>The same, for the thread whose number is known.</summary>
    public bool TryTake(int threadIndex, int wantedBytes, out PayloadRoom room)
    {
        Head head = _heads[_chance.CurrentCore(threadIndex) % (uint)_heads.Length];
        using (head.Gate.Hold())
        {
            if (head.Keys > 0 && head.References > 0 && wantedBytes <= _dataSize - head.Next)
            {
                Invariant.Holds(head.Segment >= 0 && head.Next >= 0 && wantedBytes % MediaConstants.SectorSize == 0,
                    "room in hand is of an open segment, in whole sectors");
                room = new PayloadRoom(head.Segment, head.Next, wantedBytes);
                head.Keys--;
                head.References--;
                head.Next += wantedBytes;
                return true;
            }
        }

        return TryTakeSlowly(head, wantedBytes, zeros: false, out room);
    }

    /// <summary>
    /// As <see cref="TryTake(int, out PayloadRoom)"/>, with payload of zeros that all zero keys of its segment share.
    /// </summary>
    public bool TryTakeZeros(int wantedBytes, out PayloadRoom room) =>
        TryTakeSlowly(_heads[_chance.CurrentCore() % (uint)_heads.Length], wantedBytes, zeros: true, out room);

    /// <summary>
    /// The open segments, for audits of a device at rest; nothing is reserved or referenced ahead afterwards.
    /// </summary>
    internal IEnumerable<int> OpenSegments
    {
        get
        {
            ReturnReserved();
            foreach (Head head in _heads)
            {
                ReturnReferences(head);
            }

            return _heads.Select(head => head.Segment).Where(segment => segment >= 0);
        }
    }

    /// <summary>Closes all open segments, whatever room they have left. Returns whether there was one.</summary>
    public bool RetireAll()
    {
        bool any = false;
        foreach (Head head in _heads)
        {
            using (head.Gate.Hold())
            {
                if (head.Segment >= 0)
                {
                    RetireLocked(head);
                    any = true;
                }
            }
        }

        return any;
    }

    /// <summary>Gives room back whose key was never logged.</summary>
    public void Return(in PayloadRoom room)
    {
        Invariant.Holds(
            room.LengthBytes > 0 && room.Offset + room.LengthBytes <= _dataSize, "what is given back is room");
        _segments.DropReference(room.Segment);
        _keyRoom.Unreserve(1);
    }

    /// <summary>
    /// Gives back the room for keys that was reserved ahead; returns whether there was any. Not for callers that hold
    /// a head's lock.
    /// </summary>
    public bool ReturnReserved()
    {
        bool any = false;
        foreach (Head head in _heads)
        {
            using (head.Gate.Hold())
            {
                if (head.Keys > 0)
                {
                    _keyRoom.Unreserve(head.Keys);
                    head.Keys = 0;
                    any = true;
                }
            }
        }

        return any;
    }

    private bool TryTakeSlowly(Head head, int wantedBytes, bool zeros, out PayloadRoom room)
    {
        room = default;
        if (!TryTakeKey(head))
        {
            return false;
        }

        try
        {
            int first = Array.IndexOf(_heads, head);
            for (int i = 0; room.LengthBytes == 0 && i < _heads.Length; i++)
            {
                Head next = _heads[(first + i) % _heads.Length];
                using (next.Gate.Hold())
                {
                    room = zeros
                        ? TakeZerosLocked(next, wantedBytes, mayOpen: i == 0)
                        : TakeLocked(next, wantedBytes, mayOpen: i == 0);
                }
            }
        }
        finally
        {
            if (room.LengthBytes == 0)
            {
                _keyRoom.Unreserve(1);
            }
        }

        return room.LengthBytes > 0;
    }

    private bool TryTakeKey(Head head)
    {
        using (head.Gate.Hold())
        {
            if (head.Keys > 0)
            {
                head.Keys--;
                return true;
            }

            if (_keyRoom.TryReserveAhead(KeysAhead))
            {
                head.Keys = KeysAhead - 1;
                return true;
            }
        }

        if (_keyRoom.TryReserve())
        {
            return true;
        }

        // Whether or not it was this call that brought something back: another thread's may have done so just before.
        ReturnReserved();
        return _keyRoom.TryReserve();
    }

    private PayloadRoom TakeZerosLocked(Head head, int wantedBytes, bool mayOpen)
    {
        if (head.ZeroLength == 0)
        {
            PayloadRoom made = TakeLocked(head, _zeroPayloadBytes, mayOpen);
            if (made.LengthBytes == 0)
            {
                return default;
            }

            try
            {
                long at = _segments.DataOffset(made.Segment) + made.Offset;
                _region.WriteZeros(at, made.LengthBytes);
                _region.FlushRange(at, made.LengthBytes);
                _region.Drain();
            }
            finally
            {
                // the head's own reference keeps it; each zero key takes one below
                _segments.DropReference(made.Segment);
            }

            head.ZeroOffset = made.Offset;
            head.ZeroLength = made.LengthBytes;
        }

        TakeReferenceLocked(head);
        return new PayloadRoom(head.Segment, head.ZeroOffset, Math.Min(head.ZeroLength, wantedBytes));
    }

    private PayloadRoom TakeLocked(Head head, int wantedBytes, bool mayOpen)
    {
        int left = _dataSize - head.Next;
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
            left = _dataSize;
            _segmentOpened();
        }

        int length = Math.Min(wantedBytes, left) & -MediaConstants.SectorSize;
        var room = new PayloadRoom(head.Segment, head.Next, length);
        TakeReferenceLocked(head);
        head.Next += length;
        Invariant.Holds(length > 0 && head.Next <= _dataSize, "room lies inside its segment");
        return room;
    }

    /// <summary>A reference of those in hand; more are taken when there is none.</summary>
    private void TakeReferenceLocked(Head head)
    {
        if (head.References == 0)
        {
            _segments.AddReference(head.Segment, ReferencesAhead);
            head.References = ReferencesAhead;
        }

        head.References--;
        Invariant.Holds(head.References >= 0, "a head has no fewer than no references in hand");
    }

    private void ReturnReferences(Head head)
    {
        using (head.Gate.Hold())
        {
            if (head.References > 0)
            {
                _segments.DropReference(head.Segment, head.References);
                head.References = 0;
            }
        }
    }

    private void RetireLocked(Head head)
    {
        int segment = head.Segment;
        int references = head.References + 1;
        Invariant.Holds(segment >= 0 && head.References >= 0, "a head that is closed was open");
        head.Segment = -1;
        head.Next = int.MaxValue;
        head.ZeroLength = 0;
        head.References = 0;
        _segments.DropReference(segment, references);
    }

    private sealed class Head : CacheLinePadded
    {
        public readonly Latch Gate = new(LockRank.DataHead);
        public int Segment = -1;
        public int Next = int.MaxValue; // no room
        public int ZeroOffset;
        public int ZeroLength;
        public int Keys;
        public int References;
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
