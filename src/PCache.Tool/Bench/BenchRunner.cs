// Keeps true: all targets of a pattern run interleaved in one process, with the same offsets in the same round, in an
// order that rotates; nothing is allocated in a measuring loop; a ratio is the median of the rounds' ratios.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>What one target did in one round.</summary>
/// <param name="WallNanoseconds">Per operation, of all threads together: elapsed time by operations.</param>
/// <param name="CpuNanoseconds">Per operation: CPU time of a measuring thread by its operations, mean of the threads,
/// by the number of threads. Comparable to the wall time.</param>
/// <param name="AllocatedBytes">Per operation, on the managed heap, by the measuring threads.</param>
/// <param name="AllocatedBytesOfAll">Per operation, by all threads of the process; some bytes of the measuring itself
/// are in it.</param>
internal readonly record struct RoundResult(
    double WallNanoseconds, double CpuNanoseconds, double AllocatedBytes, double AllocatedBytesOfAll)
{
    public double Nanoseconds(bool cpu) => cpu ? CpuNanoseconds : WallNanoseconds;
}

/// <summary>Measures targets side by side.</summary>
internal sealed class BenchRunner(BenchPattern pattern, long lengthBytes, int threads, CancellationToken cancellation)
{
    /// <summary>Calls that each thread makes before a round.</summary>
    public const int FirstCalls = 8;

    /// <summary>Runs one round: calls without timestamps, or each one into the histogram.</summary>
    public RoundResult Run(BenchTarget target, int round, long callsPerThread, LatencyHistogram? histogram)
    {
        cancellation.ThrowIfCancellationRequested();
        var runs = new ThreadRun[threads];
        long allocatedBefore = 0;
        long allocatedAfter = 0;
        using var ready = new Barrier(threads, _ => allocatedBefore = GC.GetTotalAllocatedBytes(precise: true));
        using var done = new Barrier(threads, _ => allocatedAfter = GC.GetTotalAllocatedBytes(precise: true));
        try
        {
            for (int i = 0; i < threads; i++)
            {
                runs[i] = new ThreadRun(
                    target.CreateWorker(), new BenchOffsets(pattern, lengthBytes, i, threads, round));
            }

            foreach (ThreadRun run in runs)
            {
                run.Start(
                    ready, done, callsPerThread, pattern.BlocksPerCall, timed: histogram is not null, cancellation);
            }

            foreach (ThreadRun run in runs)
            {
                run.Thread!.Join();
            }

            if (Array.Find(runs, run => run.Failure is not null)?.Failure is Exception first)
            {
                throw first is OperationCanceledException
                    ? first
                    : ToolException.Refused($"{target.Name}: {ErrorReport.OneLine(first.Message)}", first);
            }
        }
        finally
        {
            foreach (ThreadRun? run in runs)
            {
                run?.Worker.Dispose();
            }
        }

        foreach (ThreadRun run in runs)
        {
            histogram?.Add(run.Histogram!);
        }

        double elapsed = Stopwatch.GetElapsedTime(
            runs.Min(run => run.StartedAt), runs.Max(run => run.EndedAt)).TotalNanoseconds;
        double operations = (double)callsPerThread * pattern.BlocksPerCall * threads;
        return new RoundResult(
            elapsed / operations,
            runs.Sum(run => run.CpuNanoseconds) / operations / threads,
            runs.Sum(run => run.AllocatedBytes) / operations,
            (allocatedAfter - allocatedBefore) / operations);
    }

    /// <summary>The middle value; the mean of the two middle ones of an even number.</summary>
    public static double Median(IEnumerable<double> values) => Quantile(values, 0.5);

    /// <summary>The value at a share (0 to 1) of the sorted ones, between two of them where it falls there.</summary>
    public static double Quantile(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
        {
            throw new ArgumentException("There is no median of nothing.", nameof(values));
        }

        double place = (sorted.Length - 1) * share;
        int below = (int)place;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((sorted[above] - sorted[below]) * (place - below));
    }

    /// <summary>One thread of a round.</summary>
    private sealed class ThreadRun(BenchWorker worker, BenchOffsets offsets)
    {
        private BenchOffsets _offsets = offsets;

        public BenchWorker Worker { get; } = worker;

        public Thread? Thread { get; private set; }

        public Exception? Failure { get; private set; }

        public LatencyHistogram? Histogram { get; private set; }

        public long StartedAt { get; private set; }

        public long EndedAt { get; private set; }

        public long AllocatedBytes { get; private set; }

        public double CpuNanoseconds { get; private set; }

        public void Start(
            Barrier ready, Barrier done, long calls, int blocksPerCall, bool timed, CancellationToken cancellation)
        {
            Histogram = timed ? new LatencyHistogram() : null;
            Thread = new Thread(() =>
            {
                try
                {
                    Worker.Begin(_offsets.PartStart);

                    // What a new thread's first calls set up isn't what is measured.
                    Loop(FirstCalls);
                    ready.SignalAndWait(cancellation);
                    long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
                    long cpuBefore = ThreadClock.ThreadNanoseconds();
                    StartedAt = Stopwatch.GetTimestamp();
                    if (Histogram is null)
                    {
                        Loop(calls);
                    }
                    else
                    {
                        TimedLoop(calls, blocksPerCall, Histogram);
                    }

                    EndedAt = Stopwatch.GetTimestamp();
                    CpuNanoseconds = ThreadClock.ThreadNanoseconds() - cpuBefore;
                    AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
                    done.SignalAndWait(cancellation);
                }
                catch (Exception exception) when (exception is IOException or ArgumentException or NotSupportedException
                    or OperationCanceledException)
                {
                    Failure = exception;
                    ready.RemoveParticipant();
                    done.RemoveParticipant();
                }
            })
            {
                Name = "pcache bench",
            };
            Thread.Start();
        }

        private void Loop(long calls)
        {
            for (long i = 0; i < calls; i++)
            {
                Worker.Execute(ref _offsets);
            }
        }

        private void TimedLoop(long calls, int blocksPerCall, LatencyHistogram histogram)
        {
            double nanosecondsPerTick = 1e9 / Stopwatch.Frequency / blocksPerCall;
            long before = Stopwatch.GetTimestamp();
            for (long i = 0; i < calls; i++)
            {
                Worker.Execute(ref _offsets);
                long after = Stopwatch.GetTimestamp();
                histogram.Record((long)((after - before) * nanosecondsPerTick));
                before = after;
            }
        }
    }
}
