using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PCache.Core.Layout;

// Every on-media structure, little-endian, naturally aligned, byte for byte as in docs/on-media-format.md. A test
// compares each size and offset with that page. They are copied from and to the medium as a whole; no code keeps a
// reference into the mapping.

/// <summary>The eight bytes that every two-replica structure starts with.</summary>
[StructLayout(LayoutKind.Sequential, Size = 8)]
internal struct ReplicaHeader
{
    public uint Crc;
    public byte Sequence;
    public byte Version;
    public ushort Reserved;
}

/// <summary>Superblock, one copy.</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
internal struct Superblock
{
    public uint Crc;
    public uint Flags;
    public ulong Magic;
    public uint SegmentCount;

    /// <summary>Segment size in bytes in the compact geometry; 0 in Linux's.</summary>
    public uint SegmentSize;
}

/// <summary>Cache info: the chain of segments and the cache's settings.</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
internal struct CacheInfo
{
    public ReplicaHeader Header;
    public uint FirstSegment;
    public uint SegmentCount;
    public uint Flags;
    public uint Reserved;
}

/// <summary>A position in the log (key tail, dirty tail).</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct PositionRecord
{
    public ReplicaHeader Header;
    public uint Segment;
    public uint Offset;
}

/// <summary>Segment info: links the chain.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct SegmentInfo
{
    public const uint HasNextFlag = 1;
    public const uint TypeCacheData = 1 << 1;

    public ReplicaHeader Header;
    public uint Flags;
    public uint Next;
}

/// <summary>A segment's generation.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct GenerationRecord
{
    public ReplicaHeader Header;
    public ulong Generation;
}

/// <summary>Header of a kset.</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
internal struct KsetHeader
{
    public uint Crc;

    /// <summary>Number of keys; in a last kset: the log's next cache segment id.</summary>
    public uint KeyCount;
    public ulong Magic;
    public ulong FlagsAndSequence;

    public const ulong LastFlag = 1;
    public const ulong BarrierFlag = 2;
    public const ulong ContinuesFlag = 4;
    public const ulong GoesOnFlag = 8;
    public const ulong LengthFlag = 16;

    /// <summary>Longest device whose length a kset can tell.</summary>
    public const long MaxDeviceLength = (1L << (32 + LengthBits)) - 1;

    private const int LengthShift = 5;
    private const int LengthBits = 27;

    public readonly bool IsLast => (FlagsAndSequence & LastFlag) != 0;

    public readonly bool HasBarrierFlag => (FlagsAndSequence & BarrierFlag) != 0;

    /// <summary>Our sequence number; 0: none (written by Linux).</summary>
    public readonly uint Sequence => (uint)(FlagsAndSequence >> 32);

    /// <summary>
    /// Whether a flush barrier stands before this kset: without numbers every kset boundary counts as one.
    /// </summary>
    public readonly bool IsBarrier => Sequence == 0 || HasBarrierFlag;

    /// <summary>
    /// Whether it belongs to the batch of the kset before it: stored before that batch's first, and of no account
    /// until the first stands. No group of write-back ends before it.
    /// </summary>
    public readonly bool ContinuesBatch => Sequence != 0 && (FlagsAndSequence & ContinuesFlag) != 0;

    /// <summary>Whether the next kset belongs to its batch: it was durable before this one.</summary>
    public readonly bool BatchGoesOn => Sequence != 0 && (FlagsAndSequence & GoesOnFlag) != 0;

    /// <summary>
    /// Whether it tells how long the device is once its keys count: in its flags, and in the first key's reserved
    /// field.
    /// </summary>
    public readonly bool HasLength => Sequence != 0 && !IsLast && (FlagsAndSequence & LengthFlag) != 0;

    /// <summary>That length in bytes.</summary>
    public readonly long DeviceLength(in CacheKey first) =>
        (long)((FlagsAndSequence >> LengthShift) & ((1UL << LengthBits) - 1)) << 32 | first.Reserved;

    /// <summary>The flags of a kset that tells a length; its low half belongs into the first key.</summary>
    public static ulong LengthFlags(long length) => LengthFlag | ((ulong)length >> 32 << LengthShift);

    public static ulong MakeFlags(bool last, bool barrier, uint sequence) =>
        (last ? LastFlag : 0) | (barrier ? BarrierFlag : 0) | ((ulong)sequence << 32);

    /// <summary>The flags of a kset's place in its batch.</summary>
    public static ulong BatchFlags(bool continues, bool goesOn) =>
        (continues ? ContinuesFlag : 0) | (goesOn ? GoesOnFlag : 0);
}

/// <summary>A key: an extent of the backing and where its payload lies.</summary>
[StructLayout(LayoutKind.Sequential, Size = 40)]
internal struct CacheKey
{
    public const uint EmptyFlag = 1;
    public const uint CleanFlag = 2;

    public ulong Offset;
    public uint Length;
    public uint Flags;
    public uint Segment;
    public uint SegmentOffset;
    public ulong Generation;
    public uint PayloadCrc;
    public uint Reserved;

    public readonly bool IsClean => (Flags & CleanFlag) != 0;

    public readonly ulong End => Offset + Length;
}

/// <summary>The extension block of this library.</summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct ExtensionBlock
{
    public ReplicaHeader Header;
    public ulong Magic;
    public uint FormatVersion;
    public uint Flags;
    public Bytes16 CacheId;
    public ulong BackingLength;
    public Bytes16 BackingIdentity;
    public Bytes64 Label;

    /// <summary>All zeros in version 1.</summary>
    public FingerprintRecord Fingerprint;
}

/// <summary>What some blocks of the backing held at the last orderly close; part of the extension block.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal struct FingerprintRecord
{
    /// <summary>0: none.</summary>
    public byte Kind;

    /// <summary>
    /// The replica's sequence: software that rewrites the block without knowing this record leaves another one there.
    /// </summary>
    public byte Sequence;

    /// <summary>Block size as a power of two.</summary>
    public byte BlockShift;

    /// <summary>How many of <see cref="Recent"/> are used.</summary>
    public byte RecentCount;

    /// <summary>
    /// Checksum of the log's positions and all generations: what the cache was when the record was made.
    /// </summary>
    public uint State;

    /// <summary>Length of the backing in bytes.</summary>
    public ulong BackingLength;

    /// <summary>When it was made: milliseconds since 1970, UTC. The seed of the samples too.</summary>
    public ulong Taken;

    /// <summary>Blocks that were written back last: number in the upper 48 bits, checksum in the lower 16.</summary>
    public Words8 Recent;

    /// <summary>Checksums of the sampled blocks: the i-th belongs to group i modulo 16.</summary>
    public Halves16 Groups;

    /// <summary>How many blocks were sampled.</summary>
    public ushort SampleCount;

    public ushort Reserved;

    /// <summary>Checksum over the full checksums of all groups and recent blocks.</summary>
    public uint Crc;
}

/// <summary>16 bytes: a UUID in RFC 9562 byte order.</summary>
[InlineArray(16)]
internal struct Bytes16
{
    private byte _first;

    public readonly Guid ToGuid() => new(this, bigEndian: true);

    public static Bytes16 FromGuid(Guid value)
    {
        Bytes16 bytes = default;
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        return bytes;
    }
}

/// <summary>64 bytes: a zero-padded UTF-8 label.</summary>
[InlineArray(64)]
internal struct Bytes64
{
    private byte _first;
}

/// <summary>Eight words of 64 bits.</summary>
[InlineArray(8)]
internal struct Words8
{
    private ulong _first;
}

/// <summary>Sixteen words of 16 bits.</summary>
[InlineArray(16)]
internal struct Halves16
{
    private ushort _first;
}
