using System.Diagnostics;
using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Closing. Keeps true: every acknowledged write is in the log before the region is let go; nothing new begins after
/// the close has begun; whoever waits
/// for room or a drain is told; region and backing are disposed after the last operation in flight, on whatever thread
/// that is, even when a call of the
/// backing hangs: the close as a whole takes no longer than it was told to, whatever hangs, and no interrupt shortens
/// it. What it throws is an
/// <see cref="IOException"/>, whatever region or backing threw. What isn't drained by then stays dirty in the cache,
/// and is told. The fingerprint of the backing comes
/// last, when nothing changes the backing or the log any more; what goes wrong with it is no failure of the close.
/// </summary>
internal sealed partial class CacheEngine
{
    private readonly SteadyLock _closeLock = new();
    private bool _closing;
    private Exception? _releaseFailure;
    private volatile CloseMonitor? _close;
    private volatile bool _releasing; // the region, which takes the time of a few calls of the system

    /// <summary>
    /// How long the close waits beyond its end for a region that is being let go: whoever opens it next shall find it
    /// free.
    /// </summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    /// <summary>How long a close may take, or <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public TimeSpan DisposeTimeout => _options.DisposeTimeout;

    public void Close()
    {
        using (_closeLock.Hold())
        {
            if (_closing)
            {
                return;
            }

            _closing = true;
        }

        Activity? activity = PCacheActivities.StartClose();
        activity?.SetTag("pcache.cache.id", _diagnostics.CacheId.ToString());
        var close = new CloseMonitor(_options, _diagnostics, _dirty);
        _close = close;
        Exception? failure = null;
        if (!_options.ReadOnly)
        {
            if (_options.DrainOnDispose)
            {
                close.Begin(CloseStage.Draining);
                Try(() => DrainWithin(close), ref failure);
            }

            close.Begin(CloseStage.Flushing);
            if (GrowthUnflushed)
            {
                Try(() => RunWithin(close, Flush, "The backing hangs in a flush. Nothing is lost: what is dirty stays in the cache."), ref failure);
            }

            // Acknowledged writes, whatever the backing does; room for their keys is reserved.
            Try(() => RunWithin(_drainIsCheap ? null : close, _log.Flush, "The cache's file hangs in a synchronisation. What was flushed before is safe."), ref failure);
            _maintenance.CollectDeadKeys(close.Left);
            Try(CheckAtClose, ref failure);
        }

        close.Begin(CloseStage.Releasing);
        Release(close);
        failure ??= Volatile.Read(ref _releaseFailure);
        TellClosed(activity, failure);
        close.Begin(CloseStage.Done);
        if (failure is not null)
        {
            if (failure is IOException)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }

            throw new PCacheException($"The cache was closed, and something failed: {failure.Message} What was acknowledged is in the cache.", failure);
        }
    }

    /// <summary>
    /// Lets nothing new begin, and waits for what is in flight, which lets go of region and backing at its end.
    /// </summary>
    private void Release(CloseMonitor close)
    {
        _diagnostics.Stop();

        // Without a thread of the device's own nobody but this thread may be left, and a backing may hang when it is
        // disposed: somebody else goes last.
        bool alone = _maintenance is null && _options.Maintenance != MaintenanceMode.Manual;
        int last = alone ? _gate.EnterShared() : 0;
        _gate.Close(ReleaseAll);
        _space.FailAll(OperationGate.Disposed());
        _maintenance?.Stop();
        if (alone)
        {
            new Thread(() => _gate.Exit(last)) { IsBackground = true, Name = "PCache close" }.UnsafeStart();
        }

        if (_maintenance is { IsInsideStep: true })
        {
            return; // it is this very thread that is in flight
        }

        bool released = close.Wait(_gate.Drained);
        if (!released && _releasing)
        {
            released = Uninterrupted.Wait(_gate.Drained, Grace);
        }

        if (!released)
        {
            Messages.CloseGaveUp(_diagnostics.Logger, _diagnostics.CacheId, (long)_options.DisposeTimeout.TotalMilliseconds);
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

    /// <summary>Drains for as long as there is time.</summary>
    /// <exception cref="PCacheException">The time was over, or the backing keeps failing.</exception>
    private void DrainWithin(CloseMonitor close)
    {
        if (_maintenance.IsInsideStep)
        {
            throw new PCacheException($"The device was disposed from inside a call of the backing, where it can't be drained. {Kept()}");
        }

        TimeSpan left = close.Left;
        if (_maintenance.IsManual)
        {
            DrainByHand(left);
            return;
        }

        var stop = new CancellationTokenSource(); // not disposed: a drain that hangs still has its token
        Task drain = Task.Factory.StartNew(() => Drain(null, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (!close.Wait(drain, close.Reserve))
        {
            stop.Cancel();
            if (!Uninterrupted.Wait(drain, TimeSpan.FromTicks(close.Reserve.Ticks / 2)) || !drain.IsCompletedSuccessfully)
            {
                throw NotDrained();
            }
        }

        drain.GetAwaiter().GetResult();
    }

    private void DrainByHand(TimeSpan left)
    {
        using var stop = left == Timeout.InfiniteTimeSpan ? new CancellationTokenSource() : new CancellationTokenSource(left, _clock);
        try
        {
            Drain(null, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw NotDrained();
        }
    }

    private PCacheException NotDrained()
    {
        string how = _writeback.IsCallingBacking ? ": a call of the backing hasn't returned." : ".";
        return new PCacheException($"Not everything was written back within PCacheOptions.DisposeTimeout ({_options.DisposeTimeout.TotalSeconds:0.###} s){how} {Kept()}");
    }

    private string Kept() => $"Nothing is lost: {_dirty.Bytes} bytes stay dirty in the cache, safely, and go to the backing when it is opened again.";

    /// <summary>
    /// Makes a call that may hang in the backing or the medium, and waits no longer for it than the close may; then it
    /// goes on as an operation in flight.
    /// </summary>
    private void RunWithin(CloseMonitor? close, Action call, string whatHangs)
    {
        if (close is null || _maintenance.IsManual)
        {
            call();
            return;
        }

        Task running = Task.Factory.StartNew(call, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (!close.Wait(running))
        {
            throw new PCacheException(whatHangs);
        }

        running.GetAwaiter().GetResult();
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
            Try(_log.Flush, ref failure); // what operations in flight wrote while the close had begun
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

        _releasing = false;
        Volatile.Write(ref _releaseFailure, failure);

        if (!_options.LeaveBackingOpen && fingerprint.IsCompleted)
        {
            Try(_backing.Dispose, ref failure);
        }
        else if (!_options.LeaveBackingOpen)
        {
            DisposeBackingAfter(fingerprint);
        }

        Claim?.Release();
        Volatile.Write(ref _releaseFailure, failure);
    }
}
