using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

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

/// <summary>How device, bound and peers are measured.</summary>
internal sealed record CompareSettings : BenchSettings
{
    /// <summary>Where files on a real disk go; null: the directory for temporary files.</summary>
    public string? Directory { get; init; }

    /// <summary>Whether the peers run too, or the bound alone.</summary>
    public bool WithPeers { get; init; } = true;

    public BenchClock Clock { get; init; }

    /// <summary>A directory for files on a real disk, made and removed by the caller.</summary>
    public string DiskDirectory => Directory ?? Path.GetTempPath();
}
