using PCache.Core.Diagnostics;
using PCache.Core.Ksets;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Waiting for room. Keeps true: synchronous and asynchronous writers stand in one queue, served in order of arrival; a waiting writer holds nothing;
/// it ends when there is room, when write-back can't get on, after the configured time-out, when cancelled or interrupted, or when the device is closed; a write from
/// inside a maintenance step, which would wait for itself, fails at once.
/// </summary>
internal sealed partial class CacheEngine
{
    private SpaceWaiter EnterQueue(long wantedBytes, out ITimer? timer)
    {
        _counters.Add(ThreadIndex.Current, DeviceCounter.SpaceWaits, 1);
        var waiter = new SpaceWaiter(wantedBytes, _diagnostics.Begin(PCacheMeter.SpaceWaitDuration));
        timer = null;
        if (_options.SpaceTimeout != Timeout.InfiniteTimeSpan)
        {
            timer = _clock.CreateTimer(
                static state => ((SpaceWaiter)state!).Fail(new TimeoutException("The cache was full, and no room came free within the configured time.")),
                waiter,
                _options.SpaceTimeout,
                Timeout.InfiniteTimeSpan);
        }

        // Last: what may throw comes before, and nobody but the caller can take the waiter out again.
        _space.Enter(waiter);
        if (_gate.IsClosed)
        {
            waiter.Fail(OperationGate.Disposed());
        }

        return waiter;
    }

    /// <summary>Room for payload that is free for sure, and has room in the log for its keys, however small they are.</summary>
    private long FreeBytes => Math.Min(_segments.FreeCount * (long)_segments.DataSize, Math.Max(0, _log.AvailableBytes) / LogWriter.WorstCaseKeyBytes * SectorSize);

    /// <summary>There may be room.</summary>
    private void AnnounceRoom()
    {
        if (_space.HasWaiters)
        {
            _space.Signal(FreeBytes);
        }
    }

    private void LeaveQueue(SpaceWaiter? waiter, ITimer? timer)
    {
        if (waiter is not null)
        {
            _space.Leave(waiter);
            Uninterrupted.Dispose(timer);
            _diagnostics.End(PCacheMeter.SpaceWaitDuration, waiter.Begun);
        }
    }

    private void WaitForRoom(SpaceWaiter waiter)
    {
        waiter.ThrowIfFailed();
        ThrowIfRoomCannotCome(blocking: true);
        if (_maintenance.IsManual)
        {
            _maintenance.StepInline(wanted: null);
        }
        else
        {
            _maintenance.NoteUrgentWork(); // what this writer itself has just written may be all there is to write back
            waiter.Wait();
        }
    }

    private ValueTask WaitForRoomAsync(SpaceWaiter waiter, CancellationToken cancellationToken)
    {
        waiter.ThrowIfFailed();
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfRoomCannotCome(blocking: false);
        if (_maintenance.IsManual)
        {
            _maintenance.StepInline(wanted: null);
            return ValueTask.CompletedTask;
        }

        _maintenance.NoteUrgentWork();
        return new ValueTask(waiter.WaitAsync(cancellationToken));
    }
}
