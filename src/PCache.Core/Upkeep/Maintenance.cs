using System.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Upkeep;

/// <summary>
/// The one maintenance state machine of a writable device: each step does one piece (kset timer, a reclaimed segment,
/// a write-back group, some ksets of collection, a forwarded discard) and says when it wants to run next.
/// </summary>
/// <remarks>
/// Keeps true: one step at a time; what writers wait for goes first (pending keys are logged, then write-back and
/// collection run regardless of thresholds and delays); a failing backing is tried again after growing delays, never
/// in a hot loop, and all who wait on it are told; no step loses anything; no step runs inside a step (see
/// <see cref="IsInsideStep"/>). Any thread, but for the steps.
/// </remarks>
internal sealed class Maintenance
{
    /// <summary>
    /// Work that comes during a sleep with an end waits no longer than this, whatever the sleep was for.
    /// </summary>
    public static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(1);

    /// <summary>How long a close waits for a step under way at a time: the step may hang in the backing.</summary>
    private static readonly TimeSpan StepPatience = TimeSpan.FromMilliseconds(20);

    private readonly UpkeepParts _parts;
    private readonly MaintenanceSteps _steps;
    private readonly MaintenanceThread? _thread;
    private readonly MaintenanceRequests _requests = new();
    private readonly SteadyLock _stepLock = new(LockRank.Step);
    private readonly CancellationTokenSource _stop = new();
    private bool _stepFailed;

    public Maintenance(UpkeepParts parts)
    {
        _parts = parts;
        Trouble = new UpkeepTrouble(parts, _requests);
        IsManual = parts.Options.Maintenance == MaintenanceMode.Manual;
        _steps = new MaintenanceSteps(
            parts, _requests, Trouble, IsManual, _stop.Token)
        { Paused = parts.Options.StartWritebackPaused };
        if (!IsManual)
        {
            int token = parts.Gate.EnterShared(); // the thread is an operation in flight: the region outlives it
            TimeSpan longest = TimeSpan.FromTicks(Math.Min(parts.Options.KsetTimeout.Ticks, LongestSleep.Ticks));
            _thread = new MaintenanceThread(
                parts.Work, StepGuarded, () => parts.Gate.Exit(token), parts.Options.TimeProvider, longest);
        }
    }

    /// <summary>What goes wrong.</summary>
    public UpkeepTrouble Trouble { get; }

    /// <summary>
    /// Whether steps run by hand, on the threads of those who need them; else on a thread of the device's own.
    /// </summary>
    public bool IsManual { get; }

    /// <summary>
    /// Whether a step is running on this very thread: the backing (or a progress callback) has called back into the
    /// device.
    /// </summary>
    public bool IsInsideStep => _stepLock.IsHeldByCurrentThread;

    /// <summary>Whether write-back runs for explicit drains only.</summary>
    public bool Paused
    {
        get => _steps.Paused;
        set
        {
            _steps.Paused = value;
            _parts.Work.TellNow();
        }
    }

    /// <summary>Why write-back doesn't get on, given whether there is anything dirty.</summary>
    public WritebackStall Stall(bool dirty, out Exception? error) => Trouble.Stall(dirty && Paused, out error);

    /// <summary>Starts the thread, where there is one.</summary>
    public void Start() => _thread?.Start();

    /// <summary>Damaged data was given up.</summary>
    public void RecheckDamage()
    {
        _steps.RecheckDamage();
        _parts.Work.TellNow();
    }

    /// <summary>
    /// Stops between two backing operations, and tells those who wait for write-back. The thread counts as an
    /// operation in flight until it has ended.
    /// </summary>
    public void Stop()
    {
        _stop.Cancel();
        Trouble.Stop();
        _thread?.Stop();
        _requests.FailAll(OperationGate.Disposed());
    }

    /// <summary>
    /// Asks for everything logged before <paramref name="distance"/> to be written back, or (collect) to be passed by
    /// collection too.
    /// </summary>
    public Task Ask(long distance, bool collect, Action? onProgress = null, Action? onReached = null)
    {
        Task done = _requests.Add(distance, collect, onProgress, onReached);
        if (_stop.IsCancellationRequested)
        {
            _requests.FailAll(OperationGate.Disposed());
        }

        if (collect)
        {
            _steps.RecheckDamage(); // what was logged anew before has to be passed once more
        }

        // a caller that asks again gets a try now, whatever delay the last failure brought
        Trouble.Retry.TryNow(forgetFailures: true);
        _parts.Work.TellNow();
        return done;
    }

    /// <summary>Withdraws a request.</summary>
    public void Withdraw(Task task) => _requests.Withdraw(task);

    /// <summary>Waits for a request; steps run here where they run by hand. Interrupted, it is withdrawn.</summary>
    /// <exception cref="PCacheFullException">By hand: no step can get any further.</exception>
    public void Await(Task task, CancellationToken cancellationToken)
    {
        try
        {
            StepUntil(task, cancellationToken);
            task.WaitAsync(cancellationToken).GetAwaiter().GetResult();
        }
        catch
        {
            Withdraw(task);
            throw;
        }
    }

    /// <inheritdoc cref="Await"/>
    public async Task AwaitAsync(Task task, CancellationToken cancellationToken)
    {
        try
        {
            StepUntil(task, cancellationToken);
            await task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Withdraw(task);
            throw;
        }
    }

    /// <summary>
    /// Refuses what would have to wait for a maintenance step, on the thread of a step that can't end before this
    /// call has returned.
    /// </summary>
    /// <param name="blocking">Whether the caller would block; else it waits on this thread only where steps run
    /// inline.</param>
    /// <exception cref="InvalidOperationException">A step runs on this thread.</exception>
    public void ThrowIfInsideStep(bool blocking)
    {
        if ((blocking || IsManual) && IsInsideStep)
        {
            throw new InvalidOperationException("A maintenance step is running on this thread, and this call has to "
                + "wait for another one: a backing that calls back into the device may read, write and flush only.");
        }
    }

    /// <summary>Runs a step. What fails in it shows in <see cref="Trouble"/>, and isn't thrown.</summary>
    /// <returns>When the next one is wanted.</returns>
    public TimeSpan StepGuarded()
    {
        if (_stop.IsCancellationRequested)
        {
            return Timeout.InfiniteTimeSpan;
        }

        TimeSpan delay;
        using (_stepLock.Hold())
        {
            try
            {
                delay = _steps.Step();
                _stepFailed = false;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return Timeout.InfiniteTimeSpan;
            }
            catch (Exception e)
            {
                _stepFailed = true;
                delay = Trouble.Note(e);
            }
        }

        _parts.Monitor.Look();
        return delay;
    }

    /// <summary>
    /// By hand: room or a drain is wanted, and there is no thread: runs a step now, whatever the clock says.
    /// </summary>
    /// <param name="wanted"> What is waited for besides room; null: room only. Once it has completed, a step that
    /// found nothing more to do is no failure.
    /// </param>
    /// <exception cref="PCacheFullException">No step can get any further.</exception>
    public void StepInline(Task? wanted)
    {
        TimeSpan delay;
        bool failed;
        using (_stepLock.Hold())
        {
            // One hold of the lock: a step by hand on another thread that fails in between would put this one off
            // again.
            Trouble.Retry.TryNow(forgetFailures: false);
            delay = StepGuarded();
            failed = _stepFailed;
        }

        if (delay == TimeSpan.Zero || wanted is { IsCompleted: true })
        {
            return;
        }

        if (failed && Trouble.GivesUp)
        {
            throw new PCacheFullException($"Write-back can't make progress: {Trouble.Error?.Message}", Trouble.Error!);
        }

        if (!failed)
        {
            throw new PCacheFullException(Paused
                ? "There is no room, write-back is paused, and maintenance runs by hand only."
                : "There is no room, and nothing is left to write back or to collect.");
        }
    }

    /// <summary>
    /// Takes keys that were dead when the cache was opened out of the log, for a close that comes before a step had
    /// the time: Linux refuses an image with dead keys whose payload is gone. Keeps true: only what is written back
    /// leaves the log; the backing isn't called; it takes no longer than <paramref name="limit"/>; what stays in (it
    /// stands behind the dirty tail, or the medium failed) is no loss and no failure of the close.
    /// </summary>
    public void CollectDeadKeys(TimeSpan limit)
    {
        long started = Stopwatch.GetTimestamp();
        while (!IsInsideStep
            && _steps.HasDeadKeys
            && _parts.Collector.HasWork
            && (limit == Timeout.InfiniteTimeSpan || Stopwatch.GetElapsedTime(started) < limit))
        {
            if (!_stepLock.TryEnter(StepPatience))
            {
                continue;
            }

            try
            {
                _parts.Collector.Step(forGood: true);
            }
            catch (IOException)
            {
                return;
            }
            finally
            {
                _stepLock.Exit();
            }
        }
    }

    private void StepUntil(Task task, CancellationToken cancellationToken)
    {
        while (IsManual && !task.IsCompleted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            StepInline(task);
        }
    }
}
