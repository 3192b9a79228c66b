// Keeps true: rates and ratios come from rounds without timestamps; percentiles from rounds of their own, so that reading the clock distorts no ratio. The bound has
// such rounds too: its percentiles show what reading the clock costs.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>Measures one pattern.</summary>
internal sealed class BenchMeasurement(BenchPlaces places, BenchSettings settings, BenchPattern pattern, CancellationToken cancellation)
{
    public const int Rounds = 9;
    public const int TimedRounds = 3;
    private const int LeastWarmUpRounds = 3;
    private const int SteadyRounds = 3;
    private const double Steady = 0.95;
    private const long FirstOperations = 20_000;

    /// <summary>Below this share of a core for threads that never wait the machine is taken as oversubscribed.</summary>
    private const double FullCore = 0.95;

    // The runtime compiles anew, in the background and more than once, what has been called often; that takes some tenths of a second, and more on a busy machine.
    private static readonly TimeSpan ShortestWarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(4);

    private readonly int _threads = settings.Threads;

    // Whole units only.
    private readonly long _lengthBytes = settings.LengthBytes / pattern.UnitBytes * pattern.UnitBytes;

    // Targets from here on are the device itself, in another way.
    private int _firstVariant = int.MaxValue;

    private bool Compare => settings.Compare;

    public BenchResult Run()
    {
        // A round takes at most as much room as the device has bytes: then the cache has it.
        long roundBytes = pattern.TakesRoom ? _lengthBytes : 0;
        long mostCalls = pattern.TakesRoom ? Math.Max(1, (roundBytes / pattern.RoomPerOperation / pattern.BlocksPerCall / _threads) - BenchRunner.FirstCalls) : long.MaxValue;
        var targets = new List<BenchTarget>();
        try
        {
            targets.Add(new DeviceTarget(places, settings, pattern, _lengthBytes, roundBytes));
            if (Compare)
            {
                targets.Add(new BoundTarget(places, pattern, _lengthBytes));
            }

            if (Compare && settings.WithPeers)
            {
                targets.AddRange(PeerTargets.Create(places, pattern, _lengthBytes));
                _firstVariant = targets.Count;
                if (pattern.IsSmall)
                {
                    targets.Add(new DeviceTarget(places, settings, new BenchPattern("write", 512), _lengthBytes, roundBytes, "write-512"));
                }
                else if (settings.DataCrc && pattern.Kind is BenchKind.Write or BenchKind.Read)
                {
                    targets.Add(new DeviceTarget(places, settings with { DataCrc = false }, pattern, _lengthBytes, roundBytes, "withoutCrc"));
                }
            }

            return Run(targets, mostCalls);
        }
        finally
        {
            foreach (BenchTarget target in targets)
            {
                target.Dispose();
            }
        }
    }

    private BenchResult Run(List<BenchTarget> targets, long mostCalls)
    {
        var runner = new BenchRunner(pattern, _lengthBytes, _threads, cancellation);
        long[] calls = WarmUp(runner, targets, settings.Duration / ((Rounds + TimedRounds) * targets.Count), mostCalls);
        RoundResult[][] results = [.. targets.Select(_ => new RoundResult[Rounds])];
        BenchLatencies[] latencies = [.. targets.Select(target => new BenchLatencies(target.Name, new LatencyHistogram()))];
        for (int round = 0; round < Rounds + TimedRounds; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                int target = (round + i) % targets.Count;
                targets[target].Prepare();
                if (round < Rounds)
                {
                    results[target][round] = runner.Run(targets[target], round, calls[target], null);
                }
                else
                {
                    runner.Run(targets[target], round, calls[target], latencies[target].Histogram);
                }
            }
        }

        return Result(targets, results, latencies);
    }

    private BenchResult Result(List<BenchTarget> targets, RoundResult[][] results, BenchLatencies[] latencies)
    {
        RoundResult[] ours = results[0];
        bool cpu = UsesCpuTime(results);
        double[] Ratios(int other, bool byCpu) => [.. ours.Zip(results[other], (mine, theirs) => mine.Nanoseconds(byCpu) / theirs.Nanoseconds(byCpu))];
        double[]? toBound = Compare ? Ratios(1, cpu) : null;
        return new BenchResult
        {
            Name = pattern.Name,
            BlockBytes = pattern.BlockBytes,
            Threads = _threads,
            DataCrc = settings.DataCrc,
            OperationsPerSecond = Rate(ours),
            BoundOperationsPerSecond = Compare ? Rate(results[1]) : null,
            RatioToBound = toBound is null ? null : BenchRunner.Median(toBound),
            RatioToBoundWall = Compare ? BenchRunner.Median(Ratios(1, byCpu: false)) : null,
            RatioToBoundCpu = Compare && ThreadClock.HasCpuTime ? BenchRunner.Median(Ratios(1, byCpu: true)) : null,
            RatioQuartiles = toBound is null ? null : (BenchRunner.Quantile(toBound, 0.25), BenchRunner.Quantile(toBound, 0.75)),
            Clock = cpu ? "cpu" : "wall",
            AllocatedBytesPerOperation = BenchRunner.Median(ours.Select(round => round.AllocatedBytes)),
            AllocatedBytesPerOperationOfAll = BenchRunner.Median(ours.Select(round => round.AllocatedBytesOfAll)),
            Versus =
            [
                .. targets.Index().Where(peer => peer.Index >= 2 && peer.Index < _firstVariant)
                    .Select(peer => KeyValuePair.Create(peer.Item.Name, BenchRunner.Median(Ratios(peer.Index, cpu).Select(ratio => 1 / ratio)))),
            ],
            Variants =
            [
                .. targets.Index().Where(one => one.Index >= _firstVariant)
                    .Select(one => KeyValuePair.Create(one.Item.Name, BenchRunner.Median(Ratios(one.Index, cpu)))),
            ],
            Latencies = latencies,
        };
    }

    private static double Rate(RoundResult[] rounds) => 1e9 / BenchRunner.Median(rounds.Select(round => round.WallNanoseconds));

    /// <summary>Which clock it is. Whether threads had a core each shows in targets that never wait: all but the device, and it too where it has one thread only.</summary>
    private bool UsesCpuTime(RoundResult[][] results)
    {
        IEnumerable<RoundResult[]> telling = _threads == 1 ? results : results.Skip(1);
        return ThreadClock.HasCpuTime && settings.Clock switch
        {
            BenchClock.Wall => false,
            BenchClock.Cpu => true,
            _ => telling.Any(rounds => BenchRunner.Median(rounds.Select(round => round.CpuNanoseconds / round.WallNanoseconds)) < FullCore),
        };
    }

    /// <summary>
    /// Warms targets up (code and memory), interleaved as they are measured, until the device has stopped getting faster; says how many calls per thread fit in a slice.
    /// </summary>
    private long[] WarmUp(BenchRunner runner, List<BenchTarget> targets, TimeSpan slice, long mostCalls)
    {
        TimeSpan shortest = settings.Quick ? settings.Duration : ShortestWarmUp;
        TimeSpan longest = settings.Quick ? settings.Duration : LongestWarmUp;
        var calls = new long[targets.Count];
        Array.Fill(calls, Math.Clamp(FirstOperations / pattern.BlocksPerCall, 1, mostCalls));

        // Others than the device have no room to run out of, where they don't go on from block to block: they run as long as it does.
        long MostCalls(int target) => target == 0 || target >= _firstVariant || pattern.Order != BenchOrder.Random ? mostCalls : long.MaxValue;
        double fastest = double.MaxValue;
        int steady = 0;
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; steady < SteadyRounds || Stopwatch.GetElapsedTime(start) < shortest; round++)
        {
            for (int i = 0; i < targets.Count; i++)
            {
                targets[i].Prepare();
                RoundResult result = runner.Run(targets[i], -1 - round, calls[i], null);
                calls[i] = (long)Math.Clamp(slice.TotalNanoseconds / Math.Max(result.WallNanoseconds * pattern.BlocksPerCall * _threads, 1), 1, MostCalls(i));
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
