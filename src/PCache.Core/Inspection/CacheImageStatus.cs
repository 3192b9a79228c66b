namespace PCache.Core.Inspection;

/// <summary>What a cache image says about itself, read without changing it. Immutable.</summary>
public sealed record CacheImageStatus
{
    /// <summary>
    /// Whether it has the Linux geometry (segments of 16 MiB, images move to and from Linux); else compact.
    /// </summary>
    public required bool IsLinuxGeometry { get; init; }

    /// <summary>Segment size in bytes.</summary>
    public required int SegmentSizeBytes { get; init; }

    /// <summary>Number of segments on the device, as the superblock says.</summary>
    public required int SegmentCount { get; init; }

    /// <summary>Number of segments in the chain: those that the cache uses.</summary>
    public required int ChainLength { get; init; }

    /// <summary>Segments that hold log or live payload.</summary>
    public required int SegmentsUsed { get; init; }

    /// <summary>Garbage collection threshold in percent.</summary>
    public required int GcThresholdPercent { get; init; }

    /// <summary>Whether payload checksums are on.</summary>
    public required bool PayloadCrc { get; init; }

    /// <summary>"writeback"; anything else comes with a finding.</summary>
    public required string Mode { get; init; }

    /// <summary>Where the log ends.</summary>
    public required LogPosition KeyHead { get; init; }

    /// <summary>Where a replay starts.</summary>
    public required LogPosition KeyTail { get; init; }

    /// <summary>First kset not yet written back.</summary>
    public required LogPosition DirtyTail { get; init; }

    /// <summary>Distinct bytes of the device that write-back would still write.</summary>
    public required long DirtyBytes { get; init; }

    /// <summary>Live keys without the clean flag from the dirty tail on.</summary>
    public required long DirtyKeys { get; init; }

    /// <summary>
    /// Whether everything that could be read is on the backing. Where <see cref="IsSound"/> is false there may be
    /// more behind the damage: see <see cref="CacheRescue"/>.
    /// </summary>
    public bool IsClean => DirtyKeys == 0;

    /// <summary>What <c>dmsetup status</c> of Linux prints behind "pcache ".</summary>
    public required string DmStatus { get; init; }

    /// <summary>UUID of the cache; <see cref="Guid.Empty"/> if it has none (an image that Linux formatted).</summary>
    public required Guid CacheId { get; init; }

    /// <summary>Label; empty if none.</summary>
    public required string Label { get; init; }

    /// <summary>Length in bytes of the backing that the cache is bound to; null if it isn't bound.</summary>
    public required long? BackingLength { get; init; }

    /// <summary>
    /// Identity of the bound backing; <see cref="Guid.Empty"/> if only the length is bound, or nothing.
    /// </summary>
    public required Guid BackingIdentity { get; init; }

    /// <summary>
    /// When the fingerprint of the backing was made that the next open compares (the last orderly close); null if
    /// there is none, or the cache has been used since by software that doesn't keep one.
    /// </summary>
    public required DateTimeOffset? BackingFingerprint { get; init; }

    /// <summary>How the log ends.</summary>
    public required LogEnd LogEnd { get; init; }

    /// <summary>Ksets in the log, links included.</summary>
    public required long Ksets { get; init; }

    /// <summary>Live keys in the log.</summary>
    public required long LiveKeys { get; init; }

    /// <summary>Keys in the log whose segment has been given a later generation.</summary>
    public required long DeadKeys { get; init; }

    /// <summary>Dead keys that are dirty: acknowledged writes already lost.</summary>
    public required long LostKeys { get; init; }

    /// <summary>The last sequence number in the log; 0: none.</summary>
    public required uint LastSequence { get; init; }

    /// <summary>What was found on the way. With damage among it, the figures above cover what could be read.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Whether neither damage nor lost writes were found.</summary>
    public required bool IsSound { get; init; }
}
