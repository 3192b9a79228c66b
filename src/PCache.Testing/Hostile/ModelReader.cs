using System.Buffers.Binary;
using System.Numerics;

namespace PCache.Testing.Hostile;

/// <summary>
/// A reader of the format that was written from its page (docs/on-media-format.md) alone, to judge the engine by. Keeps true: it shares no code and no constant
/// with the engine; it follows the page's order of checks, so that even the kind of a refusal can be compared; any bytes give a verdict, in time and memory
/// bounded by their number.
/// </summary>
internal ref struct ModelReader
{
    private const int HeadBytes = 24;
    private const int KeyBytes = 40;
    private const int StripeBytes = 4 << 20;
    private const int AreaAt = 12 << 10;
    private const int SegmentsAt = 20 << 10;

    private readonly ReadOnlySpan<byte> _image;
    private readonly long _backingBytes;
    private readonly ModelBinding _binding;
    private readonly ModelImage _result = new();

    private ModelReader(ReadOnlySpan<byte> image, long backingBytes, ModelBinding binding)
    {
        _image = image;
        _backingBytes = backingBytes;
        _binding = binding;
    }

    /// <summary>Reads an image.</summary>
    /// <param name="image">The whole cache device.</param>
    /// <param name="backingBytes">Length of the backing.</param>
    /// <param name="binding">What else is known of the backing.</param>
    public static ModelImage Read(ReadOnlySpan<byte> image, long backingBytes, ModelBinding binding)
    {
        var reader = new ModelReader(image, backingBytes, binding);
        if (reader.ReadGeometry() && reader.ReadChain() && reader.ReadTails() && reader.ReadBinding())
        {
            reader.ReadLog();
        }

        return reader._result;
    }

    /// <summary>The checksum of the format: CRC-32C without inversion, from 0x3B15A.</summary>
    public static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0x0003B15A;
        while (bytes.Length >= 8)
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return crc;
    }

    private readonly uint U32(long at) => BinaryPrimitives.ReadUInt32LittleEndian(_image[(int)at..]);

    private readonly ulong U64(long at) => BinaryPrimitives.ReadUInt64LittleEndian(_image[(int)at..]);

    private readonly bool Refuse(ModelVerdict verdict, string reason)
    {
        _result.Verdict = verdict;
        _result.Reason = reason;
        return false;
    }

    private readonly bool Damaged(string reason) => Refuse(ModelVerdict.Damaged, reason);

    /// <summary>Offset of the latest valid replica, or -1.</summary>
    private readonly long Latest(long at, int stride, int size, out bool blank)
    {
        bool blank0 = !_image.Slice((int)at, size).ContainsAnyExcept((byte)0);
        bool blank1 = !_image.Slice((int)at + stride, size).ContainsAnyExcept((byte)0);
        blank = blank0 && blank1;
        bool ok0 = !blank0 && U32(at) == Sum(_image.Slice((int)at + 4, size - 4));
        bool ok1 = !blank1 && U32(at + stride) == Sum(_image.Slice((int)at + stride + 4, size - 4));
        bool second = ok1 && (!ok0 || (sbyte)(_image[(int)at + stride + 4] - _image[(int)at + 4]) > 0);
        return second ? at + stride : ok0 ? at : -1;
    }

    private readonly bool ReadGeometry()
    {
        const int At = 4 << 10;
        if (_image.Length < At + (4 << 10) || U64(At + 8) == 0)
        {
            return Refuse(ModelVerdict.NotFormatted, "no superblock");
        }

        bool linux = U64(At + 8) == 0x65B05EFA96C596EF;
        if (!linux && U64(At + 8) != 0x65B05EFA96C596C0)
        {
            return Damaged("superblock magic");
        }

        if (U32(At) != Sum(_image.Slice(At + 4, 20)) || (U32(At + 4) & 1) != 0)
        {
            return Damaged("superblock checksum or byte order");
        }

        uint size = linux ? 16u << 20 : U32(At + 20);
        if (size < 64 << 10 || size > 16 << 20 || !BitOperations.IsPow2(size))
        {
            return Damaged("segment size");
        }

        long holds = Math.Min(1 << 20, Math.Max(0, _image.Length - SegmentsAt) / size);
        uint count = U32(At + 16);
        _result.SegmentBytes = (int)size;
        _result.Segments = (int)Math.Min(count, holds);
        return (count >= (linux ? 1 : 4) && count <= holds) || Damaged("number of segments");
    }

    private readonly bool ReadChain()
    {
        long info = Latest(8 << 10, 4 << 10, 24, out bool blank);
        if (info < 0)
        {
            return blank ? Refuse(ModelVerdict.NotFormatted, "no cache info") : Damaged("cache info");
        }

        uint flags = U32(info + 16);
        if ((flags & 2) == 0)
        {
            return Refuse(ModelVerdict.NotFormatted, "not initialised");
        }

        uint length = U32(info + 12);
        uint next = U32(info + 8);
        if (((flags >> 2) & 15) != 0 || ((flags >> 6) & 127) > 90 || length < 1 || length > _result.Segments)
        {
            return Damaged("mode, GC percent or chain length");
        }

        _result.PayloadSums = (flags & 1) != 0;
        for (int i = 0; i < length; i++)
        {
            if (next >= _result.Segments || _result.Chain.Contains((int)next))
            {
                return Damaged("chain id");
            }

            _result.Chain.Add((int)next);
            long segment = Latest(SegmentsAt + ((long)next * _result.SegmentBytes), 4 << 10, 16, out _);
            if (segment < 0 || ((U32(segment + 8) >> 1) & 15) != 1 || ((U32(segment + 8) & 1) != 0) != (i + 1 < length))
            {
                return Damaged("segment info");
            }

            next = U32(segment + 12);
        }

        foreach (int id in _result.Chain)
        {
            long generation = Latest(SegmentsAt + ((long)id * _result.SegmentBytes) + (8 << 10), 16, 16, out _);
            if (generation < 0)
            {
                return Damaged("generation");
            }

            _result.Generations.Add(U64(generation + 8));
        }

        return true;
    }

    private readonly bool ReadTails() => ReadTail(16 << 10, out _result.KeyTail) && ReadTail((16 << 10) + 32, out _result.DirtyTail);

    private readonly bool ReadTail(long at, out (int Segment, int Offset) tail)
    {
        tail = default;
        long latest = Latest(at, 16, 16, out _);
        if (latest < 0 || U32(latest + 8) >= _result.Chain.Count || U32(latest + 12) > _result.AreaBytes - HeadBytes || U32(latest + 12) % 8 != 0)
        {
            return Damaged("key tail or dirty tail");
        }

        tail = ((int)U32(latest + 8), (int)U32(latest + 12));
        return true;
    }

    private readonly bool ReadBinding()
    {
        long block = Latest(0, 2 << 10, 256, out _);
        if (block < 0 || U64(block + 8) != 0x4B4341504E455443 || U32(block + 16) == 0)
        {
            return true;
        }

        ulong bound = U64(block + 40);
        if (bound > long.MaxValue)
        {
            return Damaged("bound length");
        }

        ReadOnlySpan<byte> identity = _image.Slice((int)block + 48, 16);
        bool longer = _binding.CanGrow || (U32(block + 20) & 1) != 0;
        bool fits = bound == 0 || (longer ? (ulong)_backingBytes >= bound : (ulong)_backingBytes == bound);
        return _binding.Consent || (fits && (!identity.ContainsAnyExcept((byte)0) || new Guid(identity, bigEndian: true) == _binding.Identity))
            || Refuse(ModelVerdict.WrongBacking, "bound length or identity");
    }

    private readonly long Place(int segment, int offset) => SegmentsAt + ((long)_result.Chain[segment] * _result.SegmentBytes) + AreaAt + offset;

    /// <summary>What stands at a place of a data area: a whole kset, zeros, or neither. Number and fields aren't looked at.</summary>
    private readonly ModelEnd Look(int segment, int offset, out ModelKset kset)
    {
        long at = Place(segment, offset);
        kset = new ModelKset { At = at, Segment = segment, Offset = offset };
        ReadOnlySpan<byte> head = _image.Slice((int)at, HeadBytes);
        if (U64(at + 8) != 0x676894A64E164F1A)
        {
            return head.ContainsAnyExcept((byte)0) ? ModelEnd.Torn : ModelEnd.Zeros;
        }

        uint count = U32(at + 4);
        ulong flags = U64(at + 16);
        kset.IsLink = (flags & 1) != 0;
        kset.Number = (uint)(flags >> 32);
        if (kset.IsLink)
        {
            kset.Target = count;
        }
        else if (count is 0 or > 128 || HeadBytes + ((int)count * KeyBytes) > _result.AreaBytes - offset)
        {
            return ModelEnd.Torn;
        }

        kset.Keys = kset.IsLink ? 0 : (int)count;
        return U32(at) == Sum(_image.Slice((int)at + 4, kset.Bytes - 4)) ? ModelEnd.None : ModelEnd.Torn;
    }

    private readonly void ReadLog()
    {
        ModelImage r = _result;
        int chain = r.Chain.Count;
        bool[] isLog = new bool[chain];
        int[] live = new int[chain];
        (int Segment, int Offset) at = r.KeyTail;
        isLog[at.Segment] = true;
        bool dirty = false;
        uint last = 0;
        while (true)
        {
            dirty |= at == r.DirtyTail;
            r.Head = at;
            r.End = Look(at.Segment, at.Offset, out ModelKset kset);
            if (r.End == ModelEnd.None && kset.Number != 0 && last != 0 && kset.Number != After(last))
            {
                r.End = ModelEnd.Leftover;
            }

            if (r.End != ModelEnd.None)
            {
                break;
            }

            last = kset.Number != 0 ? kset.Number : last;
            r.Ksets.Add(kset);
            if (kset.IsLink)
            {
                if (kset.Target >= chain || isLog[kset.Target] || live[kset.Target] > 0)
                {
                    Damaged("link");
                    return;
                }

                at = ((int)kset.Target, 0);
                isLog[at.Segment] = true;
            }
            else
            {
                at.Offset += kset.Bytes;
                if (at.Offset > r.AreaBytes - HeadBytes)
                {
                    Damaged("kset without room for a link");
                    return;
                }

                for (int i = 0; i < kset.Keys; i++)
                {
                    if (!TakeKey(kset.At + HeadBytes + (i * KeyBytes), dirty, isLog, live))
                    {
                        return;
                    }
                }
            }
        }

        r.LastNumber = last;
        if (HidesMore(at, last, isLog, live))
        {
            Damaged("a later kset behind the end");
        }
        else if (!dirty)
        {
            Damaged("dirty tail not met");
        }
    }

    private static uint After(uint number) => number == uint.MaxValue ? 1 : number + 1;

    /// <summary>Null: a key that a sound log may hold; else what is wrong.</summary>
    private readonly string? Judge(in ModelKey key, ulong end)
    {
        if ((key.Flags & 1) != 0 || key.Bytes is 0 or > StripeBytes || key.Bytes % 512 != 0 || key.Offset % 512 != 0
            || key.Offset > long.MaxValue - StripeBytes || (key.Offset % StripeBytes) + key.Bytes > StripeBytes)
        {
            return "range";
        }

        if (key.Segment >= _result.Chain.Count || key.Generation > _result.Generations[(int)key.Segment])
        {
            return "segment or generation";
        }

        bool live = key.Generation == _result.Generations[(int)key.Segment];
        if (live && (key.SegmentOffset % 512 != 0 || (long)key.SegmentOffset + key.Bytes > _result.AreaBytes))
        {
            return "payload";
        }

        return key.Offset + key.Bytes > end ? "beyond the backing" : null;
    }

    private readonly ModelKey KeyAt(long at) => new()
    {
        Offset = U64(at),
        Bytes = U32(at + 8),
        Flags = U32(at + 12),
        Segment = U32(at + 16),
        SegmentOffset = U32(at + 20),
        Generation = U64(at + 24),
        Crc = U32(at + 32),
    };

    private readonly ulong BackingEnd => ((ulong)_backingBytes + 511) / 512 * 512;

    private readonly bool TakeKey(long place, bool dirty, bool[] isLog, int[] live)
    {
        ModelKey key = KeyAt(place);
        if (Judge(in key, BackingEnd) is string wrong)
        {
            return wrong == "beyond the backing" ? Refuse(ModelVerdict.WrongBacking, wrong) : Damaged("key: " + wrong);
        }

        bool clean = (key.Flags & 2) != 0;
        if (key.Generation < _result.Generations[(int)key.Segment])
        {
            _result.DeadKeys++;
            _result.LostKeys += dirty && !clean ? 1 : 0;
            _result.Map.Remove(key.Offset / 512, key.Bytes / 512);
            return true;
        }

        if (isLog[key.Segment])
        {
            return Damaged("payload in the log");
        }

        live[key.Segment]++;
        key.Dirty = dirty && !clean;
        key.PayloadAt = Place((int)key.Segment, (int)key.SegmentOffset);
        key.Fits = !_result.PayloadSums || Sum(_image.Slice((int)key.PayloadAt, (int)key.Bytes)) == key.Crc;
        _result.Map.Put(key.Offset / 512, key.Bytes / 512, _result.LiveKeys.Count);
        _result.LiveKeys.Add(key);
        return true;
    }

    /// <summary>"Where the log ends": whether a later kset of this log proves that something was destroyed.</summary>
    private readonly bool HidesMore((int Segment, int Offset) end, uint last, bool[] isLog, int[] live)
    {
        bool onlyLive = false;
        if (last == 0)
        {
            if (_result.Ksets.Count > 0)
            {
                return false;
            }

            bool? numbered = NumberBefore(end);
            if (numbered == false || (numbered is null && end == (0, 0) && _result.End == ModelEnd.Zeros))
            {
                return false;
            }

            onlyLive = numbered is null;
        }

        for (int at = end.Offset + HeadBytes + KeyBytes; at <= _result.AreaBytes - HeadBytes; at += 8)
        {
            if (U64(Place(end.Segment, at) + 8) != 0x676894A64E164F1A)
            {
                at = NextMagic(end.Segment, at);
                if (at < 0)
                {
                    break;
                }
            }

            if (Look(end.Segment, at, out ModelKset kset) == ModelEnd.None && kset.Number != 0
                && (last == 0 || Later(After(last), kset.Number) <= (uint)((at - end.Offset) / (HeadBytes + KeyBytes)))
                && (!onlyLive || HasLiveKey(in kset)))
            {
                return true;
            }
        }

        for (int i = 0; i < isLog.Length && last != 0; i++)
        {
            if (!isLog[i] && live[i] == 0 && Look(i, 0, out ModelKset kset) == ModelEnd.None && kset.Number != 0
                && Later(After(last), kset.Number) is >= 1 and <= 64)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The next place, a multiple of 8, where a kset's magic stands; -1: none.</summary>
    private readonly int NextMagic(int segment, int from)
    {
        ReadOnlySpan<byte> area = _image.Slice((int)Place(segment, 0), _result.AreaBytes);
        ReadOnlySpan<byte> magic = [0x1A, 0x4F, 0x16, 0x4E, 0xA6, 0x94, 0x68, 0x67];
        for (int at = from + 8; at < area.Length;)
        {
            int hit = area[at..].IndexOf(magic);
            if (hit < 0)
            {
                return -1;
            }

            at += hit;
            if (at % 8 == 0)
            {
                return at - 8 <= area.Length - HeadBytes ? at - 8 : -1;
            }

            at++;
        }

        return -1;
    }

    /// <summary>How many numbers <paramref name="to"/> is later, going round and skipping 0.</summary>
    private static uint Later(uint from, uint to) => to >= from ? to - from : to - from - 1;

    /// <summary>Whether the kset that ends just at a position has a number; null: there is none.</summary>
    private readonly bool? NumberBefore((int Segment, int Offset) end)
    {
        bool? numbered = null;
        int at = 0;
        while (at < end.Offset)
        {
            if (Look(end.Segment, at, out ModelKset kset) != ModelEnd.None || kset.IsLink)
            {
                return null;
            }

            numbered = kset.Number != 0;
            at += kset.Bytes;
        }

        return at == end.Offset ? numbered : null;
    }

    private readonly bool HasLiveKey(in ModelKset kset)
    {
        for (int i = 0; i < kset.Keys; i++)
        {
            ModelKey key = KeyAt(kset.At + HeadBytes + (i * KeyBytes));
            if (Judge(in key, BackingEnd) is null && key.Generation == _result.Generations[(int)key.Segment])
            {
                return true;
            }
        }

        return false;
    }
}
