namespace PCache.Core.Inspection;

/// <summary>What to check beyond the image itself.</summary>
public sealed record CheckOptions
{
    /// <summary>Length of the backing in bytes; null: not known, so keys aren't held against it.</summary>
    public long? BackingLengthBytes { get; init; }

    /// <summary>Whether to say also if Linux (7.3.4) would take the image.</summary>
    public bool CheckLinux { get; init; }

    /// <summary>Most findings kept, 1 or more; further ones are counted only. Default 1000.</summary>
    public int MaxFindings { get; init; } = 1000;

    /// <summary>
    /// Told now and then how much payload of how much at most has been verified; on the calling thread. What it
    /// throws ends the check. Null (the default): no progress is reported.
    /// </summary>
    public IProgress<InspectionProgress>? Progress { get; init; }
}

/// <summary>The outcome of a check. Immutable.</summary>
public sealed record CheckReport
{
    /// <summary>Whether there is a cache on the device at all.</summary>
    public required bool IsCache { get; init; }

    /// <summary>Whether neither damage nor lost writes were found.</summary>
    public required bool IsSound { get; init; }

    /// <summary>
    /// Whether Linux would take the image and read it right; null if that wasn't asked for. The reasons against are
    /// among the findings.
    /// </summary>
    public required bool? IsAcceptedByLinux { get; init; }

    /// <summary>What Linux would do with the image; null if that wasn't asked for.</summary>
    public LinuxVerdict? Linux { get; init; }

    /// <summary>What was found, in the order in which the image was read.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }
}
