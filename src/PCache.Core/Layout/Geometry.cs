using PCache.Core.Primitives;

namespace PCache.Core.Layout;

/// <summary>Sizes of one cache device, from its superblock; all byte arithmetic in 64 bits.</summary>
internal sealed class Geometry(int segmentSize, int segmentCount, bool isLinux)
{
    /// <summary>Segment size in bytes, control area included.</summary>
    public int SegmentSize { get; } = segmentSize;

    /// <summary>Bytes of a segment that hold payload or ksets.</summary>
    public int DataSize { get; } = segmentSize - MediaConstants.SegmentDataOffset;

    /// <summary>Number of segments on the device (the superblock's count; the chain may use fewer).</summary>
    public int SegmentCount { get; } = segmentCount;

    /// <summary>Whether this is Linux's geometry; else the compact one.</summary>
    public bool IsLinux { get; } = isLinux;

    /// <summary>Device offset of a physical segment.</summary>
    public long SegmentOffset(int physicalId)
    {
        Invariant.Holds((uint)physicalId < (uint)SegmentCount, $"segment {physicalId} of {SegmentCount}");
        return MediaConstants.SegmentsOffset + ((long)physicalId * SegmentSize);
    }

    /// <summary>Device offset of a physical segment's data area.</summary>
    public long DataOffset(int physicalId) => SegmentOffset(physicalId) + MediaConstants.SegmentDataOffset;

    /// <summary>Segments that fit on a device.</summary>
    public static int SegmentsThatFit(long deviceLength, int segmentSize) =>
        (int)Math.Clamp(
            (deviceLength - MediaConstants.SegmentsOffset) / segmentSize, 0, MediaConstants.MaxSegmentCount);
}
