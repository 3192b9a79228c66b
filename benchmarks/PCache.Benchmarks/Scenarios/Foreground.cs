// Keeps true: a write's latency is that of the call alone; a writer that is late writes on at once, so that waiting
// shows in later samples too, as a lower rate.
using System.Diagnostics;
using PCache.Core;
using PCache.Tool;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>What happened in one span of time.</summary>
internal sealed record ForegroundSample(double Seconds, double WritesPerSecond, long P50, long P99, long Longest,
    double WritebackBytesPerSecond);

/// <summary>One thread that writes random 4 KiB pages.</summary>
internal sealed class Foreground(PCacheDevice device, long lengthBytes, CancellationToken cancellation)
{
    private const int SpanMilliseconds = 100;
    private readonly byte[] _page = ScenarioCache.RandomPage();

    /// <summary>All latencies of the last run.</summary>
    public LatencyHistogram Latencies { get; private set; } = new();

    /// <summary>Longest latency of the last run.</summary>
    public long Longest { get; private set; }

    public long Writes { get; private set; }

    public TimeSpan Elapsed { get; private set; }

    /// <summary>CPU time of the writing thread.</summary>
    public double CpuNanoseconds { get; private set; }

    public List<ForegroundSample> Samples { get; } = [];

    public double WritesPerSecond => Writes / Math.Max(Elapsed.TotalSeconds, 1e-9);

    /// <summary>Writes until the time is over or a number of writes is reached.</summary>
    /// <param name="duration">How long at most.</param>
    /// <param name="writesPerSecond">Pace; 0: as fast as it goes.</param>
    /// <param name="mostWrites">How many at most.</param>
    /// <param name="seed">Of the places written.</param>
    public void Run(TimeSpan duration, double writesPerSecond, long mostWrites, int seed)
    {
        var pattern = new BenchPattern("randwrite", ScenarioCache.PageBytes);
        var offsets = new BenchOffsets(pattern, lengthBytes, 0, 1, seed);
        double nanosecondsPerTick = 1e9 / Stopwatch.Frequency;
        double ticksPerWrite = writesPerSecond == 0 ? 0 : Stopwatch.Frequency / writesPerSecond;
        long spanTicks = Stopwatch.Frequency / 1000 * SpanMilliseconds;
        Latencies = new LatencyHistogram();
        Longest = 0;
        Samples.Clear();
        var span = new LatencyHistogram();
        long spanLongest = 0;
        long written = device.GetStatus().WritebackBytes;
        long cpu = ThreadClock.ThreadNanoseconds();
        long start = Stopwatch.GetTimestamp();
        long end = start + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        long spanStart = start;
        long writes = 0;
        for (; writes < mostWrites; writes++)
        {
            long due = start + (long)(writes * ticksPerWrite);
            long before = Stopwatch.GetTimestamp();
            while (before < due)
            {
                before = Stopwatch.GetTimestamp();
            }

            if (before >= end)
            {
                break;
            }

            device.Write(offsets.Next(), _page);
            long after = Stopwatch.GetTimestamp();
            long latency = (long)((after - before) * nanosecondsPerTick);
            span.Record(latency);
            spanLongest = Math.Max(spanLongest, latency);
            if (after - spanStart >= spanTicks)
            {
                CloseSpan(after);
            }
        }

        if (span.Count > 0)
        {
            CloseSpan(Stopwatch.GetTimestamp());
        }

        Writes = writes;
        Elapsed = Stopwatch.GetElapsedTime(start);
        CpuNanoseconds = ThreadClock.ThreadNanoseconds() - cpu;

        void CloseSpan(long now)
        {
            cancellation.ThrowIfCancellationRequested();
            double seconds = Math.Max((now - spanStart) / (double)Stopwatch.Frequency, 1e-9);
            long writtenNow = device.GetStatus().WritebackBytes;
            Samples.Add(new ForegroundSample(
                (now - start) / (double)Stopwatch.Frequency, span.Count / seconds, span.Percentile(0.5),
                    span.Percentile(0.99), spanLongest, (writtenNow - written) / seconds));
            Latencies.Add(span);
            Longest = Math.Max(Longest, spanLongest);
            span = new LatencyHistogram();
            spanLongest = 0;
            written = writtenNow;
            spanStart = now;
        }
    }
}
