namespace PCache.Core.Inspection;

/// <summary>The log of a cache image.</summary>
public sealed record LogDump
{
    /// <summary>Where the log ends, or can't be followed further.</summary>
    public required LogPosition KeyHead { get; init; }

    /// <summary>
    /// The ksets in log order, read while they are enumerated: the region must stay open and unchanged meanwhile.
    /// </summary>
    public required IEnumerable<KsetInfo> Ksets { get; init; }

    /// <summary>What was found on the way.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Whether neither damage nor lost writes were found.</summary>
    public required bool IsSound { get; init; }
}

/// <summary>One kset of the log.</summary>
/// <param name="Position">Where it stands.</param>
/// <param name="Sequence">Its number; 0: none (written by Linux).</param>
/// <param name="IsBarrier">Whether a flush barrier stands before it; without a number always.</param>
/// <param name="IsLast">Whether it only links to the log's next segment.</param>
/// <param name="KeyCount">Number of keys; 0 in a last kset.</param>
/// <param name="NextSegment">In a last kset the cache segment that the log goes on in; else null.</param>
/// <param name="IsDirty">Whether it stands at or after the dirty tail.</param>
/// <param name="Keys">Its keys; empty if they weren't asked for.</param>
public sealed record KsetInfo(
    LogPosition Position, uint Sequence, bool IsBarrier, bool IsLast, int KeyCount, int? NextSegment, bool IsDirty,
    IReadOnlyList<KeyInfo> Keys)
{
    /// <summary>
    /// Whether it belongs to the batch of the kset before it: the log holds all of a batch, or nothing.
    /// </summary>
    public bool ContinuesBatch { get; init; }
}

/// <summary>One key, as stored: nothing about it has been validated.</summary>
/// <param name="Offset">First byte on the device.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="IsClean">Whether it came from a read miss.</param>
/// <param name="IsLive">Whether its generation is its segment's.</param>
/// <param name="Segment">Cache segment of its payload.</param>
/// <param name="SegmentOffset">Offset of its payload in that segment's data area.</param>
/// <param name="Generation">Generation of that segment when the key was written.</param>
/// <param name="PayloadCrc">Checksum of the payload, where payload checksums are on.</param>
public readonly record struct KeyInfo(
    ulong Offset, uint Length, bool IsClean, bool IsLive, uint Segment, uint SegmentOffset, ulong Generation,
    uint PayloadCrc);
