namespace PCache.Core.Primitives;

/// <summary>
/// Tells the one thread that does a device's background work that there is some. Every class that makes work has it;
/// a device without such a thread has one that no thread listens to, and telling it costs a read.
/// </summary>
/// <remarks>
/// Keeps true: no urgent wake-up is lost: one that comes before or during a step makes <see cref="TryDoze"/> return
/// at once. Ordinary ones only end a sleep without end: a sleep with an end is short, and the step behind it sees
/// what came meanwhile; so a busy writer doesn't wake the thread for every write. Telling: any thread, under any
/// lock. Listening: one thread.
/// </remarks>
internal sealed class WorkSignal
{
    private const int Awake = 0;
    private const int Listening = 1; // in a step, or asleep without end
    private const int Dozing = 2; // asleep until a timer

    private readonly AutoResetEvent _wake = new(false); // there is at most one wake-up that isn't taken yet
    private int _state;

    /// <summary>There may be work before long. One read, mostly.</summary>
    public void Tell()
    {
        if (Volatile.Read(ref _state) == Listening
            && Interlocked.CompareExchange(ref _state, Awake, Listening) == Listening)
        {
            _wake.Set();
        }
    }

    /// <summary>There is work now.</summary>
    public void TellNow()
    {
        if (Interlocked.Exchange(ref _state, Awake) != Awake)
        {
            _wake.Set();
        }
    }

    /// <summary>The listener looks for work from here on: what is told now ends the sleep that follows.</summary>
    public void Listen() => Interlocked.Exchange(ref _state, Listening);

    /// <summary>The listener sleeps until anything is told.</summary>
    public void Sleep() => Uninterrupted.WaitOne(_wake);

    /// <summary>
    /// The listener is about to sleep until a timer, which calls <see cref="TellNow"/>. False: something was told
    /// meanwhile.
    /// </summary>
    public bool TryDoze() => Interlocked.CompareExchange(ref _state, Dozing, Listening) == Listening;

    /// <summary>
    /// The listener doesn't sleep: takes the wake-up that came since <see cref="Listen"/>, if there was one.
    /// </summary>
    public void StayAwake()
    {
        if (Interlocked.Exchange(ref _state, Awake) == Awake)
        {
            Uninterrupted.WaitOne(_wake);
        }
    }
}
