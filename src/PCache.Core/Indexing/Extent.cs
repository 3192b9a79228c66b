using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>What an extent of the index stands for.</summary>
[Flags]
internal enum ExtentFlags : byte
{
    /// <summary>Dirty (or written back) payload.</summary>
    None = 0,

    /// <summary>Clean payload: came from a read miss.</summary>
    Clean = 1,

    /// <summary>A read miss in flight; <see cref="Extent.Generation"/> is the id of the miss.</summary>
    Placeholder = 2,

    /// <summary>Nothing is there; only lookups yield it.</summary>
    Gap = 4,

    /// <summary>The payload is shared by many keys (zeros): it doesn't tell one key from another.</summary>
    Shared = 8,
}

/// <summary>
/// One extent of a 4 MiB stripe of the backing: where its payload lies, and what it was logged as (so that a trimmed
/// extent can still be verified). Unit of all positions here: sectors of 512 bytes.
/// </summary>
/// <remarks>
/// Of the 64 bits of a segment's generation the index keeps the low 31, the tag; live means that the segment's
/// present generation has the same tag. That is enough: a dead extent could pass for a live one only when its segment
/// had been reclaimed exactly a multiple of 2^31 times since. But each reclaim sweeps a share of all stripes for dead
/// extents, so that each stripe is swept while as many segments are reclaimed as there are, at most 2^20
/// (GarbageCollector.Sweep): no dead extent lives longer than about one full turn of the cache. And nothing keeps an
/// extent outside the index longer than one operation takes, in which a segment would have to be filled, written back
/// and reclaimed two billion times.
/// </remarks>
internal struct Extent
{
    /// <summary>
    /// The bits of a segment's generation that an extent of payload keeps: compare with
    /// <c>generation &amp; GenerationMask</c>.
    /// </summary>
    public const ulong GenerationMask = (1UL << 31) - 1;

    /// <summary>Segments that the index can tell apart; the format allows no more.</summary>
    public const int MaxSegments = 1 << 20;

    /// <summary>First sector in the stripe, 0..8191.</summary>
    public ushort Start;

    /// <summary>Length in sectors, 1..8192.</summary>
    public ushort Length;

    /// <summary>First sector of the logged key in the stripe; at most <see cref="Start"/>.</summary>
    public ushort KeyStart;

    /// <summary>Length of the logged key in sectors.</summary>
    public ushort KeyLength;

    /// <summary>Cache segment id of the payload, below <see cref="MaxSegments"/>.</summary>
    public uint Segment;

    /// <summary>First payload sector of this (possibly trimmed) extent in the data area, below 2^15.</summary>
    public ushort PayloadSector;

    /// <summary>Kind.</summary>
    public ExtentFlags Flags;

    /// <summary>CRC-32C of the whole payload of the logged key.</summary>
    public uint PayloadCrc;

    /// <summary>
    /// Tag of the segment's generation when the payload was stored; of a placeholder, all 64 bits of its id.
    /// </summary>
    public ulong Generation;

    public readonly int End => Start + Length;

    public readonly bool IsGap => (Flags & ExtentFlags.Gap) != 0;

    public readonly bool IsPlaceholder => (Flags & ExtentFlags.Placeholder) != 0;

    public readonly bool IsClean => (Flags & ExtentFlags.Clean) != 0;

    /// <summary>The part of this extent inside [start, end), which must overlap it.</summary>
    public readonly Extent Clip(int start, int end)
    {
        int from = Math.Max(start, Start);
        int to = Math.Min(end, End);
        Invariant.Holds(from < to, $"[{start}, {end}) overlaps [{Start}, {End})");
        Extent part = this;
        part.PayloadSector = (ushort)(PayloadSector + (from - Start));
        part.Start = (ushort)from;
        part.Length = (ushort)(to - from);
        return part;
    }
}
