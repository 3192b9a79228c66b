// A clock that stands still until the test moves it. Keeps true: timers fire only inside Advance, on the caller's
// thread, in the order in which they are due (equal times: in the order in which they were set), and see the clock at
// exactly their due time. No lock is held while a callback runs.

using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>A virtual clock with timers. Thread-safe.</summary>
public sealed class VirtualClock : TimeProvider
{
    private readonly SteadyLock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly DateTimeOffset _start;
    private long _elapsedTicks;
    private long _sequence;

    /// <summary>Makes a clock that shows <paramref name="start"/>, or else 1 January 2000.</summary>
    /// <param name="start">What it shows; null: 1 January 2000, 0:00 UTC.</param>
    public VirtualClock(DateTimeOffset? start = null) =>
        _start = start ?? new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Virtual time since the clock was made.</summary>
    public TimeSpan Elapsed => new(Volatile.Read(ref _elapsedTicks));

    /// <summary>How many timers are set.</summary>
    public int PendingTimers
    {
        get
        {
            using (_lock.Hold())
            {
                return _timers.Count;
            }
        }
    }

    /// <summary>How long until the next timer fires; null if none is set.</summary>
    public TimeSpan? UntilNextTimer
    {
        get
        {
            using (_lock.Hold())
            {
                return FindNext() is ManualTimer next
                    ? TimeSpan.FromTicks(Math.Max(0, next.DueTicks - _elapsedTicks))
                    : null;
            }
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _start + Elapsed;

    /// <inheritdoc/>
    public override long GetTimestamp() => Volatile.Read(ref _elapsedTicks);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        _ = timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>
    /// Moves the clock on, and runs every timer that is due up to then, also those that callbacks set meanwhile.
    /// Advances that run at the same time overlap: the clock ends at the latest of their ends. It never goes back.
    /// </summary>
    /// <param name="by">How far, zero or more. Zero runs what is due now.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="by"/> is negative.</exception>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        long target = Volatile.Read(ref _elapsedTicks) + by.Ticks;
        while (true)
        {
            ManualTimer? due;
            using (_lock.Hold())
            {
                due = FindNext();
                if (due is null || due.DueTicks > target)
                {
                    Volatile.Write(ref _elapsedTicks, Math.Max(_elapsedTicks, target));
                    return;
                }

                Volatile.Write(ref _elapsedTicks, Math.Max(_elapsedTicks, due.DueTicks));
                _ = _timers.Remove(due);
                if (due.PeriodTicks > 0)
                {
                    Set(due, due.DueTicks + due.PeriodTicks);
                }
            }

            due.Callback(due.State);
        }
    }

    /// <summary>Moves the clock to the next timer and runs what is due then. False if no timer is set.</summary>
    public bool AdvanceToNextTimer()
    {
        if (UntilNextTimer is not TimeSpan by)
        {
            return false;
        }

        Advance(by);
        return true;
    }

    private ManualTimer? FindNext() => _timers.MinBy(timer => (timer.DueTicks, timer.Sequence));

    private void Set(ManualTimer timer, long dueTicks)
    {
        timer.DueTicks = dueTicks;
        timer.Sequence = _sequence++;
        _timers.Add(timer);
    }

    private sealed class ManualTimer(VirtualClock owner, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public TimerCallback Callback { get; } = callback;

        public object? State { get; } = state;

        public long DueTicks { get; set; }

        public long PeriodTicks { get; private set; }

        public long Sequence { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(dueTime, Timeout.InfiniteTimeSpan);
            ArgumentOutOfRangeException.ThrowIfLessThan(period, Timeout.InfiniteTimeSpan);
            using (owner._lock.Hold())
            {
                if (_disposed)
                {
                    return false;
                }

                _ = owner._timers.Remove(this);
                PeriodTicks = Math.Max(0, period.Ticks);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    owner.Set(this, owner._elapsedTicks + dueTime.Ticks);
                }

                return true;
            }
        }

        public void Dispose()
        {
            using (owner._lock.Hold())
            {
                _disposed = true;
                _ = owner._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
