using PCache.Core.Indexing;
using PCache.Core.Layout;

namespace PCache.Core.Store;

/// <summary>
/// A key of the log as an extent of the index, and back. Keeps true: both name the same sectors and the same payload,
/// the extent with a tag of the generation only; an extent made of a key is whole.
/// </summary>
internal static class KeyExtents
{
    /// <summary>The stripe that a key lies in.</summary>
    public static long StripeOf(in CacheKey key) => (long)key.Offset >> ShardedIndex.StripeShift;

    /// <summary>The extent of a key.</summary>
    public static Extent ToExtent(in CacheKey key, ExtentFlags flags)
    {
        ushort start = (ushort)(((long)key.Offset & (MediaConstants.StripeSize - 1)) / MediaConstants.SectorSize);
        ushort length = (ushort)(key.Length / MediaConstants.SectorSize);
        return new Extent
        {
            Start = start,
            Length = length,
            KeyStart = start,
            KeyLength = length,
            Segment = key.Segment,
            PayloadSector = (ushort)(key.SegmentOffset / MediaConstants.SectorSize),
            Flags = flags,
            PayloadCrc = key.PayloadCrc,
            Generation = key.Generation & Extent.GenerationMask,
        };
    }

    /// <summary>
    /// The key of a whole extent. The extent has only a tag of the generation: the caller, who holds a reference to
    /// the segment, so that it can't be raised meanwhile, gives the whole of it.
    /// </summary>
    public static CacheKey ToKey(long stripe, in Extent extent, ulong generation) => new()
    {
        Offset = (ulong)((stripe << ShardedIndex.StripeShift) + ((long)extent.Start * MediaConstants.SectorSize)),
        Length = (uint)extent.Length * MediaConstants.SectorSize,
        Flags = extent.IsClean ? CacheKey.CleanFlag : 0,
        Segment = extent.Segment,
        SegmentOffset = (uint)extent.PayloadSector * MediaConstants.SectorSize,
        Generation = generation,
        PayloadCrc = extent.PayloadCrc,
    };
}
