// Keeps true: holds what was measured, nothing rounded; what wasn't measured is null.
namespace PCache.Tool.Bench;

/// <summary>What one target did in the rounds with timestamps.</summary>
internal sealed record BenchLatencies(string Name, LatencyHistogram Histogram)
{
    public long P50 => Histogram.Percentile(0.5);

    public long P99 => Histogram.Percentile(0.99);

    public long P999 => Histogram.Percentile(0.999);
}

/// <summary>One line of the results: what one target did.</summary>
internal sealed record BenchResult
{
    public required string Name { get; init; }

    public required int BlockBytes { get; init; }

    public required int Threads { get; init; }

    public required bool DataCrc { get; init; }

    public required double OperationsPerSecond { get; init; }

    /// <summary>Allocated by the measuring threads.</summary>
    public required double AllocatedBytesPerOperation { get; init; }

    /// <summary>Allocated by all threads.</summary>
    public required double AllocatedBytesPerOperationOfAll { get; init; }

    /// <summary>Bytes that the process sent to disks; null where the system doesn't tell.</summary>
    public required double? DiskBytesPerOperation { get; init; }

    public required BenchLatencies Latencies { get; init; }
}

/// <summary>All rounds of targets that were measured side by side.</summary>
/// <param name="Targets">The device first.</param>
/// <param name="Results">By target, by round.</param>
/// <param name="Latencies">By target.</param>
/// <param name="DiskBytesPerOperation">Of the device.</param>
internal sealed record BenchRounds(IReadOnlyList<BenchTarget> Targets, RoundResult[][] Results,
    IReadOnlyList<BenchLatencies> Latencies, double? DiskBytesPerOperation)
{
    /// <summary>Operations per second by elapsed time, at the median.</summary>
    public double RateOf(int target) =>
        1e9 / BenchRunner.Median(Results[target].Select(round => round.WallNanoseconds));

    /// <summary>What one target did.</summary>
    public BenchResult ResultOf(int target, BenchSettings settings, BenchPattern pattern) => new()
    {
        Name = pattern.Name,
        BlockBytes = pattern.BlockBytes,
        Threads = settings.Threads,
        DataCrc = settings.DataCrc,
        OperationsPerSecond = RateOf(target),
        AllocatedBytesPerOperation = BenchRunner.Median(Results[target].Select(round => round.AllocatedBytes)),
        AllocatedBytesPerOperationOfAll =
            BenchRunner.Median(Results[target].Select(round => round.AllocatedBytesOfAll)),
        DiskBytesPerOperation = DiskBytesPerOperation,
        Latencies = Latencies[target],
    };
}
