namespace PCache.Core.Inspection;

/// <summary>How a rescue goes about an image.</summary>
public sealed record RescueOptions
{
    /// <summary>
    /// Segment size in bytes, a power of two from 64 KiB to 16 MiB; null (the default): as the superblock says, or,
    /// where that is destroyed, as the rest of the image suggests.
    /// </summary>
    public int? SegmentSizeBytes { get; init; }

    /// <summary>Most findings kept, 1 or more; further ones are counted only. Default 1000.</summary>
    public int MaxFindings { get; init; } = 1000;

    /// <summary>
    /// Told now and then how many bytes of how many have been looked at; on the calling thread. What it throws ends
    /// the rescue. Null (the default): no progress is reported.
    /// </summary>
    public IProgress<InspectionProgress>? Progress { get; init; }
}

/// <summary>How far a rescue has come.</summary>
/// <param name="DoneBytes">Bytes of the present stage that have been looked at.</param>
/// <param name="TotalBytes">All of them.</param>
public readonly record struct InspectionProgress(long DoneBytes, long TotalBytes);

/// <summary>How far a rescued extent can be trusted.</summary>
public enum RescueState
{
    /// <summary>
    /// Nothing speaks against it: it is the newest version of its range, and fits its checksum where the cache has
    /// any.
    /// </summary>
    Sound = 0,

    /// <summary>
    /// What would prove that the payload is this key's is destroyed: the segment's generation, or the setting of
    /// payload checksums.
    /// </summary>
    Unverifiable = 1,

    /// <summary>A part of the log behind it is lost, and may have held a newer version.</summary>
    PossiblyStale = 2,

    /// <summary>The payload doesn't fit its checksum, can't be read, or lies where the image doesn't reach.</summary>
    Damaged = 3,
}

/// <summary>
/// A range of the device whose newest version in the log is one piece of payload. Extents never overlap.
/// </summary>
/// <param name="Offset">First byte on the device; a multiple of 512.</param>
/// <param name="LengthBytes">Length in bytes; a multiple of 512.</param>
/// <param name="State">How far it can be trusted.</param>
/// <param name="IsDirty">Whether the backing may not have it; a clean extent is on the backing too.</param>
/// <param name="CacheOffset">First byte of the payload on the cache device; -1 where its place is not on it.</param>
/// <param name="Place">The same as cache segment and offset in its data area.</param>
/// <param name="ChecksumFits">Whether the payload fits its checksum; null: the cache has none, or the payload can't
/// be read.</param>
/// <param name="Kset">Index of the kset that names it, in log order.</param>
public readonly record struct RescueExtent(
    long Offset, long LengthBytes, RescueState State, bool IsDirty, long CacheOffset, LogPosition Place,
    bool? ChecksumFits, int Kset)
{
    /// <summary>First byte behind it.</summary>
    public long End => Offset + LengthBytes;
}

/// <summary>A part of the log that is lost.</summary>
/// <param name="Position">Where it begins.</param>
/// <param name="CacheOffset">The same on the cache device; -1 where that isn't known.</param>
/// <param name="LengthBytes">Bytes that can't be read as ksets; -1 where the log's way isn't known.</param>
/// <param name="MaxKeys">Most keys that it can have held: as many ranges of the device, unknown ones, may have had a
/// newer version.</param>
/// <param name="IsDirty">Whether it is at or behind the dirty tail, so that its writes may not be on the
/// backing.</param>
public readonly record struct RescueHole(
    LogPosition Position, long CacheOffset, long LengthBytes, long MaxKeys, bool IsDirty);

/// <summary>What a rescued write-back has done.</summary>
/// <param name="WrittenBytes">Bytes written to the backing, older versions included.</param>
/// <param name="RangeBytes">Distinct bytes of the backing that now have what the cache held.</param>
/// <param name="SkippedBytes">Distinct dirty bytes that were left out, by their state or because the backing doesn't
/// reach so far.</param>
public readonly record struct RescueWriteback(long WrittenBytes, long RangeBytes, long SkippedBytes);
