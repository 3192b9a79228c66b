using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Segments;
using PCache.Core.Store;

namespace PCache.Core.Engine;

/// <summary>
/// How large a batch may be that is written as a whole. Keeps true: a batch within the limits finds room once
/// everything else is written back and collected: payload in the segments that aren't the log's, keys in the log's
/// reserve alone.
/// </summary>
internal readonly record struct AtomicLimits(long Bytes, int Ranges)
{
    /// <summary>What a batch is a part of: the payload that the cache can hold.</summary>
    private const int PartOfCache = 4;

    private const int MostHeads = 64;

    /// <summary>The limits of a cache.</summary>
    public static AtomicLimits Of(SegmentTable segments, LogRoom room)
    {
        long payloadSegments = segments.Count - 1 - segments.ReserveTarget;
        long keys = (((long)segments.ReserveTarget * room.SegmentBytes) - LogRoom.AnewBytes)
            / LogRoom.WorstCaseKeyBytes;
        if (payloadSegments < 2 || keys <= 2 * MostHeads)
        {
            return default;
        }

        // Each range is a key, and one more where its payload goes on in another segment: at a segment's end, or
        // where an open one has room left.
        long quarter = payloadSegments * segments.DataSize / PartOfCache;
        long forKeys = (keys - MostHeads) / 2 * Math.Min(segments.DataSize, AtomicContent.MaxRangeBytes);
        long bytes = Math.Min(quarter, forKeys) & -(long)MediaConstants.SectorSize;
        long splits = (bytes / segments.DataSize) + MostHeads;
        return new AtomicLimits(bytes, (int)Math.Min(int.MaxValue, keys - splits));
    }

    /// <summary>Refuses a batch of more bytes.</summary>
    public void CheckBytes(long bytes)
    {
        if (bytes > Bytes)
        {
            throw new ArgumentException($"The batch has {bytes} bytes in its sectors, and this cache takes no more "
                + $"than {Bytes} as a whole (a quarter of its payload; see PCacheStatus.AtomicBatchBytes).");
        }
    }

    /// <summary>Refuses a batch of more separate ranges.</summary>
    public void CheckRanges(int ranges)
    {
        if (ranges > Ranges)
        {
            throw new ArgumentException($"The batch has {ranges} separate ranges, and this cache takes no more than "
                + $"{Ranges} as a whole (see PCacheStatus.AtomicBatchRanges).");
        }
    }
}
