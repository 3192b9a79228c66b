using PCache.Core.Primitives;

namespace PCache.Core.Upkeep;

/// <summary>
/// Drives maintenance steps from a thread of the device's own. Keeps true: it sleeps for as long as the last step
/// said, at most <c>longestSleep</c>, unless it is told of work (see <see cref="WorkSignal"/>); no interrupt ends the
/// thread, or keeps a wake-up from it; it sleeps on the device's clock, so a virtual clock drives it too.
/// </summary>
internal sealed class MaintenanceThread(
    WorkSignal work, Func<TimeSpan> step, Action onExit, TimeProvider clock, TimeSpan longestSleep)
{
    private volatile bool _stop;
    private bool _started;

    /// <summary>Starts it.</summary>
    public void Start()
    {
        _started = true;

        // Without the opener's execution context: the thread outlives whatever request that belongs to, and does
        // nothing on its behalf.
        new Thread(Run) { IsBackground = true, Name = "PCache maintenance" }.UnsafeStart();
    }

    /// <summary>Asks the thread to end after the step in progress.</summary>
    public void Stop()
    {
        _stop = true;
        work.TellNow();
        if (!_started)
        {
            _started = true;
            onExit();
        }
    }

    private void Run()
    {
        try
        {
            using ITimer timer = clock.CreateTimer(
                static state =>
                    ((WorkSignal)state!).TellNow(), work, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            while (!_stop)
            {
                // From before the step on: what is told while it looks for work makes the sleep below end at once.
                work.Listen();
                TimeSpan delay = _stop ? TimeSpan.Zero : step();
                if (delay == Timeout.InfiniteTimeSpan)
                {
                    work.Sleep();
                }
                else if (delay > TimeSpan.Zero && !_stop && work.TryDoze())
                {
                    timer.Change(delay < longestSleep ? delay : longestSleep, Timeout.InfiniteTimeSpan);
                    work.Sleep();
                    timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                }
                else
                {
                    work.StayAwake();
                }
            }
        }
        finally
        {
            onExit();
        }
    }
}
