using PCache.Core.Diagnostics;

namespace PCache.Core.Engine;

internal sealed partial class CacheEngine
{
    /// <summary>
    /// What goes wrong in the maintenance: failures, hanging calls of the backing, and what the state says of them. Keeps true: a failure is told to those who wait once it has come
    /// three times in a row, and shows in the state at once; what is forgotten has succeeded since; a call that hangs shows although this very thread hangs in it.
    /// </summary>
    private sealed partial class Maintenance
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

        public Exception? Error => _error;

        /// <summary>A part of the log that couldn't be read when it was needed; null once it was. Write-back and GC read at different places: neither knows what the other met.</summary>
        public Exception? LogDamage => _writebackDamage ?? _collectDamage;

        public int Failures => _retry.Failures;

        private bool GivesUp => Failures >= FailuresBeforeGivingUp;

        /// <summary>Why write-back doesn't get on, given whether there is anything dirty.</summary>
        public WritebackStall Stall(bool dirty, out Exception? error)
        {
            error = _error;
            bool pausedForAll = dirty && _paused && !_requests.AnyPending(collect: false) && !_requests.AnyPending(collect: true);
            if (error is not null)
            {
                return pausedForAll ? WritebackStall.Paused : _failing; // nothing is tried again until it is resumed
            }

            return _hanging && _engine._writeback.IsCallingBacking ? WritebackStall.BackingHanging : dirty && _paused ? WritebackStall.Paused : WritebackStall.None;
        }

        private void ForgetFailures()
        {
            _error = null;
            _retry.NoteSuccess();
            if (_failedSteps > 0)
            {
                Messages.MaintenanceRecovered(_engine._diagnostics.Logger, _engine._diagnostics.CacheId, _failedSteps);
                _failedSteps = 0;
            }
        }

        private TimeSpan NoteFailure(Exception error)
        {
            TimeSpan delay = _retry.NoteFailure();
            (_failing, string kind) = error switch
            {
                _ when ReferenceEquals(error, _engine._writeback.BackingError) => (WritebackStall.BackingFailing, ErrorKind.BackingWrite), // may be a cache itself, with such exceptions
                PCacheCorruptionException => (WritebackStall.LogDamaged, ErrorKind.DamagedLog),
                PCacheException => (WritebackStall.LogFull, ErrorKind.NoRoom),
                _ => (WritebackStall.MediumFailing, ErrorKind.Medium),
            };
            _error = error;
            _failedSteps++;
            _engine._diagnostics.NoteMaintenanceFailure(error, kind, _failedSteps, delay);
            if (GivesUp)
            {
                _engine._space.FailAll(new PCacheException($"Write-back can't make progress: {error.Message}", error));
                _requests.FailAll(new PCacheException($"Write-back can't make progress: {error.Message} Nothing is lost; what is dirty stays in the cache.", error));
            }

            return delay;
        }

        /// <summary>From here on the backing is called: if it completes nothing for long, the state tells.</summary>
        private void BeginWatch()
        {
            Volatile.Write(ref _watchedProgress, _engine._writeback.Progress);
            if (_thread is not null)
            {
                // Made on the device's own thread: a timer keeps the execution context that it was made in.
                _watch ??= _engine._clock.CreateTimer(static state => ((Maintenance)state!).Watch(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _watch.Change(HangsAfter, HangsAfter);
            }
        }

        private void EndWatch()
        {
            _watch?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _hanging = false;
        }

        /// <summary>The timer. A tick that comes as the calls end may set the flag once more; without a call under way it means nothing, and the end of the next watch takes it back.</summary>
        private void Watch()
        {
            long progress = _engine._writeback.Progress;
            bool hanging = progress == Interlocked.Exchange(ref _watchedProgress, progress) && _engine._writeback.IsCallingBacking;
            if (hanging != _hanging)
            {
                _hanging = hanging;
                _engine._monitor.Look();
            }
        }
    }
}
