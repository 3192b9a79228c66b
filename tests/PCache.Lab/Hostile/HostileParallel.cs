using System.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Lab.Hostile;

/// <summary>
/// Images with consecutive seeds on several threads. Keeps true: each thread has base images of its own; no seed is
/// looked at twice or left out in between; after the first violation nothing new is begun.
/// </summary>
internal sealed class HostileParallel(int seed)
{
    private readonly SteadyLock _lock = new();
    private readonly List<HostileViolation> _violations = [];
    private int _next = seed - 1;

    /// <summary>Images so far; complete when <see cref="Run"/> has returned.</summary>
    public long Images { get; private set; }

    /// <summary>Images that were opened.</summary>
    public long Opened { get; private set; }

    /// <summary>Images that were opened for writing, and worked with.</summary>
    public long Sessions { get; private set; }

    /// <summary>The violations, as many as were found at once.</summary>
    public IReadOnlyList<HostileViolation> Violations => _violations;

    /// <summary>Runs, at least one image a thread.</summary>
    /// <param name="time">After this no image is begun.</param>
    /// <param name="threads">Threads, 1 or more.</param>
    /// <param name="progress">Called with what has passed of the time, from any thread; or null.</param>
    /// <param name="stop">Ends it early.</param>
    public void Run(TimeSpan time, int threads, Action<TimeSpan>? progress = null, CancellationToken stop = default)
    {
        long started = Stopwatch.GetTimestamp();
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ =>
        {
            using var run = new HostileRun(BaseImages.Make());
            do
            {
                if (run.Run(Interlocked.Increment(ref _next)) is HostileViolation violation)
                {
                    using (_lock.Hold())
                    {
                        _violations.Add(violation);
                    }
                }

                progress?.Invoke(Stopwatch.GetElapsedTime(started));
            }
            while (Stopwatch.GetElapsedTime(started) < time && !stop.IsCancellationRequested && !HasFailed());

            using (_lock.Hold())
            {
                Images += run.Images;
                Opened += run.Outcomes.GetValueOrDefault(HostileRun.OpenedOutcome);
                Sessions += run.Sessions;
            }
        });
    }

    private bool HasFailed()
    {
        using (_lock.Hold())
        {
            return _violations.Count > 0;
        }
    }
}
