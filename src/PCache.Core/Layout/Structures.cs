using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Core.Primitives;

namespace PCache.Core.Layout;

// Every on-media structure, little-endian, naturally aligned, byte for byte as in docs/on-media-format.md. A test compares each size and offset with that page.
// They are copied from and to the medium as a whole; nobody keeps a reference into the mapping.

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

    public readonly bool IsLast => (FlagsAndSequence & LastFlag) != 0;

    public readonly bool HasBarrierFlag => (FlagsAndSequence & BarrierFlag) != 0;

    /// <summary>Our sequence number; 0: none (written by Linux).</summary>
    public readonly uint Sequence => (uint)(FlagsAndSequence >> 32);

    /// <summary>Whether a flush barrier stands before this kset: without numbers every kset boundary counts as one.</summary>
    public readonly bool IsBarrier => (Sequence == 0 && !RuleSwitch.IsBroken(BrokenRule.UnnumberedBoundaryIgnored)) || HasBarrierFlag;

    public static ulong MakeFlags(bool last, bool barrier, uint sequence) =>
        (last ? LastFlag : 0) | (barrier ? BarrierFlag : 0) | ((ulong)sequence << 32);
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
    public Bytes128 Reserved;
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

/// <summary>128 bytes, zero in version 1.</summary>
[InlineArray(128)]
internal struct Bytes128
{
    private byte _first;
}
