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
/// One extent of a 4 MiB stripe of the backing: where its payload lies, and what it was logged as (so that a trimmed extent can still be verified).
/// Unit of all positions here: sectors of 512 bytes.
/// </summary>
internal struct Extent
{
    /// <summary>First sector in the stripe, 0..8191.</summary>
    public ushort Start;

    /// <summary>Length in sectors, 1..8192.</summary>
    public ushort Length;

    /// <summary>First sector of the logged key in the stripe; at most <see cref="Start"/>.</summary>
    public ushort KeyStart;

    /// <summary>Length of the logged key in sectors.</summary>
    public ushort KeyLength;

    /// <summary>Cache segment id of the payload.</summary>
    public uint Segment;

    /// <summary>First payload sector of this (possibly trimmed) extent in the data area.</summary>
    public ushort PayloadSector;

    /// <summary>Kind.</summary>
    public ExtentFlags Flags;

    /// <summary>CRC-32C of the whole payload of the logged key.</summary>
    public uint PayloadCrc;

    /// <summary>Generation of the segment when the payload was stored.</summary>
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
        Extent part = this;
        part.PayloadSector = (ushort)(PayloadSector + (from - Start));
        part.Start = (ushort)from;
        part.Length = (ushort)(to - from);
        return part;
    }
}
