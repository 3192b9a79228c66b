// Keeps true: all targets of a pattern run interleaved in one process, with the same offsets in the same round, in an order that rotates; nothing is allocated
// in a measuring loop; a ratio is the median of the rounds' ratios.
using System.Diagnostics;

namespace PCache.Tool.Bench;

/// <summary>What one target did in one round.</summary>
/// <param name="NanosecondsPerOperation">Of all threads together: wall time by operations.</param>
/// <param name="AllocatedBytesPerOperation">Managed heap, by the measuring threads.</param>
internal readonly record struct RoundResult(double NanosecondsPerOperation, double AllocatedBytesPerOperation);

/// <summary>Measures targets side by side.</summary>
internal sealed class BenchRunner(BenchPattern pattern, long lengthBytes, int threads, CancellationToken cancellation)
{
    /// <summary>Runs one round: operations without timestamps, or each one into the histogram.</summary>
    public RoundResult Run(BenchTarget target, int round, long operationsPerThread, LatencyHistogram? histogram)
    {
        cancellation.ThrowIfCancellationRequested();
        var workers = new BenchWorker[threads];
        var histograms = new LatencyHistogram[threads];
        var starts = new long[threads];
        var ends = new long[threads];
        var allocated = new long[threads];
        var failures = new Exception?[threads];
        var running = new Thread[threads];
        try
        {
            using var barrier = new Barrier(threads);
            for (int i = 0; i < threads; i++)
            {
                workers[i] = target.CreateWorker();
                histograms[i] = new LatencyHistogram();
            }

            for (int i = 0; i < threads; i++)
            {
                int thread = i;
                running[i] = new Thread(() =>
                {
                    try
                    {
                        byte[] buffer = GC.AllocateUninitializedArray<byte>(pattern.BlockBytes, pinned: true);
                        Random.Shared.NextBytes(buffer);
                        var offsets = new BenchOffsets(pattern, lengthBytes, thread, threads, round);
                        barrier.SignalAndWait(cancellation);
                        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
                        starts[thread] = Stopwatch.GetTimestamp();
                        if (histogram is null)
                        {
                            Loop(workers[thread], ref offsets, buffer, operationsPerThread);
                        }
                        else
                        {
                            TimedLoop(workers[thread], ref offsets, buffer, operationsPerThread, histograms[thread]);
                        }

                        ends[thread] = Stopwatch.GetTimestamp();
                        allocated[thread] = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
                    }
                    catch (Exception exception) when (exception is IOException or ArgumentException or NotSupportedException or OperationCanceledException)
                    {
                        failures[thread] = exception;
                        barrier.RemoveParticipant();
                    }
                })
                {
                    Name = "pcache bench",
                };
                running[i].Start();
            }

            foreach (Thread thread in running)
            {
                thread.Join();
            }

            if (Array.Find(failures, failure => failure is not null) is Exception first)
            {
                throw first is OperationCanceledException ? first : ToolException.Refused($"{target.Name}: {ErrorReport.OneLine(first.Message)}", first);
            }
        }
        finally
        {
            foreach (BenchWorker? worker in workers)
            {
                worker?.Dispose();
            }
        }

        if (histogram is not null)
        {
            foreach (LatencyHistogram one in histograms)
            {
                histogram.Add(one);
            }
        }

        double elapsed = Stopwatch.GetElapsedTime(starts.Min(), ends.Max()).TotalNanoseconds;
        double operations = (double)operationsPerThread * threads;
        return new RoundResult(elapsed / operations, allocated.Sum() / operations);
    }

    /// <summary>The middle value; the mean of the two middle ones of an even number.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
        {
            throw new ArgumentException("There is no median of nothing.", nameof(values));
        }

        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private void Loop(BenchWorker worker, ref BenchOffsets offsets, byte[] buffer, long operations)
    {
        if (pattern.IsWrite)
        {
            for (long i = 0; i < operations; i++)
            {
                worker.Write(offsets.Next(), buffer);
            }
        }
        else
        {
            for (long i = 0; i < operations; i++)
            {
                worker.Read(offsets.Next(), buffer);
            }
        }
    }

    private void TimedLoop(BenchWorker worker, ref BenchOffsets offsets, byte[] buffer, long operations, LatencyHistogram histogram)
    {
        bool isWrite = pattern.IsWrite;
        double nanosecondsPerTick = 1e9 / Stopwatch.Frequency;
        long before = Stopwatch.GetTimestamp();
        for (long i = 0; i < operations; i++)
        {
            long offset = offsets.Next();
            if (isWrite)
            {
                worker.Write(offset, buffer);
            }
            else
            {
                worker.Read(offset, buffer);
            }

            long after = Stopwatch.GetTimestamp();
            histogram.Record((long)((after - before) * nanosecondsPerTick));
            before = after;
        }
    }
}
