using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// Writes replicas anew that nothing else would write: the cache info's second one, and the linking one of a
/// segment's info. Keeps true: the latest valid replica is never overwritten, and what is written says the same;
/// durable on return. Without it one more destroyed replica makes Linux take the cache for a new one, or refuse the
/// chain.
/// </summary>
internal static class ReplicaRepair
{
    /// <summary>Repairs what the load has found; nothing where all is there.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public static void Run(PmemRegion region, MediaState media)
    {
        if (media.CacheInfoInOneReplica)
        {
            CacheInfo info = media.CacheInfo;
            ReplicaState replicas = media.CacheInfoReplicas;
            Replicas.Write(
                region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, ref info, ref replicas);
            media.CacheInfoReplicas = replicas;
            media.CacheInfoInOneReplica = false;
        }

        foreach (int position in media.UnlinkedSegments)
        {
            // What is left is the first write of formatting: replica 1, sequence 1.
            ReplicaState replicas = new() { Latest = 1, Sequence = 1 };
            SegmentInfo linked = new()
            {
                Flags = SegmentInfo.TypeCacheData | SegmentInfo.HasNextFlag,
                Next = (uint)media.Chain[position + 1],
            };
            Replicas.Write(
                region, media.Geometry.SegmentOffset(media.Chain[position]), MediaConstants.SegmentInfoStride,
                ref linked, ref replicas);
        }

        media.UnlinkedSegments = [];
    }
}
