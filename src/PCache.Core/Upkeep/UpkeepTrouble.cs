using PCache.Core.Diagnostics;

namespace PCache.Core.Upkeep;

/// <summary>
/// What goes wrong in the maintenance: failures, hanging calls of the backing, and what the state says of them. Keeps
/// true: a failure is told to those who wait once it has come three times in a row, and shows in the state at once;
/// what is forgotten has succeeded since; a call that hangs shows although the maintenance thread itself hangs in it.
/// Any thread reads; the maintenance writes.
/// </summary>
internal sealed class UpkeepTrouble(UpkeepParts parts, MaintenanceRequests requests)
{
    /// <summary>How long the backing may take for a single call before that counts as hanging.</summary>
    private static readonly TimeSpan HangsAfter = TimeSpan.FromSeconds(30);

    /// <summary>Failures in a row after which those who wait for write-back are told so.</summary>
    private const int FailuresBeforeGivingUp = 3;

    private volatile Exception? _error;
    private volatile WritebackStall _failing;
    private volatile Exception? _writebackDamage;
    private volatile Exception? _collectDamage;
    private volatile bool _hanging;
    private volatile int _failedSteps;
    private ITimer? _watch;
    private long _watchedProgress;

    /// <summary>When a failing backing is tried again.</summary>
    public RetryDelay Retry { get; } = new(parts.Options.TimeProvider);

    /// <summary>The last failure; null: what failed has succeeded since.</summary>
    public Exception? Error => _error;

    /// <summary>
    /// A part of the log that couldn't be read when it was needed; null once it was. Write-back and collection read
    /// at different places: neither knows what the other met.
    /// </summary>
    public Exception? LogDamage => _writebackDamage ?? _collectDamage;

    /// <summary>Failures since the last success.</summary>
    public int Failures => Retry.Failures;

    /// <summary>Whether those who wait are told.</summary>
    public bool GivesUp => Failures >= FailuresBeforeGivingUp;

    /// <summary>Why write-back doesn't get on.</summary>
    /// <param name="paused">Whether it is paused and there is something dirty.</param>
    /// <param name="error">The failure, if that is why.</param>
    public WritebackStall Stall(bool paused, out Exception? error)
    {
        error = _error;
        if (error is not null)
        {
            bool forAll = paused && !requests.AnyPending(collect: false) && !requests.AnyPending(collect: true);
            return forAll ? WritebackStall.Paused : _failing; // nothing is tried again until it is resumed
        }

        return _hanging && parts.Writeback.IsCallingBacking ? WritebackStall.BackingHanging
            : paused ? WritebackStall.Paused
            : WritebackStall.None;
    }

    /// <summary>Write-back succeeded, or there is nothing left to write back.</summary>
    public void Forget()
    {
        _error = null;
        Retry.NoteSuccess();
        if (_failedSteps > 0)
        {
            Messages.MaintenanceRecovered(parts.Diagnostics.Logger, parts.Diagnostics.CacheId, _failedSteps);
            _failedSteps = 0;
        }
    }

    /// <summary>A step failed. Returns how long the next one waits.</summary>
    public TimeSpan Note(Exception error)
    {
        TimeSpan delay = Retry.NoteFailure();
        (_failing, string kind) = error switch
        {
            // The backing may be a cache itself, with such exceptions.
            _ when ReferenceEquals(error, parts.Writeback.BackingError) =>
                (WritebackStall.BackingFailing, ErrorKind.BackingWrite),
            PCacheCorruptionException => (WritebackStall.LogDamaged, ErrorKind.DamagedLog),
            PCacheException => (WritebackStall.LogFull, ErrorKind.NoRoom),
            _ => (WritebackStall.MediumFailing, ErrorKind.Medium),
        };
        _error = error;
        _failedSteps++;
        parts.Diagnostics.NoteMaintenanceFailure(error, kind, _failedSteps, delay);
        if (GivesUp)
        {
            string what = $"Write-back can't make progress: {error.Message}";
            parts.Space.FailAll(new PCacheException(what, error));
            requests.FailAll(new PCacheException($"{what} Nothing is lost; what is dirty stays in the cache.", error));
        }

        return delay;
    }

    /// <summary>Write-back read the log: whether it could.</summary>
    public void NoteWritebackDamage(PCacheCorruptionException? damage) => _writebackDamage = damage;

    /// <summary>Collection read the log: whether it could.</summary>
    public void NoteCollectDamage(PCacheCorruptionException? damage) => _collectDamage = damage;

    /// <summary>From here on the backing is called: if it completes nothing for long, the state tells.</summary>
    /// <param name="byTimer">Whether there is a thread that a hanging call would hold.</param>
    public void BeginWatch(bool byTimer)
    {
        Volatile.Write(ref _watchedProgress, parts.Writeback.Progress);
        if (byTimer)
        {
            // Made on the device's own thread: a timer keeps the execution context that it was made in.
            _watch ??= parts.Options.TimeProvider.CreateTimer(
                static state =>
                    ((UpkeepTrouble)state!).Watch(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _watch.Change(HangsAfter, HangsAfter);
        }
    }

    /// <summary>The backing isn't called any more.</summary>
    public void EndWatch()
    {
        _watch?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _hanging = false;
    }

    /// <summary>The device is being closed.</summary>
    public void Stop() => _watch?.Dispose();

    /// <summary>
    /// The timer. A tick that comes as the calls end may set the flag once more; without a call under way it means
    /// nothing, and the end of the next watch takes it back.
    /// </summary>
    private void Watch()
    {
        long progress = parts.Writeback.Progress;
        bool hanging = progress == Interlocked.Exchange(ref _watchedProgress, progress)
            && parts.Writeback.IsCallingBacking;
        if (hanging != _hanging)
        {
            _hanging = hanging;
            parts.Monitor.Look();
        }
    }
}
