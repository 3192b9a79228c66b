// Keeps true: holds what was measured, nothing rounded; what wasn't measured is null or empty.
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>The device beside the bound and its peers.</summary>
internal sealed record ComparedResult
{
    /// <summary>The device's own figures.</summary>
    public required BenchResult Device { get; init; }

    public required double BoundOperationsPerSecond { get; init; }

    /// <summary>Our time by the bound's, by the clock of <see cref="Clock"/>.</summary>
    public required double RatioToBound { get; init; }

    /// <summary>The same by elapsed time.</summary>
    public required double RatioToBoundWall { get; init; }

    /// <summary>The same by the measuring threads' CPU time; null where the system doesn't tell it.</summary>
    public required double? RatioToBoundCpu { get; init; }

    /// <summary>First and third quartile of the rounds' ratios: how far the machine's noise goes.</summary>
    public required (double Low, double High) RatioQuartiles { get; init; }

    /// <summary>"wall" or "cpu".</summary>
    public required string Clock { get; init; }

    /// <summary>Peer to its time by ours (above 1: we are faster).</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Versus { get; init; }

    /// <summary>
    /// The device used another way (without checksums; a write of 512 bytes) to our time by that one's (above 1: we are
    /// slower).
    /// </summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Variants { get; init; }

    /// <summary>Latencies of the device first, then of the bound, the peers and the variants.</summary>
    public required IReadOnlyList<BenchLatencies> Latencies { get; init; }
}
