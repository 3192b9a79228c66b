using System.Diagnostics;
using System.Runtime.CompilerServices;
using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>
/// What a <see cref="Slot"/> stands for. The lowest bit of a payload's is set: positions move along its sectors.
/// </summary>
internal enum SlotKind
{
    /// <summary>Nothing.</summary>
    Empty = 0,

    /// <summary>Payload of a logged key.</summary>
    Payload = 1,

    /// <summary>A read miss in flight.</summary>
    Placeholder = 2,

    /// <summary>A page whose sectors have slots of their own.</summary>
    Fragmented = 3,
}

/// <summary>
/// 16 bytes for a page of 8 sectors, or for one sector of a fragmented page: an extent without its place.
/// </summary>
/// <remarks>
/// Payload, from the lowest bit: <c>Low</c>: checksum 32, generation tag 31, shared 1. <c>High</c>: kind 2, clean 1,
/// segment 20, key length less one 13, payload sector 15, distance from the key's first sector 13. A placeholder has
/// its id in <c>Low</c>; a fragmented page the place of its sectors' slots, and the mask of its occupied sectors in
/// bits 8..15 of <c>High</c>. Keeps true: slots of one extent that follow each other differ by payload sector and
/// distance only, so <see cref="Advance"/> says what the next one must be. Neither field runs over into another one
/// there: payload lies in the data area of a segment, which ends before sector 32760, and a key in its stripe.
/// </remarks>
[DebuggerDisplay("{Kind} {Low} {High}")]
internal struct Slot : IEquatable<Slot>
{
    /// <summary>Sectors of a page.</summary>
    public const int PageSectors = 8;

    private const int SegmentBits = 20;
    private const int SegmentShift = 3;
    private const int LengthShift = SegmentShift + SegmentBits;
    private const int PayloadShift = LengthShift + 13;
    private const int DistanceShift = PayloadShift + 15;
    private const ulong CleanBit = 1UL << 2;
    private const ulong SharedBit = 1UL << 63;
    private const ulong SegmentMask = (1UL << SegmentBits) - 1;
    private const ulong LengthMask = (1UL << 13) - 1;
    private const ulong PayloadMask = (1UL << 15) - 1;
    private const ulong OneSector = (1UL << PayloadShift) + (1UL << DistanceShift);
    private const int SectorMaskShift = 8;

    public ulong Low;
    public ulong High;

    public readonly SlotKind Kind
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (SlotKind)(High & 3);
    }

    /// <summary>Of a fragmented page: which of its sectors have a slot.</summary>
    public readonly uint SectorMask
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (byte)(High >> SectorMaskShift);
    }

    /// <summary>
    /// The slot of the first page or sector of an extent. What doesn't fit its field is cut off, and never reaches
    /// another one.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Slot Pack(in Extent extent)
    {
        if ((extent.Flags & ExtentFlags.Placeholder) != 0)
        {
            return new Slot { Low = extent.Generation, High = (ulong)SlotKind.Placeholder };
        }

        Invariant.Holds(extent.Segment < Extent.MaxSegments && extent.PayloadSector <= PayloadMask,
            "an extent's payload fits its slot");
        Invariant.Holds(
            extent.KeyStart <= extent.Start
                && extent.Start + extent.Length <= extent.KeyStart + extent.KeyLength, "an extent is part of its key");
        ulong clean = (ulong)(extent.Flags & ExtentFlags.Clean) << 2;
        ulong shared = (ulong)(extent.Flags & ExtentFlags.Shared) << 60;
        return new Slot
        {
            Low = extent.PayloadCrc | ((extent.Generation & Extent.GenerationMask) << 32) | shared,
            High = (ulong)SlotKind.Payload | clean
                | ((extent.Segment & SegmentMask) << SegmentShift)
                | (((ulong)(extent.KeyLength - 1) & LengthMask) << LengthShift)
                | ((extent.PayloadSector & PayloadMask) << PayloadShift)
                | ((ulong)(extent.Start - extent.KeyStart) << DistanceShift),
        };
    }

    /// <summary>The slot of dirty payload of one whole page, or of one sector, that was logged as such.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Slot PackWhole(int sectors, uint crc, ulong generation, uint segment, uint payloadSector)
    {
        Invariant.Holds(sectors is 1 or PageSectors, $"{sectors} sectors are no page and no sector");
        Invariant.Holds(segment < Extent.MaxSegments && payloadSector <= PayloadMask, "a page's payload fits its slot");
        return new Slot
        {
            Low = crc | ((generation & Extent.GenerationMask) << 32),
            High = (ulong)SlotKind.Payload
                | ((segment & SegmentMask) << SegmentShift)
                | ((ulong)(uint)(sectors - 1) << LengthShift)
                | ((payloadSector & PayloadMask) << PayloadShift),
        };
    }

    /// <summary>The slot of a page whose sectors have slots of their own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Slot Fragmented(nint sectors, uint mask) =>
        new() { Low = (ulong)sectors, High = (ulong)SlotKind.Fragmented | ((ulong)mask << SectorMaskShift) };

    /// <summary>The extent of a page's or a sector's slot; one of a fragmented page or an empty one has none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Extent Unpack(int start, int length)
    {
        if (Kind != SlotKind.Payload)
        {
            return new Extent
            {
                Start = (ushort)start,
                Length = (ushort)length,
                KeyStart = (ushort)start,
                KeyLength = (ushort)length,
                Flags = ExtentFlags.Placeholder,
                Generation = Low,
            };
        }

        return new Extent
        {
            Start = (ushort)start,
            Length = (ushort)length,
            KeyStart = (ushort)(start - (int)(High >> DistanceShift)),
            KeyLength = (ushort)((int)((High >> LengthShift) & LengthMask) + 1),
            Segment = (uint)((High >> SegmentShift) & SegmentMask),
            PayloadSector = (ushort)((High >> PayloadShift) & PayloadMask),
            Flags = (ExtentFlags)(((High & CleanBit) >> 2) | ((Low & SharedBit) >> 60)),
            PayloadCrc = (uint)Low,
            Generation = (Low >> 32) & Extent.GenerationMask,
        };
    }

    /// <summary>Whether two slots of payload differ in nothing but, perhaps, that one of them is clean.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool IsSameButClean(Slot other) => ((Low ^ other.Low) | ((High ^ other.High) & ~CleanBit)) == 0;

    /// <summary>The backing has this payload.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MakeClean()
    {
        Invariant.Holds(Kind == SlotKind.Payload, "only payload is clean");
        High |= CleanBit;
    }

    /// <summary>What the slot of the same extent is some sectors further on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Slot Advance(int sectors) =>
        new() { Low = Low, High = High + ((ulong)sectors * OneSector * (High & 1)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Equals(Slot other) => ((Low ^ other.Low) | (High ^ other.High)) == 0;

    public override readonly bool Equals(object? obj) => obj is Slot other && Equals(other);

    public override readonly int GetHashCode() => HashCode.Combine(Low, High);
}
