using System.Diagnostics;
using System.Runtime.ExceptionServices;
using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Closing. Keeps true: nothing new begins after the close has begun; those who wait for room or a drain are told;
/// region and backing are disposed after the last operation in flight, on whatever thread that is, even when a call
/// of the backing hangs: the close as a whole takes no longer than it was told to, whatever hangs, and no interrupt
/// shortens it. What it throws is an <see cref="IOException"/>, whatever region or backing threw. One close; later
/// ones return at once.
/// </summary>
internal sealed class Closing(EngineParts parts, ICloseSteps steps)
{
    /// <summary>
    /// How long the close waits beyond its end for a region that is being let go: the next open shall find it
    /// free.
    /// </summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private int _begun;
    private Exception? _releaseFailure;
    private volatile bool _releasing; // the region, which takes the time of a few calls of the system

    /// <summary>Closes the device.</summary>
    /// <exception cref="IOException">Something failed, or wasn't done in time; the device is closed all the
    /// same.</exception>
    public void Close()
    {
        if (Interlocked.Exchange(ref _begun, 1) != 0)
        {
            return;
        }

        Activity? activity = PCacheActivities.StartClose();
        activity?.SetTag("pcache.cache.id", parts.Diagnostics.CacheId.ToString());
        var close = new CloseMonitor(parts.Options, parts.Diagnostics, parts.Store.Dirty);
        Exception? failure = null;
        steps.Save(close, ref failure);
        close.Begin(CloseStage.Releasing);
        Release(close);
        failure ??= Volatile.Read(ref _releaseFailure);
        TellClosed(activity, failure);
        close.Begin(CloseStage.Done);
        if (failure is IOException)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        if (failure is not null)
        {
            throw new PCacheException($"The cache was closed, and something failed: {failure.Message} What was "
                + $"acknowledged is in the cache.", failure);
        }
    }

    /// <summary>Whatever goes wrong, the close goes on, and tells the first error at its end.</summary>
    internal static void Try(Action action, ref Exception? failure)
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

    /// <summary>
    /// Lets nothing new begin, and waits for what is in flight, which lets go of region and backing at its end.
    /// </summary>
    private void Release(CloseMonitor close)
    {
        parts.Diagnostics.Stop();

        // Without a thread of the device's own only this thread may be left, and a backing may hang when it is
        // disposed: another thread goes last.
        bool alone = !steps.HasThread && parts.Options.Maintenance != MaintenanceMode.Manual;
        int last = alone ? parts.Gate.EnterShared() : 0;
        parts.Gate.Close(() => ReleaseAll(close));
        parts.Space.FailAll(OperationGate.Disposed());
        steps.Stop();
        if (alone)
        {
            new Thread(() => parts.Gate.Exit(last)) { IsBackground = true, Name = "PCache close" }.UnsafeStart();
        }

        if (steps.IsInsideStep)
        {
            return;
        }

        bool released = close.Wait(parts.Gate.Drained) || (_releasing && Uninterrupted.Wait(parts.Gate.Drained, Grace));
        if (!released)
        {
            Messages.CloseGaveUp(
                parts.Diagnostics.Logger, parts.Diagnostics.CacheId,
                (long)parts.Options.DisposeTimeout.TotalMilliseconds);
        }
    }

    private void TellClosed(Activity? activity, Exception? failure)
    {
        if (failure is null)
        {
            Messages.Closed(parts.Diagnostics.Logger, parts.Diagnostics.CacheId, parts.Store.Dirty.Bytes);
        }
        else
        {
            PCacheActivities.Fail(activity, failure);
            Messages.ClosedWithError(parts.Diagnostics.Logger, failure, parts.Diagnostics.CacheId);
        }

        PCacheActivities.End(activity);
    }

    /// <summary>Runs once, after the last operation in flight, on its thread: so it must not throw.</summary>
    private void ReleaseAll(CloseMonitor close)
    {
        _releasing = true;
        Exception? failure = null;
        Task stillReading = steps.Seal(close, ref failure);
        Try(parts.Store.Index.Dispose, ref failure);
        if (!parts.Options.LeaveRegionOpen)
        {
            Try(parts.Store.Region.Dispose, ref failure);
        }

        _releasing = false;
        Volatile.Write(ref _releaseFailure, failure);
        if (!parts.Options.LeaveBackingOpen && stillReading.IsCompleted)
        {
            Try(parts.Backing.Dispose, ref failure);
        }
        else if (!parts.Options.LeaveBackingOpen)
        {
            DisposeBackingAfter(stillReading);
        }

        parts.Claim?.Release();
        Volatile.Write(ref _releaseFailure, failure);
    }

    /// <summary>
    /// The backing is disposed once the call that hangs in it has returned, as it is behind an operation in flight.
    /// </summary>
    private void DisposeBackingAfter(Task call) => call.ContinueWith(
        _ =>
        {
            Exception? untold = null; // the close has returned
            Try(parts.Backing.Dispose, ref untold);
        },
        CancellationToken.None,
        TaskContinuationOptions.None,
        TaskScheduler.Default);
}
