// Keeps true: the measured cache is new, and each block of it is visited once; what the runtime compiles is compiled
// before, on another cache.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>
/// What the first use of a cache costs: pages of the region that haven't been touched, an index that grows, reads
/// that come from the backing.
/// </summary>
internal static class FirstPass
{
    private const long WarmUpBytes = 8 << 20;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    /// <summary>The same operation, each block once.</summary>
    public static BenchPattern Of(BenchPattern pattern, BenchSettings settings)
    {
        if (!pattern.CanBeOnce)
        {
            throw ToolException.Usage(
                $"--first-pass doesn't go with {pattern.Operation}: give operations of one block.");
        }

        return CallsPerThread(pattern, settings) > 0 ? pattern with { Once = true } : throw ToolException.Usage(
            $"--size {SizeText.Exact(settings.LengthBytes)} is too small for --first-pass: give more than "
            + $"{BenchRunner.FirstCalls} blocks for each thread.");
    }

    /// <summary>Measures one pass.</summary>
    public static BenchResult Run(
        BenchPlaces places, BenchSettings settings, BenchPattern pattern, CancellationToken cancellation)
    {
        Compile(settings, pattern, cancellation);
        long lengthBytes = settings.LengthBytes / pattern.UnitBytes * pattern.UnitBytes;
        using var device = new DeviceTarget(places, settings, pattern, lengthBytes, roundBytes: 0);
        device.Prepare();
        long calls = CallsPerThread(pattern, settings);
        var latencies = new BenchLatencies(device.Name, new LatencyHistogram());
        long? disk = DiskTraffic.WrittenBytes();
        RoundResult round = new BenchRunner(pattern, lengthBytes, settings.Threads, cancellation).Run(
            device, 0, calls, latencies.Histogram);
        double operations = (double)calls * settings.Threads;
        return new BenchRounds([device], [[round]], [latencies],
            (DiskTraffic.WrittenBytes() - disk) / operations).ResultOf(0, settings, pattern);
    }

    private static long CallsPerThread(BenchPattern pattern, BenchSettings settings) =>
        (settings.LengthBytes / pattern.UnitBytes / settings.Threads) - BenchRunner.FirstCalls;

    private static void Compile(BenchSettings settings, BenchPattern pattern, CancellationToken cancellation)
    {
        BenchSettings small = settings with
        {
            CachePath = null,
            BackingPath = null,
            Persistence = null,
            LengthBytes = Math.Max(WarmUpBytes, 64L * pattern.UnitBytes),
            Threads = 1
        };
        using var places = new BenchPlaces(small);
        var runner = new BenchRunner(pattern, small.LengthBytes, 1, cancellation);
        long start = Stopwatch.GetTimestamp();
        TimeSpan time = settings.Quick ? settings.Duration : WarmUp;
        using var device = new DeviceTarget(places, small, pattern, small.LengthBytes, roundBytes: 0);
        for (int round = 0; Stopwatch.GetElapsedTime(start) < time; round++)
        {
            device.Prepare();
            runner.Run(device, round, CallsPerThread(pattern, small), new LatencyHistogram());
        }
    }
}
