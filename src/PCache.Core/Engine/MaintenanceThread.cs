namespace PCache.Core.Engine;

/// <summary>
/// Drives maintenance steps from a thread of the device's own. Keeps true: no wake-up is lost (work noted before or during a step makes another step
/// follow); it sleeps on the device's clock, so a virtual clock drives it too; stopping waits for the step in progress, which sees the cancellation.
/// </summary>
internal sealed class MaintenanceThread
{
    private readonly Func<TimeSpan> _step;
    private readonly Action _onExit;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _asleep;
    private volatile bool _stop;
    private bool _started;

    public MaintenanceThread(Func<TimeSpan> step, Action onExit, TimeProvider clock)
    {
        _step = step;
        _onExit = onExit;
        _clock = clock;
    }

    /// <summary>Completes when the thread has ended.</summary>
    public Task Ended => _ended.Task;

    public void Start()
    {
        _started = true;
        new Thread(Run) { IsBackground = true, Name = "PCache maintenance" }.Start();
    }

    /// <summary>There may be work. Cheap: one read when the thread is awake.</summary>
    public void Wake()
    {
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
        {
            _wake.Release();
        }
    }

    /// <summary>Asks the thread to end after the step in progress.</summary>
    public void Stop()
    {
        _stop = true;
        Wake();
        if (!_started)
        {
            _started = true;
            _onExit();
            _ended.TrySetResult();
        }
    }

    private void Run()
    {
        try
        {
            using ITimer timer = _clock.CreateTimer(static state => ((MaintenanceThread)state!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            while (!_stop)
            {
                // Asleep is set before the step looks for work: what is noted from here on wakes the thread, or makes it skip the sleep.
                Interlocked.Exchange(ref _asleep, 1);
                TimeSpan delay = _stop ? TimeSpan.Zero : _step();
                if (delay == TimeSpan.Zero || _stop)
                {
                    if (Interlocked.Exchange(ref _asleep, 0) == 0)
                    {
                        _wake.Wait(); // the wake-up that came during the step
                    }

                    continue;
                }

                timer.Change(delay, Timeout.InfiniteTimeSpan);
                _wake.Wait();
                timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
        finally
        {
            _onExit();
            _ended.TrySetResult();
        }
    }
}
