// Keeps true: device, bound, peers and variants run interleaved in one process, with the same offsets in the same
// round; a ratio is the median of the rounds' ratios.
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>Measures the device beside the bound and its peers.</summary>
internal sealed class Comparison
{
    private const int Bound = 1;

    /// <summary>
    /// Below this share of a core for threads that never wait the machine is taken as oversubscribed.
    /// </summary>
    private const double FullCore = 0.95;

    private readonly CompareSettings _settings;
    private readonly BenchRounds _rounds;
    private readonly bool _byCpu;

    private Comparison(CompareSettings settings, BenchRounds rounds)
    {
        _settings = settings;
        _rounds = rounds;
        _byCpu = UsesCpuTime();
    }

    /// <summary>Measures one pattern.</summary>
    public static ComparedResult Run(CompareSettings settings, BenchPattern pattern, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        var measurement = new BenchMeasurement(settings, pattern, cancellation);
        var targets = new List<BenchTarget>();
        try
        {
            targets.Add(new DeviceTarget(places, settings, pattern, measurement.LengthBytes, measurement.RoundBytes));
            targets.Add(new BoundTarget(places, pattern, measurement.LengthBytes));
            int firstVariant = int.MaxValue;
            if (settings.WithPeers)
            {
                targets.AddRange(PeerTargets.Create(places, pattern, measurement.LengthBytes));
                firstVariant = targets.Count;
                if (pattern.IsSmall)
                {
                    targets.Add(new DeviceTarget(places, settings, new BenchPattern("write", 512),
                        measurement.LengthBytes, measurement.RoundBytes, "write-512"));
                }
                else if (settings.DataCrc && pattern.Kind is BenchKind.Write or BenchKind.Read)
                {
                    targets.Add(new DeviceTarget(places, settings with { DataCrc = false }, pattern,
                        measurement.LengthBytes, measurement.RoundBytes, "withoutCrc"));
                }
            }

            return new Comparison(settings, measurement.Run(targets)).Result(pattern, firstVariant);
        }
        finally
        {
            foreach (BenchTarget target in targets)
            {
                target.Dispose();
            }
        }
    }

    private ComparedResult Result(BenchPattern pattern, int firstVariant)
    {
        double[] toBound = Ratios(Bound, _byCpu);
        return new ComparedResult
        {
            Device = _rounds.ResultOf(0, _settings, pattern),
            BoundOperationsPerSecond = _rounds.RateOf(Bound),
            RatioToBound = BenchRunner.Median(toBound),
            RatioToBoundWall = BenchRunner.Median(Ratios(Bound, byCpu: false)),
            RatioToBoundCpu = ThreadClock.HasCpuTime ? BenchRunner.Median(Ratios(Bound, byCpu: true)) : null,
            RatioQuartiles = (BenchRunner.Quantile(toBound, 0.25), BenchRunner.Quantile(toBound, 0.75)),
            Clock = _byCpu ? "cpu" : "wall",
            Versus = Others(index => index > Bound && index < firstVariant, ratio => 1 / ratio),
            Variants = Others(index => index >= firstVariant, ratio => ratio),
            Latencies = _rounds.Latencies,
        };
    }

    private double[] Ratios(int other, bool byCpu) =>
        [.. _rounds.Results[0].Zip(_rounds.Results[other], (mine, theirs) =>
            mine.Nanoseconds(byCpu) / theirs.Nanoseconds(byCpu))];

    private KeyValuePair<string, double>[] Others(Func<int, bool> which, Func<double, double> ratio) =>
    [
        .. _rounds.Targets.Index().Where(other => which(other.Index))
            .Select(other => KeyValuePair.Create(other.Item.Name,
                BenchRunner.Median(Ratios(other.Index, _byCpu).Select(ratio)))),
    ];

    /// <summary>
    /// Which clock it is. Whether threads had a core each shows in targets that never wait: all but the device, and it
    /// too where it has one thread only.
    /// </summary>
    private bool UsesCpuTime()
    {
        IEnumerable<RoundResult[]> telling = _settings.Threads == 1 ? _rounds.Results : _rounds.Results.Skip(1);
        return ThreadClock.HasCpuTime && _settings.Clock switch
        {
            BenchClock.Wall => false,
            BenchClock.Cpu => true,
            _ => telling.Any(rounds => BenchRunner.Median(
                rounds.Select(round => round.CpuNanoseconds / round.WallNanoseconds)) < FullCore),
        };
    }
}
