// Keeps true: immutable, so that every line and scenario derives its own from the same start.
using PCache.Core;

namespace PCache.Tool.Bench;

/// <summary>Which clock ratios are made of.</summary>
internal enum BenchClock
{
    /// <summary>CPU time where the machine gives the measuring threads less than a core each; else wall time.</summary>
    Auto,

    /// <summary>Elapsed time.</summary>
    Wall,

    /// <summary>The measuring threads' CPU time.</summary>
    Cpu,
}

/// <summary>What the options of <c>pcache bench</c> say, all but what is to be measured.</summary>
internal sealed record BenchSettings
{
    public const long DefaultLengthBytes = 256L << 20;

    /// <summary>A cache file to make; null: memory.</summary>
    public string? CachePath { get; init; }

    /// <summary>What stores are worth; null: assumed in memory, page cache in a file.</summary>
    public Persistence? Persistence { get; init; }

    /// <summary>Where files on a real disk go; null: the directory for temporary files.</summary>
    public string? Directory { get; init; }

    public long LengthBytes { get; init; } = DefaultLengthBytes;

    public int Threads { get; init; } = 1;

    /// <summary>Measuring time of one line.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(2);

    public bool DataCrc { get; init; }

    public bool VerifyReads { get; init; } = true;

    /// <summary>Whether write-back runs (to a backing that costs nothing) while the rounds do.</summary>
    public bool WritebackRunning { get; init; }

    public bool Compare { get; init; }

    /// <summary>With <see cref="Compare"/>: whether the peers run too.</summary>
    public bool WithPeers { get; init; } = true;

    public BenchClock Clock { get; init; }

    /// <summary>Smaller sizes in scenarios.</summary>
    public bool Quick { get; init; }

    /// <summary>A directory for files on a real disk, made and removed by the caller.</summary>
    public string DiskDirectory => Directory ?? Path.GetTempPath();
}
