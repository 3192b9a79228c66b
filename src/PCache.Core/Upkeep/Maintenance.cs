using PCache.Core.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Writeback;

namespace PCache.Core.Engine;

internal sealed partial class CacheEngine
{
    /// <summary>
    /// The one maintenance state machine: each step does one piece (kset timer, a reclaimed segment, a write-back group, some ksets of GC, a forwarded
    /// discard) and says when it wants to run next.
    /// </summary>
    /// <remarks>
    /// Keeps true: one step at a time; what writers wait for goes first (pending keys are logged, then write-back and GC run regardless of thresholds and
    /// delays); a failing backing is tried again after growing delays, never in a hot loop, and whoever waits on it is told; no step loses anything; no step
    /// runs inside a step (see <see cref="IsInsideStep"/>).
    /// </remarks>
    private sealed partial class Maintenance
    {
        /// <summary>Work that comes during a sleep with an end waits no longer than this, whatever the sleep was for.</summary>
        private static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(1);

        /// <summary>How long it may take until waiters hear again of room that looks the same as when they last heard.</summary>
        private static readonly TimeSpan SameRoomAgain = TimeSpan.FromMilliseconds(50);

        private readonly CacheEngine _engine;
        private readonly MaintenanceThread? _thread;
        private readonly SteadyLock _stepLock = new();
        private readonly MaintenanceRequests _requests = new();
        private readonly RetryDelay _retry;
        private readonly CancellationTokenSource _stop = new();
        private volatile bool _paused;
        private readonly long _collectUntil;
        private long? _dirtySince;
        private long _announced = -1;
        private long _announcedAt;
        private bool _collectNext;
        private bool _recheckDamage;
        private bool _stepFailed;

        public Maintenance(CacheEngine engine)
        {
            _engine = engine;
            _retry = new RetryDelay(engine._clock);
            _paused = engine._options.StartWritebackPaused;

            // Keys that were dead when the cache was opened leave the log as soon as may be: Linux refuses an image with dead keys whose payload is gone.
            _collectUntil = engine.Report.DeadKeys > 0 ? engine._positions.KeyHead.Distance : 0;
            if (engine._options.Maintenance == MaintenanceMode.OwnThread)
            {
                int token = engine._gate.EnterShared(); // the thread is an operation in flight: the region outlives it
                _thread = new MaintenanceThread(StepGuarded, () => engine._gate.Exit(token), engine._clock, TimeSpan.FromTicks(Math.Min(engine._options.KsetTimeout.Ticks, LongestSleep.Ticks)));
            }
        }

        public bool IsManual => _thread is null;

        /// <summary>Whether a step is running on this very thread: the backing (or a progress callback) has called back into the device.</summary>
        public bool IsInsideStep => _stepLock.IsHeldByCurrentThread;

        public bool Paused
        {
            get => _paused;
            set
            {
                _paused = value;
                NoteUrgentWork();
            }
        }

        public void Start() => _thread?.Start();

        /// <summary>There may be something to do some time.</summary>
        public void NoteWork() => _thread?.Wake();

        /// <summary>There is something to do now: somebody waits, or a setting has changed.</summary>
        public void NoteUrgentWork() => _thread?.WakeNow();

        /// <summary>
        /// A segment was begun. The thread may be dozing until a timer, and a fast writer fills a cache within that time: it is woken where write-back is meant to begin at
        /// once, or has to begin because the cache fills up.
        /// </summary>
        public void NoteSegmentOpened()
        {
            CacheEngine e = _engine;
            if (e._options.WritebackDelay < LongestSleep || e._segments.UsedCount * 100L >= (long)Volatile.Read(ref e._gcPercent) * e._segments.Count)
            {
                NoteUrgentWork();
            }
        }

        /// <summary>Damaged data was given up.</summary>
        public void RecheckDamage()
        {
            Volatile.Write(ref _recheckDamage, true);
            NoteUrgentWork();
        }

        /// <summary>Stops between two backing operations, and tells whoever waits for write-back. The thread counts as an operation in flight until it has ended.</summary>
        public void Stop()
        {
            _stop.Cancel();
            _watch?.Dispose();
            _thread?.Stop();
            _requests.FailAll(OperationGate.Disposed());
        }

        /// <summary>Asks for everything logged before <paramref name="distance"/> to be written back, or (collect) to be passed by GC too.</summary>
        public Task Ask(long distance, bool collect, Action? onProgress = null, Action? onReached = null)
        {
            Task done = _requests.Add(distance, collect, onProgress, onReached);
            if (_stop.IsCancellationRequested)
            {
                _requests.FailAll(OperationGate.Disposed());
            }

            if (collect)
            {
                Volatile.Write(ref _recheckDamage, true); // what was logged anew before has to be passed once more
            }

            _retry.TryNow(forgetFailures: true); // whoever asks anew wants a try now, whatever delay the last failure brought
            NoteUrgentWork();
            return done;
        }

        /// <summary>Withdraws a request.</summary>
        public void Withdraw(Task task) => _requests.Withdraw(task);

        /// <summary>Runs a step; throws for nobody.</summary>
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
                    delay = Step();
                    _stepFailed = false;
                }
                catch (OperationCanceledException) when (_stop.IsCancellationRequested)
                {
                    return Timeout.InfiniteTimeSpan;
                }
                catch (Exception e)
                {
                    _stepFailed = true;
                    delay = NoteFailure(e);
                }
            }

            _engine._monitor.Look();
            return delay;
        }

        /// <summary>Manual mode: somebody needs room or a drain, and there is no thread: runs a step now, whatever the clock says.</summary>
        /// <param name="wanted">What is waited for besides room; null: room only. Once it has completed, a step that found nothing more to do is no failure.</param>
        /// <exception cref="PCacheFullException">No step can get any further.</exception>
        public void StepInline(Task? wanted)
        {
            TimeSpan delay;
            bool failed;
            using (_stepLock.Hold())
            {
                // One hold of the lock: a step by hand on another thread that fails in between would put this one off again.
                _retry.TryNow(forgetFailures: false);
                delay = StepGuarded();
                failed = _stepFailed;
            }

            if (delay == TimeSpan.Zero || wanted is { IsCompleted: true })
            {
                return;
            }

            if (failed && GivesUp)
            {
                throw new PCacheFullException($"Write-back can't make progress: {_error?.Message}", _error!);
            }

            if (!failed)
            {
                throw new PCacheFullException(_paused
                    ? "There is no room, write-back is paused, and maintenance runs by hand only."
                    : "There is no room, and nothing is left to write back or to collect.");
            }
        }

        private TimeSpan Step()
        {
            CacheEngine e = _engine;
            bool spaceWanted = e._space.HasWaiters;
            bool drainWanted = _requests.AnyPending(collect: false);
            bool collectWanted = _requests.AnyPending(collect: true);
            TimeSpan next = Timeout.InfiniteTimeSpan;
            if (e.StorageLookIsDue)
            {
                e.LookAtStorage();
            }

            if (e.StorageIsInTrouble)
            {
                next = LookEvery; // until it is whole again
            }

            if (e._collector.ReclaimOne(sweepMore: e._memory.IsFull))
            {
                e.AnnounceRoom();
                return TimeSpan.Zero;
            }

            if (e._collector.SweepSome())
            {
                if (e._memory.IsBounded)
                {
                    e.AnnounceRoom(); // who waits because the index is too large
                }

                return TimeSpan.Zero;
            }

            if (e._log.OldestPending() is { } age)
            {
                if (spaceWanted || drainWanted || collectWanted || age >= e._options.KsetTimeout)
                {
                    e._log.AppendAll();
                    return TimeSpan.Zero;
                }

                next = Earlier(next, e._options.KsetTimeout - age);
            }

            if (e._log.PrepareNext())
            {
                return TimeSpan.Zero;
            }

            bool overThreshold = e._segments.UsedCount * 100L >= (long)e._gcPercent * e._segments.Count;
            bool deadKeys = e._positions.KeyTail.Distance < _collectUntil;
            bool collect = ((spaceWanted || collectWanted || overThreshold || deadKeys) && e._collector.HasWork) || (collectWanted && e._collector.OlderKeyTailIsBehind);
            if (collect && (_collectNext || !WritebackWanted(spaceWanted, drainWanted, collectWanted, overThreshold, ref next)))
            {
                _collectNext = false;
                Collect(collectWanted);

                // Who waits for room waits for all of what was written back already, before the next group and not behind it.
                _collectNext = spaceWanted && e._collector.HasWork;
                return TimeSpan.Zero;
            }

            _collectNext = collect;
            if (WritebackWanted(spaceWanted, drainWanted, collectWanted, overThreshold, ref next))
            {
                WritebackOutcome outcome = RunWriteback(pressing: spaceWanted || overThreshold);
                _requests.ReportProgress();
                CompleteRequests();
                if (outcome == WritebackOutcome.Moved)
                {
                    return TimeSpan.Zero;
                }

                if (outcome == WritebackOutcome.NoRoom && !e._collector.HasWork)
                {
                    throw new PCacheException("Damaged data has to be logged anew before anything behind it can leave the log, and the log has no room for it. Overwrite the damaged ranges, or give them up.");
                }
            }
            else if (!e._writeback.HasWork)
            {
                _dirtySince = null;
                ForgetFailures(); // whatever failed is done by now
                CompleteRequests();
            }

            if (!e._discards.IsEmpty && e.ForwardDiscard())
            {
                return TimeSpan.Zero;
            }

            if (collect)
            {
                return TimeSpan.Zero;
            }

            if (spaceWanted)
            {
                if (MakeIndexRoom())
                {
                    return TimeSpan.Zero;
                }

                AnnounceAgain(ref next);
            }

            return next;
        }

        /// <summary>
        /// Somebody waits because the index has reached its bound, and there is nothing to write back or to collect now: what the index still holds is payload of open data
        /// heads, which are closed, so that GC can get at them, and extents of segments given back, which are swept. Returns whether there is something to do anew.
        /// </summary>
        private bool MakeIndexRoom()
        {
            CacheEngine e = _engine;
            return e._memory.IsFull && (e._heads.RetireAll() || e._collector.SweepAll());
        }

        /// <summary>
        /// Room that another operation gave back is nobody else's to announce. Where nothing has changed since the last time, it is announced only now and then:
        /// a waiter that finds none asks for a step, and the two would keep each other busy for as long as write-back is paused.
        /// </summary>
        private void AnnounceAgain(ref TimeSpan next)
        {
            long room = _engine.FreeBytes;
            TimeSpan since = _engine._clock.GetElapsedTime(_announcedAt);
            if (IsManual || room != _announced || since >= SameRoomAgain)
            {
                _announced = room;
                _announcedAt = _engine._clock.GetTimestamp();
                since = TimeSpan.Zero;
                _engine.AnnounceRoom();
            }

            if (!IsManual)
            {
                next = Earlier(next, SameRoomAgain - since);
            }
        }

        private bool WritebackWanted(bool spaceWanted, bool drainWanted, bool collectWanted, bool overThreshold, ref TimeSpan next)
        {
            CacheEngine e = _engine;
            bool needed = spaceWanted || drainWanted || collectWanted || overThreshold;
            if (Volatile.Read(ref _recheckDamage))
            {
                Volatile.Write(ref _recheckDamage, false);
                e._writeback.Recheck();
            }

            bool any = needed ? e._writeback.CanMove : e._writeback.HasWork && e._writeback.CanMove;
            if (!any && !e._writeback.HasWork)
            {
                _dirtySince = null;
                return false;
            }

            long now = e._clock.GetTimestamp();
            _dirtySince ??= now;
            if (!any || (_paused && !drainWanted && !collectWanted))
            {
                return false;
            }

            TimeSpan retryIn = _retry.Remaining(now);
            if (retryIn > TimeSpan.Zero)
            {
                next = Earlier(next, retryIn);
                return false;
            }

            TimeSpan waited = e._clock.GetElapsedTime(_dirtySince.Value, now);
            if (!needed && waited < e._options.WritebackDelay)
            {
                next = Earlier(next, e._options.WritebackDelay - waited);
                return false;
            }

            return true;
        }

        private WritebackOutcome RunWriteback(bool pressing)
        {
            long begun = _engine._diagnostics.Begin(PCacheMeter.WritebackDuration);
            WritebackOutcome outcome;
            BeginWatch();
            try
            {
                outcome = _engine._writeback.RunGroup(pressing, _stop.Token);
                _writebackDamage = null;
            }
            catch (PCacheCorruptionException e) when (!ReferenceEquals(e, _engine._writeback.BackingError))
            {
                _writebackDamage = e;
                throw;
            }
            finally
            {
                EndWatch();
            }

            _engine._diagnostics.End(PCacheMeter.WritebackDuration, begun);
            if (outcome != WritebackOutcome.NoRoom)
            {
                ForgetFailures();
            }

            return outcome;
        }

        private void Collect(bool forGood)
        {
            long begun = _engine._diagnostics.Begin(PCacheMeter.GcDuration);
            try
            {
                if (_engine._collector.Step(forGood))
                {
                    _engine.AnnounceRoom();
                }

                _collectDamage = null;
            }
            catch (PCacheCorruptionException e)
            {
                _collectDamage = e;
                throw;
            }

            _engine._diagnostics.End(PCacheMeter.GcDuration, begun);

            CompleteRequests();
        }

        private void CompleteRequests() => _requests.Complete(
            writtenBack: _engine._positions.DirtyTail.Distance,
            collected: _engine._positions.KeyTailOlder.Distance, // gone for good
            nothingLeft: !_engine._writeback.CanMove);

        private static TimeSpan Earlier(TimeSpan a, TimeSpan b)
        {
            b = b > TimeSpan.Zero ? b : TimeSpan.FromMilliseconds(1);
            return a == Timeout.InfiniteTimeSpan || b < a ? b : a;
        }
    }
}
