// Keeps true: rates come from rounds without timestamps; percentiles from rounds of their own, so that reading the
// clock distorts no rate and no ratio. All targets have rounds of both kinds.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>Measures one pattern on targets side by side; the device is the first of them.</summary>
internal sealed class BenchMeasurement(BenchSettings settings, BenchPattern pattern, CancellationToken cancellation)
{
    public const int Rounds = 9;
    public const int TimedRounds = 3;
    private const int LeastWarmUpRounds = 3;
    private const int SteadyRounds = 3;
    private const double Steady = 0.95;
    private const long FirstOperations = 20_000;

    // The runtime compiles anew, in the background and more than once, what has been called often; that takes some
    // tenths of a second, and more on a busy machine.
    private static readonly TimeSpan ShortestWarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(4);

    /// <summary>Bytes of the device: whole units only.</summary>
    public long LengthBytes { get; } = settings.LengthBytes / pattern.UnitBytes * pattern.UnitBytes;

    /// <summary>Room that a round takes at most: as much as the device has bytes. Then the cache has it.</summary>
    public long RoundBytes => pattern.TakesRoom ? LengthBytes : 0;

    private long MostCalls => pattern.TakesRoom
        ? Math.Max(1,
        (RoundBytes / pattern.RoomPerOperation / pattern.BlocksPerCall / settings.Threads) - BenchRunner.FirstCalls)
        : long.MaxValue;

    /// <summary>Measures the targets; they stay the caller's.</summary>
    public BenchRounds Run(IReadOnlyList<BenchTarget> targets)
    {
        var runner = new BenchRunner(pattern, LengthBytes, settings.Threads, cancellation);
        long[] calls = WarmUp(runner, targets, settings.Duration / ((Rounds + TimedRounds) * targets.Count));
        RoundResult[][] results = [.. targets.Select(_ => new RoundResult[Rounds])];
        BenchLatencies[] latencies =
            [.. targets.Select(target => new BenchLatencies(target.Name, new LatencyHistogram()))];
        long? disk = 0;
        for (int round = 0; round < Rounds + TimedRounds; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                int target = (round + i) % targets.Count;
                targets[target].Prepare();
                if (round >= Rounds)
                {
                    runner.Run(targets[target], round, calls[target], latencies[target].Histogram);
                    continue;
                }

                long? before = DiskTraffic.WrittenBytes();
                results[target][round] = runner.Run(targets[target], round, calls[target], null);
                disk += target == 0 ? DiskTraffic.WrittenBytes() - before : 0;
            }
        }

        double operations = (double)Rounds * calls[0] * pattern.BlocksPerCall * settings.Threads;
        return new BenchRounds(targets, results, latencies, disk / operations);
    }

    /// <summary>
    /// Warms targets up (code and memory), interleaved as they are measured, until the device has stopped getting
    /// faster; says how many calls per thread fit in a slice.
    /// </summary>
    private long[] WarmUp(BenchRunner runner, IReadOnlyList<BenchTarget> targets, TimeSpan slice)
    {
        TimeSpan shortest = settings.Quick ? settings.Duration : ShortestWarmUp;
        TimeSpan longest = settings.Quick ? settings.Duration : LongestWarmUp;
        var calls = new long[targets.Count];
        Array.Fill(calls, Math.Clamp(FirstOperations / pattern.BlocksPerCall, 1, MostCalls));

        // Others than the device have no room to run out of, where they don't go on from block to block: they run as
        // long as it does.
        long MostCallsOf(BenchTarget target) => target.RunsOutOfRoom || pattern.Order != BenchOrder.Random ? MostCalls
            : long.MaxValue;
        double fastest = double.MaxValue;
        int steady = 0;
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; steady < SteadyRounds || Stopwatch.GetElapsedTime(start) < shortest; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                targets[i].Prepare();
                RoundResult result = runner.Run(targets[i], -1 - round, calls[i], null);
                calls[i] =
                    (long)Math.Clamp(
                        slice.TotalNanoseconds / Math.Max(
                            result.WallNanoseconds * pattern.BlocksPerCall * settings.Threads, 1),
                        1, MostCallsOf(targets[i]));
                if (i == 0)
                {
                    steady = result.CpuNanoseconds < fastest * Steady ? 0 : steady + 1;
                    fastest = Math.Min(fastest, result.CpuNanoseconds);
                }
            }

            if (round >= LeastWarmUpRounds && Stopwatch.GetElapsedTime(start) > longest)
            {
                break;
            }
        }

        return calls;
    }
}
