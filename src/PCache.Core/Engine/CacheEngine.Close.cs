using System.Diagnostics;
using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Closing. Keeps true: every acknowledged write is in the log before the region is let go; nothing new begins after the close has begun; whoever waits
/// for room or a drain is told; region and backing are disposed after the last operation in flight, on whatever thread that is, even when a call of the
/// backing hangs: the close itself waits no longer than it was told to. The fingerprint of the backing comes last, when nothing changes the backing or the log
/// any more; what goes wrong with it is no failure of the close.
/// </summary>
internal sealed partial class CacheEngine
{
    private readonly Lock _closeLock = new();
    private bool _closing;
    private Exception? _releaseFailure;
    private long _releaseUntil; // milliseconds of the machine's clock; long.MaxValue: without end
    private volatile bool _releasing;

    /// <summary><see cref="PCacheOptions.DisposeTimeout"/>, as far as a wait of the system's can count: 24 days.</summary>
    private TimeSpan DisposeWait => _options.DisposeTimeout.TotalMilliseconds > int.MaxValue ? TimeSpan.FromMilliseconds(int.MaxValue) : _options.DisposeTimeout;

    public void Close()
    {
        lock (_closeLock)
        {
            if (_closing)
            {
                return;
            }

            _closing = true;
        }

        Activity? activity = PCacheActivities.StartClose();
        activity?.SetTag("pcache.cache.id", _diagnostics.CacheId.ToString());
        Exception? failure = null;
        if (!_options.ReadOnly)
        {
            if (_options.DrainOnDispose)
            {
                Try(DrainUnlessStuck, ref failure);
            }

            if (GrowthUnflushed)
            {
                Try(() => WaitFor(Task.Run(Flush)), ref failure);
            }

            // Acknowledged writes, whatever the backing does; room for their keys is reserved.
            Try(FlushAtClose, ref failure);
            _maintenance.CollectDeadKeys(DisposeWait);
        }

        _diagnostics.Stop();
        Volatile.Write(ref _releaseUntil, _options.DisposeTimeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)_options.DisposeTimeout.TotalMilliseconds);
        _gate.Close(ReleaseAll);
        _space.FailAll(OperationGate.Disposed());
        _maintenance?.Stop();
        if (_maintenance is not { IsInsideStep: true }) // else it is this very thread that is in flight
        {
            bool released = _gate.Drained.Wait(RuleSwitch.IsBroken(BrokenRule.CloseHangsWithBacking) ? Timeout.InfiniteTimeSpan : DisposeWait);
            if (!released && _releasing)
            {
                released = _gate.Drained.Wait(DisposeWait); // nothing is in flight: the time went into the fingerprint, which has been given up
            }

            if (!released)
            {
                Messages.CloseGaveUp(_diagnostics.Logger, _diagnostics.CacheId, (long)_options.DisposeTimeout.TotalMilliseconds);
            }
        }

        failure ??= Volatile.Read(ref _releaseFailure);
        TellClosed(activity, failure);
        if (failure is not null && !RuleSwitch.IsBroken(BrokenRule.CloseErrorIgnored))
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void TellClosed(Activity? activity, Exception? failure)
    {
        if (failure is null)
        {
            Messages.Closed(_diagnostics.Logger, _diagnostics.CacheId, _dirty.Bytes);
        }
        else
        {
            PCacheActivities.Fail(activity, failure);
            Messages.ClosedWithError(_diagnostics.Logger, failure, _diagnostics.CacheId);
        }

        PCacheActivities.End(activity);
    }

    private void FlushAtClose()
    {
        if (!RuleSwitch.IsBroken(BrokenRule.CloseDropsPendingKeys))
        {
            _log.Flush();
        }
    }

    /// <summary>Drains for as long as that gets on: within the time that the close may wait for an operation, each time.</summary>
    private void DrainUnlessStuck()
    {
        if (_maintenance.IsManual)
        {
            Drain(null, CancellationToken.None);
            return;
        }

        using var stop = new CancellationTokenSource();
        Task drain = Task.Factory.StartNew(() => Drain(null, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        long before;
        do
        {
            before = _positions.DirtyTail.Distance;
        }
        while (Task.WaitAny([drain], DisposeWait) < 0 && _positions.DirtyTail.Distance != before);
        stop.Cancel();
        WaitFor(drain);
    }

    /// <summary>Waits for a call that may hang in the backing, no longer than the close may; it goes on as an operation in flight.</summary>
    private void WaitFor(Task call)
    {
        if (Task.WaitAny([call], DisposeWait) < 0)
        {
            throw new IOException("The backing hangs. Nothing is lost: what is dirty stays in the cache.");
        }

        call.GetAwaiter().GetResult();
    }

    /// <summary>Whatever goes wrong, the close goes on, and tells the first error at its end.</summary>
    private static void Try(Action action, ref Exception? failure)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            failure ??= e;
        }
    }

    /// <summary>Runs once, after the last operation in flight, on its thread: so it must not throw.</summary>
    private void ReleaseAll()
    {
        _releasing = true;
        Exception? failure = null;
        Task fingerprint = Task.CompletedTask;
        if (!_options.ReadOnly)
        {
            Try(FlushAtClose, ref failure); // what operations in flight wrote while the close had begun
            if (failure is null)
            {
                fingerprint = KeepFingerprint();
            }
        }

        Try(_index.Dispose, ref failure);
        if (!_options.LeaveRegionOpen)
        {
            Try(_region.Dispose, ref failure);
        }

        if (!_options.LeaveBackingOpen && fingerprint.IsCompleted)
        {
            Try(_backing.Dispose, ref failure);
        }
        else if (!_options.LeaveBackingOpen)
        {
            DisposeBackingAfter(fingerprint);
        }

        Volatile.Write(ref _releaseFailure, failure);
    }
}
