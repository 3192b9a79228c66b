// Keeps true: rates and ratios come from rounds without timestamps; percentiles from a round of their own, so that reading the clock distorts no ratio.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>One line of the results.</summary>
internal sealed record BenchResult
{
    public required string Name { get; init; }

    public required int Threads { get; init; }

    public required bool DataCrc { get; init; }

    public required double OperationsPerSecond { get; init; }

    public required long P50Nanoseconds { get; init; }

    public required long P99Nanoseconds { get; init; }

    /// <summary>Our time by the bound's; null without <c>--compare</c>.</summary>
    public required double? RatioToBound { get; init; }

    public required double AllocatedBytesPerOperation { get; init; }

    /// <summary>Peer to its time by ours (above 1: we are faster); empty without <c>--compare</c>.</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Versus { get; init; }
}

/// <summary>Measures one pattern.</summary>
internal sealed class BenchMeasurement(BenchPlaces places, BenchPattern pattern, long lengthBytes, int threads, bool dataCrc, CancellationToken cancellation)
{
    public const int Rounds = 9;
    private const long WarmUpOperations = 20_000;
    private const int WarmUpRounds = 4;

    public BenchResult Run(TimeSpan duration, bool compare)
    {
        // A round writes at most as much as the device holds: then the cache has room for it.
        long roundBytes = pattern.IsWrite ? lengthBytes : 0;
        long mostOperations = pattern.IsWrite ? Math.Max(1, roundBytes / pattern.BlockBytes / threads) : long.MaxValue;
        using var device = new DeviceTarget(places, pattern.BlockBytes, lengthBytes, roundBytes, dataCrc);
        var targets = new List<BenchTarget> { device };
        try
        {
            if (compare)
            {
                targets.Add(new BoundTarget(places, lengthBytes));
                targets.AddRange(PeerTargets.Create(places, lengthBytes));
            }

            return Run(targets, duration, compare, mostOperations);
        }
        finally
        {
            foreach (BenchTarget target in targets.Skip(1))
            {
                target.Dispose();
            }
        }
    }

    private BenchResult Run(List<BenchTarget> targets, TimeSpan duration, bool compare, long mostOperations)
    {
        var runner = new BenchRunner(pattern, lengthBytes, threads, cancellation);
        var operations = new long[targets.Count];
        TimeSpan slice = duration / (Rounds * targets.Count);
        for (int i = 0; i < targets.Count; i++)
        {
            operations[i] = Calibrate(runner, targets[i], slice, mostOperations);
        }

        var results = new RoundResult[targets.Count][];
        for (int i = 0; i < targets.Count; i++)
        {
            results[i] = new RoundResult[Rounds];
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                int target = (round + i) % targets.Count;
                targets[target].Prepare();
                results[target][round] = runner.Run(targets[target], round, operations[target], null);
            }
        }

        var histogram = new LatencyHistogram();
        targets[0].Prepare();
        runner.Run(targets[0], Rounds, operations[0], histogram);
        RoundResult[] ours = results[0];
        double Ratio(int other, bool oursFirst) => BenchRunner.Median(Enumerable.Range(0, Rounds).Select(round =>
        {
            double mine = ours[round].NanosecondsPerOperation;
            double theirs = results[other][round].NanosecondsPerOperation;
            return oursFirst ? mine / theirs : theirs / mine;
        }));
        return new BenchResult
        {
            Name = pattern.Name,
            Threads = threads,
            DataCrc = dataCrc,
            OperationsPerSecond = 1e9 / BenchRunner.Median(ours.Select(round => round.NanosecondsPerOperation)),
            P50Nanoseconds = histogram.Percentile(0.5),
            P99Nanoseconds = histogram.Percentile(0.99),
            RatioToBound = compare ? Ratio(1, oursFirst: true) : null,
            AllocatedBytesPerOperation = BenchRunner.Median(ours.Select(round => round.AllocatedBytesPerOperation)),
            Versus = [.. targets.Select((target, i) => (target, i)).Skip(2).Select(peer => KeyValuePair.Create(peer.target.Name, Ratio(peer.i, oursFirst: false)))],
        };
    }

    /// <summary>Warms a target up (code and memory), and says how many operations per thread fit in a slice.</summary>
    private static long Calibrate(BenchRunner runner, BenchTarget target, TimeSpan slice, long mostOperations)
    {
        long operations = Math.Min(WarmUpOperations, mostOperations);
        double nanoseconds = 0;
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < WarmUpRounds; round++)
        {
            target.Prepare();
            nanoseconds = runner.Run(target, -1 - round, operations, null).NanosecondsPerOperation;
            if (Stopwatch.GetElapsedTime(start) > slice * WarmUpRounds)
            {
                break;
            }
        }

        double perThread = slice.TotalNanoseconds / Math.Max(nanoseconds, 1);
        return (long)Math.Clamp(perThread, 1, mostOperations);
    }
}
