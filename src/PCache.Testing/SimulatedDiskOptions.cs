namespace PCache.Testing;

/// <summary>Settings of a <see cref="SimulatedDisk"/>.</summary>
public sealed record SimulatedDiskOptions
{
    /// <summary>
    /// Unit of I/O in bytes, a power of two from 1 to 65,536; calls that aren't multiples of it are refused as
    /// violations. Default 1. Sectors of 512 bytes are atomic in any case.
    /// </summary>
    public int BlockSize { get; init; } = 1;

    /// <summary>Whether writing is allowed. Default true.</summary>
    public bool CanWrite { get; init; } = true;

    /// <summary>Whether the length can be changed. Default false.</summary>
    public bool CanResize { get; init; }

    /// <summary>
    /// Whether a write past the end grows a disk that can be resized; where false it is refused as a violation: for
    /// code that has to set the length first. Default true.
    /// </summary>
    public bool GrowsOnWrite { get; init; } = true;

    /// <summary>
    /// Whether a discard does anything: it overwrites the range with garbage, since its content is undefined. Default
    /// false.
    /// </summary>
    public bool CanDiscard { get; init; }

    /// <summary>Clock that slow calls move; null: slow calls really take their time.</summary>
    public VirtualClock? Clock { get; init; }
}
