using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Core.Inspection;

/// <summary>
/// Finds the segment size of an image whose superblock is destroyed. Keeps true: each candidate is judged by at most
/// a set number of segments, so the work is bounded; without any evidence the answer is 0, not a guess.
/// </summary>
internal static class RescueGeometry
{
    private const int MaxProbed = 4096;
    private const int LinkWeight = 4;
    private const int HeadWeight = 2;
    private const int CountWeight = 8;

    public static bool IsSegmentSize(uint size) =>
        size is >= MediaConstants.MinSegmentSize and <= MediaConstants.LinuxSegmentSize && (size & (size - 1)) == 0;

    /// <summary>The segment size for which most structures stand where they belong; 0: none stands anywhere.</summary>
    /// <param name="region">The cache device.</param>
    /// <param name="statedCount">Segments in the chain as the cache info says; 0: not known.</param>
    public static int Infer(PmemRegion region, uint statedCount)
    {
        int best = 0;
        long bestScore = 0;

        // Half the right size finds the same infos in every second place, but not the links: the larger of equals is
        // right.
        for (int size = MediaConstants.LinuxSegmentSize; size >= MediaConstants.MinSegmentSize; size /= 2)
        {
            int fits = Geometry.SegmentsThatFit(region.LengthBytes, size);
            long score = Score(region, new Geometry(size, fits, isLinux: false));
            if (score > 0 && statedCount == fits)
            {
                score += CountWeight;
            }

            if (score > bestScore)
            {
                (best, bestScore) = (size, score);
            }
        }

        return best;
    }

    private static long Score(PmemRegion region, Geometry geometry)
    {
        long score = 0;
        Span<byte> head = stackalloc byte[MediaConstants.KsetHeaderSize];
        int probed = Math.Min(geometry.SegmentCount, MaxProbed);
        for (int id = 0; id < probed; id++)
        {
            long offset = geometry.SegmentOffset(id);
            if (Replicas.Read(region, offset, MediaConstants.SegmentInfoStride, out SegmentInfo info, out _,
                out _) is ReplicaOutcome.Both or ReplicaOutcome.One)
            {
                score += (info.Flags & SegmentInfo.HasNextFlag) != 0 && info.Next == (uint)id + 1 ? LinkWeight : 1;
            }

            if (Replicas.Read(
                region, offset + MediaConstants.SegmentControlOffset, MediaConstants.GenerationStride,
                out GenerationRecord _, out _, out _)
                is ReplicaOutcome.Both or ReplicaOutcome.One)
            {
                score++;
            }

            try
            {
                region.ReadMetadata(geometry.DataOffset(id), head);
                score += BitConverter.ToUInt64(head[8..]) == MediaConstants.KsetMagic ? HeadWeight : 0;
            }
            catch (IOException)
            {
                // No evidence either way.
            }
        }

        return score;
    }
}
