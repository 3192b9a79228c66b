using PCache.Core.Diagnostics;
using PCache.Core.Ksets;
using PCache.Core.Writeback;

namespace PCache.Core.Upkeep;

/// <summary>
/// Which piece of work a maintenance step does. Keeps true: what a step doesn't get to, the next one does; a step
/// that did something is followed by another at once; pending keys are logged before they are written back, and
/// written back before they are collected; a caller that waits for a drain, or is about to cut the backing, is told
/// only once no journal that is done with is left. One step at a time.
/// </summary>
internal sealed class MaintenanceSteps
{
    /// <summary>
    /// How long it may take until waiters hear again of room that looks the same as when they last heard.
    /// </summary>
    private static readonly TimeSpan SameRoomAgain = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// How long a journal that is done with stays beside a clean backing: making one anew costs more than writing over
    /// it.
    /// </summary>
    private static readonly TimeSpan JournalKept = TimeSpan.FromSeconds(5);

    private readonly UpkeepParts _parts;
    private readonly MaintenanceRequests _requests;
    private readonly UpkeepTrouble _trouble;
    private readonly LogWriter _log;
    private readonly LogPositions _positions;
    private readonly TimeProvider _clock;
    private readonly PCacheOptions _options;
    private readonly bool _isManual;
    private readonly CancellationToken _stop;
    private readonly long _collectUntil;
    private volatile bool _paused;
    private long? _dirtySince;
    private long? _wroteAt;
    private long _announced = -1;
    private long _announcedAt;
    private bool _collectNext;
    private bool _recheckDamage;

    public MaintenanceSteps(
        UpkeepParts parts, MaintenanceRequests requests, UpkeepTrouble trouble, bool isManual, CancellationToken stop)
    {
        _parts = parts;
        _requests = requests;
        _trouble = trouble;
        _log = parts.Writer.Log;
        _positions = parts.Store.Positions;
        _clock = parts.Options.TimeProvider;
        _options = parts.Options;
        _isManual = isManual;
        _stop = stop;

        // Keys that were dead when the cache was opened leave the log as soon as may be: Linux refuses an image with
        // dead keys whose payload is gone.
        _collectUntil = parts.HasDeadKeys ? _positions.KeyHead.Distance : 0;
    }

    /// <summary>Whether write-back runs for explicit drains only. Any thread.</summary>
    public bool Paused
    {
        get => _paused;
        set => _paused = value;
    }

    /// <summary>Whether keys that were dead at the open still stand in the log.</summary>
    public bool HasDeadKeys => _positions.KeyTail.Distance < _collectUntil;

    /// <summary>Has the next step look at all damaged keys again. Any thread.</summary>
    public void RecheckDamage() => Volatile.Write(ref _recheckDamage, true);

    /// <summary>Does one piece of work. Returns when the next step is wanted; zero: at once.</summary>
    public TimeSpan Step()
    {
        TimeSpan next = Timeout.InfiniteTimeSpan;
        Wanted wanted = new(
            Space: _parts.Space.HasWaiters,
            Drain: _requests.AnyPending(collect: false),
            Collect: _requests.AnyPending(collect: true),
            OverThreshold: false);
        LookAtStorage(ref next);
        if (GiveBack() || LogPending(in wanted, ref next) || _log.PrepareNext())
        {
            return TimeSpan.Zero;
        }

        wanted = wanted with { OverThreshold = _parts.Alarm.IsOverThreshold };
        bool collect = ((wanted.Space || wanted.Collect || wanted.OverThreshold || HasDeadKeys)
            && _parts.Collector.HasWork)
            || (wanted.Collect && _parts.Collector.OlderKeyTailIsBehind);
        if (collect && (_collectNext || !WritebackIsDue(in wanted, ref next)))
        {
            _collectNext = false;
            Collect(wanted.Collect);

            // Who waits for room waits for all of what was written back already, before the next group and not behind
            // it.
            _collectNext = wanted.Space && _parts.Collector.HasWork;
            return TimeSpan.Zero;
        }

        _collectNext = collect;
        if (WriteBack(in wanted, ref next) || _parts.Discards.ForwardOne() || collect)
        {
            return TimeSpan.Zero;
        }

        if (wanted.Space)
        {
            if (MakeIndexRoom())
            {
                return TimeSpan.Zero;
            }

            AnnounceAgain(ref next);
        }

        return next;
    }

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b)
    {
        b = b > TimeSpan.Zero ? b : TimeSpan.FromMilliseconds(1);
        return a == Timeout.InfiniteTimeSpan || b < a ? b : a;
    }

    private void LookAtStorage(ref TimeSpan next)
    {
        if (_parts.Storage.LookIsDue)
        {
            _parts.Storage.Look();
        }

        if (_parts.Storage.IsInTrouble)
        {
            next = StorageWatch.LookEvery; // until it is whole again
        }
    }

    /// <summary>Segments without references, and what the index still shows of them.</summary>
    private bool GiveBack()
    {
        if (_parts.Collector.ReclaimOne(sweepMore: _parts.Store.Memory.IsFull))
        {
            AnnounceRoom();
            return true;
        }

        if (!_parts.Collector.SweepSome())
        {
            return false;
        }

        if (_parts.Store.Memory.IsBounded)
        {
            AnnounceRoom(); // for writers that wait because the index is too large
        }

        return true;
    }

    private bool LogPending(in Wanted wanted, ref TimeSpan next)
    {
        if (_log.OldestPending() is not { } age)
        {
            return false;
        }

        if (wanted.Space || wanted.Drain || wanted.Collect || age >= _options.KsetTimeout)
        {
            _log.AppendAll();
            return true;
        }

        next = Earlier(next, _options.KsetTimeout - age);
        return false;
    }

    /// <summary>Runs a group, if one is due. Returns whether another step should follow at once.</summary>
    private bool WriteBack(in Wanted wanted, ref TimeSpan next)
    {
        if (WritebackIsDue(in wanted, ref next))
        {
            WritebackOutcome outcome = RunGroup(pressing: wanted.Space || wanted.OverThreshold);
            _wroteAt = _clock.GetTimestamp();
            if (outcome == WritebackOutcome.NeedsBarrier)
            {
                _parts.Writeback.ForceBarrier();
                return true;
            }

            _requests.ReportProgress();
            CompleteRequests();
            if (outcome == WritebackOutcome.NoRoom && !_parts.Collector.HasWork)
            {
                throw new PCacheException("Damaged data has to be logged anew before anything behind it can leave the "
                    + "log, and the log has no room for it. Overwrite the damaged ranges, or give them up.");
            }

            return outcome == WritebackOutcome.Moved;
        }

        if (!_parts.Writeback.HasWork)
        {
            _dirtySince = null;
            _trouble.Forget(); // whatever failed is done by now
            TidyJournal(ref next);
            CompleteRequests();
        }

        return false;
    }

    private bool WritebackIsDue(in Wanted wanted, ref TimeSpan next)
    {
        if (Volatile.Read(ref _recheckDamage))
        {
            Volatile.Write(ref _recheckDamage, false);
            _parts.Writeback.Recheck();
        }

        bool any = _parts.Writeback.CanMove && (wanted.Any || _parts.Writeback.HasWork);
        if (!any && !_parts.Writeback.HasWork)
        {
            _dirtySince = null;
            return false;
        }

        long now = _clock.GetTimestamp();
        _dirtySince ??= now;
        if (!any || (_paused && !wanted.Drain && !wanted.Collect))
        {
            return false;
        }

        TimeSpan retryIn = _trouble.Retry.Remaining(now);
        if (retryIn > TimeSpan.Zero)
        {
            next = Earlier(next, retryIn);
            return false;
        }

        TimeSpan wait = wanted.Any ? TimeSpan.Zero : _options.WritebackDelay - _clock.GetElapsedTime(
            _dirtySince.Value, now);
        if (!wanted.Any && _wroteAt is { } wrote && _parts.Writeback.Level == BackingConsistency.Checkpoint)
        {
            TimeSpan untilNext = _options.CheckpointInterval - _clock.GetElapsedTime(wrote, now);
            wait = untilNext > wait ? untilNext : wait;
        }

        if (wait > TimeSpan.Zero)
        {
            next = Earlier(next, wait);
            return false;
        }

        return true;
    }

    /// <summary>
    /// Nothing is dirty: a journal that is done with goes, soon; before a caller that waits for a drain is told.
    /// </summary>
    private void TidyJournal(ref TimeSpan next)
    {
        if (_parts.Writeback.Journal is not { HasContent: true })
        {
            return;
        }

        TimeSpan left = _wroteAt is { } wrote ? JournalKept - _clock.GetElapsedTime(wrote) : TimeSpan.Zero;
        if (left > TimeSpan.Zero)
        {
            next = Earlier(next, left);
            return;
        }

        _parts.Writeback.TryEndJournal();
    }

    private WritebackOutcome RunGroup(bool pressing)
    {
        long begun = _parts.Diagnostics.Begin(PCacheMeter.WritebackDuration);
        WritebackOutcome outcome;
        _trouble.BeginWatch(byTimer: !_isManual);
        try
        {
            outcome = _parts.Writeback.RunGroup(pressing, _stop);
            _trouble.NoteWritebackDamage(null);
        }
        catch (PCacheCorruptionException e) when (!ReferenceEquals(e, _parts.Writeback.BackingError))
        {
            _trouble.NoteWritebackDamage(e);
            throw;
        }
        finally
        {
            _trouble.EndWatch();
        }

        _parts.Diagnostics.End(PCacheMeter.WritebackDuration, begun);
        if (outcome != WritebackOutcome.NoRoom)
        {
            _trouble.Forget();
        }

        return outcome;
    }

    private void Collect(bool forGood)
    {
        long begun = _parts.Diagnostics.Begin(PCacheMeter.GcDuration);
        try
        {
            if (_parts.Collector.Step(forGood))
            {
                AnnounceRoom();
            }

            _trouble.NoteCollectDamage(null);
        }
        catch (PCacheCorruptionException e)
        {
            _trouble.NoteCollectDamage(e);
            throw;
        }

        _parts.Diagnostics.End(PCacheMeter.GcDuration, begun);
        CompleteRequests();
    }

    private void CompleteRequests()
    {
        long collected = _positions.KeyTailOlder.Distance; // gone for good
        bool drained = !_parts.Writeback.HasWork && _requests.AnyPending(collect: false);
        if ((drained || _requests.AnyCollected(collected)) && !_parts.Writeback.TryEndJournal())
        {
            return; // the backing is about to be cut, and its journal knows what lies beyond: finished first
        }

        _requests.Complete(
            writtenBack: _positions.DirtyTail.Distance, collected, nothingLeft: !_parts.Writeback.CanMove);
    }

    /// <summary>There may be room.</summary>
    private void AnnounceRoom()
    {
        if (_parts.Space.HasWaiters)
        {
            _parts.Space.Signal(_parts.Writer.FreeBytes);
        }
    }

    /// <summary>
    /// A writer waits because the index has reached its bound, and there is nothing to write back or to collect now:
    /// what the index still holds is payload of open data heads, which are closed, so that collection can get at
    /// them, and extents of segments given back, which are swept. Returns whether there is something to do anew.
    /// </summary>
    private bool MakeIndexRoom() =>
        _parts.Store.Memory.IsFull && (_parts.Writer.Heads.RetireAll() || _parts.Collector.SweepAll());

    /// <summary>
    /// Room that another operation gave back is announced here. Where nothing has changed since the last time, it is
    /// announced only now and then: a waiter that finds none asks for a step, and the two would keep each other busy
    /// for as long as write-back is paused.
    /// </summary>
    private void AnnounceAgain(ref TimeSpan next)
    {
        long room = _parts.Writer.FreeBytes;
        TimeSpan since = _clock.GetElapsedTime(_announcedAt);
        if (_isManual || room != _announced || since >= SameRoomAgain)
        {
            _announced = room;
            _announcedAt = _clock.GetTimestamp();
            since = TimeSpan.Zero;
            AnnounceRoom();
        }

        if (!_isManual)
        {
            next = Earlier(next, SameRoomAgain - since);
        }
    }

    /// <summary>What is waited for.</summary>
    private readonly record struct Wanted(bool Space, bool Drain, bool Collect, bool OverThreshold)
    {
        public bool Any => Space || Drain || Collect || OverThreshold;
    }
}
