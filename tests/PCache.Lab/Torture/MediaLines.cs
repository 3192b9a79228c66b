using PCache.Core;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Lab.Torture;

/// <summary>What a 64-byte line of a cache device belongs to.</summary>
internal enum LineKind
{
    /// <summary>A structure without another copy; or all copies of it.</summary>
    Only,

    /// <summary>One replica, while the other one is valid.</summary>
    OneReplica,

    /// <summary>A kset, or what is behind the last one.</summary>
    Log,

    /// <summary>Payload.</summary>
    Payload,
}

/// <summary>A line, and the key whose payload is in it.</summary>
internal sealed record MediaLine(long Offset, LineKind Kind, string Name, CacheKey Key = default, bool IsDirty = false);

/// <summary>
/// The lines of a sound image: each structure and replica, ksets, the first and the last line of each live key's
/// payload. Keeps true: nothing is changed; the list is that of the image at the call, so it doesn't outlive a write.
/// </summary>
internal static class MediaLines
{
    public const int LineBytes = 64;

    /// <summary>Finds them.</summary>
    public static List<MediaLine> Of(SimulatedPmem region)
    {
        using SimulatedPmem copy = region.AfterKill();
        MediaState media = MediaLoader.Load(copy);
        List<MediaLine> lines = [new(MediaConstants.SuperblockOffset, LineKind.Only, "superblock"),
            new(MediaConstants.ControlOffset, LineKind.Only, "both tails")];
        AddPair(MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, "extension block");
        AddPair(MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, "cache info");
        foreach (int physical in media.Chain)
        {
            long at = media.Geometry.SegmentOffset(physical);
            AddPair(at, MediaConstants.SegmentInfoStride, $"info of segment {physical}");
            lines.Add(new(at + MediaConstants.SegmentControlOffset, LineKind.Only,
                $"generation of segment {physical}"));
        }

        var sink = new Sink(media, lines);
        ReplayResult replay = LogReplay.Run(copy, media, sink, null);
        lines.Add(new(Line(media.DeviceOffset(replay.KeyHead)), LineKind.Log, "log's end"));
        return [.. lines.DistinctBy(line => line.Offset)];

        void AddPair(long offset, int stride, string name)
        {
            bool both = IsWritten(copy, offset) && IsWritten(copy, offset + stride);
            lines.Add(new(offset, both ? LineKind.OneReplica : LineKind.Only, $"{name}, replica 0"));
            lines.Add(new(offset + stride, both ? LineKind.OneReplica : LineKind.Only, $"{name}, replica 1"));
        }
    }

    private static bool IsWritten(PmemRegion region, long offset) =>
        region.ReadSpan(offset, 16).ContainsAnyExcept((byte)0);

    private static long Line(long offset) => offset / LineBytes * LineBytes;

    private sealed class Sink(MediaState media, List<MediaLine> lines) : IReplaySink
    {
        public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail) =>
            lines.Add(new(Line(media.DeviceOffset(position)), LineKind.Log, $"kset at {position}"));

        public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
        {
            if ((key.Flags & CacheKey.EmptyFlag) != 0 || state != KeyState.Live)
            {
                return;
            }

            long from = media.DeviceOffset(new LogPosition((int)key.Segment, (int)key.SegmentOffset));
            bool dirty = atOrAfterDirtyTail && !key.IsClean;
            string name = $"{(dirty ? "dirty" : "clean")} payload of {key.Offset}+{key.Length}";
            lines.Add(new(Line(from), LineKind.Payload, name, key, dirty));
            lines.Add(new(Line(from + key.Length - 1), LineKind.Payload, name, key, dirty));
        }
    }
}
