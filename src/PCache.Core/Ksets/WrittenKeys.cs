using System.Diagnostics;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Ksets;

/// <summary>
/// The other side of <see cref="KeyValidator"/>: what that refuses when it is read never gets into the log.
/// </summary>
internal static class WrittenKeys
{
    /// <summary>Before a kset of these keys is stored.</summary>
    [Conditional("CHECKED")]
    public static void Check(ReadOnlySpan<CacheKey> keys, SegmentTable segments)
    {
        Invariant.Holds(keys.Length is > 0 and <= MediaConstants.MaxKeysPerKset, $"a kset of {keys.Length} keys");
        foreach (ref readonly CacheKey key in keys)
        {
            Invariant.Holds((key.Flags & CacheKey.EmptyFlag) == 0, "no key is empty");
            Invariant.Holds(
                key.Length is > 0 and <= MediaConstants.StripeSize
                    && key.Length % MediaConstants.SectorSize == 0, $"a key of {key.Length} bytes");
            Invariant.Holds(
                key.Offset % MediaConstants.SectorSize == 0
                    && key.Offset <= long.MaxValue - MediaConstants.StripeSize, $"a key at {key.Offset}");
            Invariant.Holds(key.Offset / MediaConstants.StripeSize == (key.End - 1) / MediaConstants.StripeSize,
                "a key lies in one stripe");
            Invariant.Holds(key.Segment < (uint)segments.Count, $"a key of segment {key.Segment}");
            Invariant.Holds(key.Generation <= segments.Generation((int)key.Segment),
                "a key's generation is no later than its segment's");
            Invariant.Holds(
                key.SegmentOffset % MediaConstants.SectorSize == 0
                    && key.SegmentOffset + (long)key.Length <= segments.DataSize, "payload lies in the data area");
        }
    }
}
