// Keeps true: immutable, so that every line derives its own from the same start.
using PCache.Core;

namespace PCache.Tool.Bench;

/// <summary>How a device is measured, all but what it does.</summary>
internal record BenchSettings
{
    public const long DefaultLengthBytes = 256L << 20;

    /// <summary>A cache file to make; null: memory.</summary>
    public string? CachePath { get; init; }

    /// <summary>A backing file to make; null: one of memory.</summary>
    public string? BackingPath { get; init; }

    /// <summary>What stores are worth; null: assumed in memory, page cache in a file.</summary>
    public Persistence? Persistence { get; init; }

    public long LengthBytes { get; init; } = DefaultLengthBytes;

    public int Threads { get; init; } = 1;

    /// <summary>Measuring time of one line.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(2);

    public bool DataCrc { get; init; }

    public bool VerifyReads { get; init; } = true;

    /// <summary>Whether write-back runs while the rounds do.</summary>
    public bool WritebackRunning { get; init; }

    /// <summary>Small sizes and short times: shows that all works, gives no figures.</summary>
    public bool Quick { get; init; }
}
