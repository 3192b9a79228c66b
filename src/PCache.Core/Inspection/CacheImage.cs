using System.Globalization;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Core.Inspection;

/// <summary>
/// Looks at a cache image without opening it as a device. Changes nothing: a read-only region is enough. Thread-safe
/// as long as no writer changes the region meanwhile. Time and memory are bounded by the region's length, whatever it
/// holds.
/// </summary>
public static class CacheImage
{
    /// <summary>Reads geometry, settings, positions and what is dirty. Payload isn't read.</summary>
    /// <param name="region">The cache device.</param>
    /// <exception cref="ArgumentNullException"><paramref name="region"/> is null.</exception>
    /// <exception cref="PCacheNotFormattedException">There is no (complete) cache on the region.</exception>
    /// <exception cref="PCacheCorruptionException">The image is too damaged for any status. Lesser damage is among
    /// the findings.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    public static CacheImageStatus ReadStatus(PmemRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        FindingList findings = new(FindingList.DefaultMost);
        MediaState media = Load(region, findings);
        DirtySink dirty = new();
        ReplayResult replay = LogReplay.Run(region, media, dirty, null, findings);
        CacheFlags flags = media.Flags;
        int used = replay.Use.UsedCount;
        ExtensionBlock? extension = media.Extension;
        return new CacheImageStatus
        {
            IsLinuxGeometry = media.Geometry.IsLinux,
            SegmentSizeBytes = media.Geometry.SegmentSize,
            SegmentCount = media.Geometry.SegmentCount,
            ChainLength = media.ChainLength,
            SegmentsUsed = used,
            GcThresholdPercent = flags.GcPercent,
            PayloadCrc = flags.PayloadCrc,
            Mode = flags.Mode switch
            {
                0 => "writeback",
                1 => "writethrough",
                2 => "writearound",
                3 => "writeonly",
                _ => "unknown",
            },
            KeyHead = replay.KeyHead,
            KeyTail = media.KeyTail,
            DirtyTail = media.DirtyTail,
            DirtyBytes = dirty.Ranges.CountBytes(),
            DirtyKeys = replay.DirtyKeys,
            DmStatus = string.Create(
                CultureInfo.InvariantCulture,
                $"{media.SuperblockFlags} {media.Geometry.SegmentCount} {media.ChainLength} {used} {flags.GcPercent} "
                + $"{flags.Value:x} {replay.KeyHead} {media.DirtyTail} {media.KeyTail}"),
            CacheId = extension?.CacheId.ToGuid() ?? Guid.Empty,
            Label = extension is ExtensionBlock labelled ? ExtensionBlocks.GetLabel(in labelled) : string.Empty,
            BackingLength =
                extension is ExtensionBlock bound && bound.BackingLength != 0 ? (long)bound.BackingLength : null,
            BackingIdentity = extension?.BackingIdentity.ToGuid() ?? Guid.Empty,
            BackingFingerprint = FingerprintTime(media, replay.KeyHead),
            LogEnd = replay.End,
            Ksets = replay.Ksets,
            LiveKeys = replay.LiveKeys,
            DeadKeys = replay.DeadKeys,
            LostKeys = replay.LostKeys,
            LastSequence = replay.LastSequence,
            Findings = findings.ToList(),
            IsSound = findings.IsSound,
        };
    }

    /// <summary>
    /// Verifies every structure, the chain, every kset and key, and the payload where checksums are on. No content of
    /// the medium throws.
    /// </summary>
    /// <param name="region">The cache device.</param>
    /// <param name="options">What to check beyond the image itself; null: nothing.</param>
    /// <exception cref="ArgumentNullException"><paramref name="region"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static CheckReport Check(PmemRegion region, CheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(region);
        options ??= new CheckOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxFindings, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.BackingLengthBytes ?? 0, nameof(options));
        return ImageChecker.Run(region, options);
    }

    /// <summary>Reads the log, kset by kset, as far as it can be followed.</summary>
    /// <param name="region">The cache device; must stay open while the ksets are enumerated.</param>
    /// <param name="withKeys">Whether the keys are wanted too.</param>
    /// <exception cref="ArgumentNullException"><paramref name="region"/> is null.</exception>
    /// <exception cref="PCacheNotFormattedException">There is no (complete) cache on the region.</exception>
    /// <exception cref="PCacheCorruptionException">The image is too damaged to find the log. Lesser damage is among
    /// the findings.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    public static LogDump ReadLog(PmemRegion region, bool withKeys)
    {
        ArgumentNullException.ThrowIfNull(region);
        FindingList findings = new(FindingList.DefaultMost);
        MediaState media = Load(region, findings);
        ReplayResult replay = LogReplay.Run(region, media, new DirtySink(), null, findings);
        return new LogDump
        {
            KeyHead = replay.KeyHead,
            Ksets = LogIterator.Enumerate(region, media, replay.Ksets, withKeys),
            Findings = findings.ToList(),
            IsSound = findings.IsSound,
        };
    }

    private static DateTimeOffset? FingerprintTime(MediaState media, LogPosition keyHead) =>
        media.Extension is ExtensionBlock block
        && ExtensionBlocks.TryGetFingerprint(
            in block, media.ExtensionReplicas, ExtensionBlocks.StateOf(keyHead, media.DirtyTail, media.Generations),
            out FingerprintRecord record)
            ? ExtensionBlocks.TakenAt(in record)
            : null;

    private static MediaState Load(PmemRegion region, FindingList findings)
    {
        // What can't be loaded even with allowances throws the first violation, by name.
        return MediaLoader.Load(region, findings) ?? MediaLoader.Load(region);
    }

    private sealed class DirtySink : IReplaySink
    {
        public ByteRanges Ranges { get; } = new();

        public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
        {
        }

        public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
        {
            if (atOrAfterDirtyTail && state == KeyState.Live && !key.IsClean)
            {
                Ranges.Add(key.Offset, key.End);
            }
        }
    }
}
