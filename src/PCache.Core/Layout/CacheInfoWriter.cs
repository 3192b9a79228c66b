using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// Changes of the cache's settings. Keeps true: durable on return; the latest valid replica is never overwritten.
/// </summary>
internal static class CacheInfoWriter
{
    /// <summary>Sets the GC threshold, 0 to 90 percent.</summary>
    public static void SetGcPercent(PmemRegion region, MediaState media, int percent)
    {
        CacheInfo info = media.CacheInfo;
        info.Flags = media.Flags.WithGcPercent(percent).Value;
        ReplicaState replicas = media.CacheInfoReplicas;
        Replicas.Write(region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, ref info, ref replicas);
        media.CacheInfo = info;
        media.CacheInfoReplicas = replicas;
    }
}
