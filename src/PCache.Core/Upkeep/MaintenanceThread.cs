using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Drives maintenance steps from a thread of the device's own.
/// </summary>
/// <remarks>
/// Keeps true: no urgent wake-up is lost (one that comes before or during a step makes another step follow). Ordinary ones only end a sleep without end:
/// a sleep with an end is no longer than <c>longestSleep</c>, and the next step sees what came meanwhile; so a busy writer doesn't wake
/// the thread for every write. No interrupt ends the thread, or keeps a wake-up from it. It sleeps on the device's clock, so a virtual clock drives it too.
/// </remarks>
internal sealed class MaintenanceThread(Func<TimeSpan> step, Action onExit, TimeProvider clock, TimeSpan longestSleep)
{
    private const int Awake = 0;
    private const int Listening = 1; // in a step, or asleep without end
    private const int Dozing = 2; // asleep until the timer

    private readonly AutoResetEvent _wake = new(false); // there is at most one wake-up that isn't taken yet
    private int _state;
    private volatile bool _stop;
    private bool _started;

    public void Start()
    {
        _started = true;

        // Without the opener's execution context: the thread outlives whatever request that belongs to, and does nothing on its behalf.
        new Thread(Run) { IsBackground = true, Name = "PCache maintenance" }.UnsafeStart();
    }

    /// <summary>There may be work before long. One read, mostly.</summary>
    public void Wake()
    {
        if (Volatile.Read(ref _state) == Listening && Interlocked.CompareExchange(ref _state, Awake, Listening) == Listening)
        {
            _wake.Set();
        }
    }

    /// <summary>There is work now.</summary>
    public void WakeNow()
    {
        if (Interlocked.Exchange(ref _state, Awake) != Awake)
        {
            _wake.Set();
        }
    }

    /// <summary>Asks the thread to end after the step in progress.</summary>
    public void Stop()
    {
        _stop = true;
        WakeNow();
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
            using ITimer timer = clock.CreateTimer(static state => ((MaintenanceThread)state!).WakeNow(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            while (!_stop)
            {
                // Listening from before the step on: what is noted while it looks for work makes the sleep below end at once.
                Interlocked.Exchange(ref _state, Listening);
                TimeSpan delay = _stop ? TimeSpan.Zero : step();
                if (delay == Timeout.InfiniteTimeSpan)
                {
                    Uninterrupted.WaitOne(_wake);
                }
                else if (delay > TimeSpan.Zero && !_stop && Interlocked.CompareExchange(ref _state, Dozing, Listening) == Listening)
                {
                    timer.Change(delay < longestSleep ? delay : longestSleep, Timeout.InfiniteTimeSpan);
                    Uninterrupted.WaitOne(_wake);
                    timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                }
                else if (Interlocked.Exchange(ref _state, Awake) == Awake)
                {
                    Uninterrupted.WaitOne(_wake); // takes the wake-up that came during the step
                }
            }
        }
        finally
        {
            onExit();
        }
    }
}
