using PCache.Core.Primitives;

namespace PCache.Core.Upkeep;

/// <summary>
/// When a failing backing is tried again: after 0.1 s, then twice as long each time, 30 s at most. Any thread.
/// </summary>
internal sealed class RetryDelay(TimeProvider clock)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private readonly SteadyLock _lock = new();
    private TimeSpan _next = First;
    private long? _until;
    private volatile int _failures;

    /// <summary>Failures since the last success, or since a caller asked for a try at once.</summary>
    public int Failures => _failures;

    /// <summary>Notes a failure; returns how long to wait.</summary>
    public TimeSpan NoteFailure()
    {
        using (_lock.Hold())
        {
            TimeSpan delay = _next;
            _next = _next * 2 < Longest ? _next * 2 : Longest;
            _until = clock.GetTimestamp() + (long)(delay.TotalSeconds * clock.TimestampFrequency);
            _failures++;
            return delay;
        }
    }

    /// <summary>Notes a success.</summary>
    public void NoteSuccess()
    {
        using (_lock.Hold())
        {
            _next = First;
            _until = null;
            _failures = 0;
        }
    }

    /// <summary>Lets the next try come at once.</summary>
    public void TryNow(bool forgetFailures)
    {
        using (_lock.Hold())
        {
            _until = null;
            _failures = forgetFailures ? 0 : _failures;
        }
    }

    /// <summary>How long the next try still has to wait; zero: it may come now.</summary>
    public TimeSpan Remaining(long now)
    {
        using (_lock.Hold())
        {
            return _until is long until && until > now ? clock.GetElapsedTime(now, until) : TimeSpan.Zero;
        }
    }
}
