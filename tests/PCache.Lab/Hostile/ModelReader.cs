using System.Buffers.Binary;
using System.Numerics;

namespace PCache.Lab.Hostile;

/// <summary>
/// A reader of the format that was written from its page (docs/on-media-format.md) alone, to judge the engine by. Keeps
/// true: it shares no code and no constant with the engine; it follows the page's order of checks, so that even the
/// kind of a refusal can be compared; any bytes give a verdict, in time and memory bounded by their number.
/// </summary>
internal ref partial struct ModelReader
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
            long first = SegmentsAt + ((long)next * _result.SegmentBytes);
            long segment = Latest(first, 4 << 10, 16, out _);
            bool firstIsBad = U32(first) != Sum(_image.Slice((int)first + 4, 12))
                || !_image.Slice((int)first, 16).ContainsAnyExcept((byte)0);
            if (segment > first && firstIsBad && _image[(int)segment + 4] == 1 && (U32(segment + 8) & 1) == 0
                && ((U32(segment + 8) >> 1) & 15) == 1 && i + 1 < length)
            {
                next++; // what formatting wrote before it linked the segments
                continue;
            }

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

    private readonly bool ReadTails() =>
        ReadTail(16 << 10, out _result.KeyTail) && ReadTail((16 << 10) + 32, out _result.DirtyTail);

    private readonly bool ReadTail(long at, out (int Segment, int Offset) tail)
    {
        tail = default;
        long latest = Latest(at, 16, 16, out _);
        if (latest < 0 || U32(latest + 8) >= _result.Chain.Count || U32(latest + 12) > _result.AreaBytes - HeadBytes
            || U32(latest + 12) % 8 != 0)
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
        return _binding.Consent || (fits
            && (!identity.ContainsAnyExcept((byte)0) || new Guid(identity, bigEndian: true) == _binding.Identity))
            || Refuse(ModelVerdict.WrongBacking, "bound length or identity");
    }

    private readonly long Place(int segment, int offset) =>
        SegmentsAt + ((long)_result.Chain[segment] * _result.SegmentBytes) + AreaAt + offset;
}
