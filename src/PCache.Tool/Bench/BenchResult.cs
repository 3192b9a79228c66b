// Keeps true: holds what was measured, nothing rounded; what wasn't measured is null or empty.
namespace PCache.Tool.Bench;

/// <summary>What one target did in the rounds with timestamps.</summary>
internal sealed record BenchLatencies(string Name, LatencyHistogram Histogram)
{
    public long P50 => Histogram.Percentile(0.5);

    public long P99 => Histogram.Percentile(0.99);

    public long P999 => Histogram.Percentile(0.999);
}

/// <summary>One line of the results.</summary>
internal sealed record BenchResult
{
    public required string Name { get; init; }

    public required int BlockBytes { get; init; }

    public required int Threads { get; init; }

    public required bool DataCrc { get; init; }

    public required double OperationsPerSecond { get; init; }

    /// <summary>The bound's; null without <c>--compare</c>.</summary>
    public required double? BoundOperationsPerSecond { get; init; }

    /// <summary>Our time by the bound's, by the clock of <see cref="Clock"/>; null without <c>--compare</c>.</summary>
    public required double? RatioToBound { get; init; }

    /// <summary>The same by elapsed time.</summary>
    public required double? RatioToBoundWall { get; init; }

    /// <summary>The same by the measuring threads' CPU time; null where the system doesn't tell it.</summary>
    public required double? RatioToBoundCpu { get; init; }

    /// <summary>First and third quartile of the rounds' ratios: how far the machine's noise goes.</summary>
    public required (double Low, double High)? RatioQuartiles { get; init; }

    /// <summary>"wall" or "cpu".</summary>
    public required string Clock { get; init; }

    /// <summary>Allocated by the measuring threads.</summary>
    public required double AllocatedBytesPerOperation { get; init; }

    /// <summary>Allocated by all threads.</summary>
    public required double AllocatedBytesPerOperationOfAll { get; init; }

    /// <summary>Peer to its time by ours (above 1: we are faster); empty without <c>--compare</c>.</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Versus { get; init; }

    /// <summary>The device used another way (without checksums; a write of 512 bytes) to our time by that one's (above 1: we are slower).</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Variants { get; init; }

    /// <summary>Latencies of the device first, then with <c>--compare</c> of the bound and the peers.</summary>
    public required IReadOnlyList<BenchLatencies> Latencies { get; init; }

    public long P50Nanoseconds => Latencies[0].P50;

    public long P99Nanoseconds => Latencies[0].P99;

    public long P999Nanoseconds => Latencies[0].P999;
}
