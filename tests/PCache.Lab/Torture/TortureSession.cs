using System.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Lab.Torture;

/// <summary>
/// Workloads with consecutive seeds on several threads, for as long as one likes. Keeps true: each thread has machines
/// of its own, so what a seed does depends on nothing but the seed; after the first violation nothing new is begun; a
/// workload under way is finished, unless it gets stuck: then it is a violation, and left behind.
/// </summary>
internal sealed class TortureSession(int seed)
{
    private readonly SteadyLock _lock = new();
    private readonly TortureCounters _counters = new();
    private readonly List<TortureFailure> _failures = [];
    private int _next = seed - 1;

    /// <summary>The seed of the first workload.</summary>
    public int Seed => seed;

    /// <summary>Longest time without progress of a workload.</summary>
    public TimeSpan HangLimit { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>See <see cref="TortureRun.Sabotage"/>.</summary>
    public Action<World>? Sabotage { get; init; }

    /// <summary>What was done; complete when <see cref="Run"/> has returned.</summary>
    public TortureCounters Counters => _counters;

    /// <summary>The violations, as many as were found at once.</summary>
    public IReadOnlyList<TortureFailure> Failures => _failures;

    /// <summary>Runs, at least one workload.</summary>
    /// <param name="time">After this no workload is begun.</param>
    /// <param name="threads">Threads, 1 or more.</param>
    /// <param name="progress">Called with what has passed of the time, from any thread; or null.</param>
    /// <param name="stop">Ends it early.</param>
    public void Run(TimeSpan time, int threads, Action<TimeSpan>? progress = null, CancellationToken stop = default)
    {
        long started = Stopwatch.GetTimestamp();
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Work) { IsBackground = true })];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }

        foreach (Thread worker in workers)
        {
            worker.Join();
        }

        void Work()
        {
            var run = new TortureRun { HangLimit = HangLimit, Sabotage = Sabotage };
            do
            {
                TortureFailure? failure = run.Run(Interlocked.Increment(ref _next));
                if (failure is not null)
                {
                    using (_lock.Hold())
                    {
                        _failures.Add(failure);
                    }
                }

                progress?.Invoke(Stopwatch.GetElapsedTime(started));
            }
            while (Stopwatch.GetElapsedTime(started) < time && !stop.IsCancellationRequested && !HasFailed());

            using (_lock.Hold())
            {
                _counters.Add(run.Counters);
            }
        }
    }

    private bool HasFailed()
    {
        using (_lock.Hold())
        {
            return _failures.Count > 0;
        }
    }
}
