using PCache.Core.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Waiting for room. Keeps true: synchronous and asynchronous writers stand in one queue, served in order of arrival;
/// a waiting writer holds nothing; it ends when there is room, when write-back can't get on, after the configured
/// time-out, when cancelled or interrupted, or when the device is closed; a write from inside a maintenance step,
/// which would wait for itself, fails at once. Any thread.
/// </summary>
internal sealed class RoomWait(
    SpaceQueue space, Maintenance maintenance, OperationGate gate, WorkSignal work, CounterSet counters,
    DeviceDiagnostics diagnostics, PCacheOptions options)
{
    /// <summary>
    /// Stands at the end of the queue. The caller leaves it by <see cref="Leave"/>, however its wait ends.
    /// </summary>
    public SpaceWaiter Enter(long wantedBytes, out ITimer? timer)
    {
        counters.Add(ThreadIndex.Current, DeviceCounter.SpaceWaits, 1);
        var waiter = new SpaceWaiter(wantedBytes, diagnostics.Begin(PCacheMeter.SpaceWaitDuration));
        timer = null;
        if (options.SpaceTimeout != Timeout.InfiniteTimeSpan)
        {
            timer = options.TimeProvider.CreateTimer(
                static state => ((SpaceWaiter)state!).Fail(
                    new TimeoutException("The cache was full, and no room came free within the configured time.")),
                waiter,
                options.SpaceTimeout,
                Timeout.InfiniteTimeSpan);
        }

        // Last: what may throw comes before, and only the caller takes the waiter out again.
        space.Enter(waiter);
        if (gate.IsClosed)
        {
            waiter.Fail(OperationGate.Disposed());
        }

        return waiter;
    }

    /// <summary>Leaves the queue.</summary>
    public void Leave(SpaceWaiter waiter, ITimer? timer)
    {
        space.Leave(waiter);
        Uninterrupted.Dispose(timer);
        diagnostics.End(PCacheMeter.SpaceWaitDuration, waiter.Begun);
    }

    /// <summary>Waits until there may be room.</summary>
    /// <exception cref="PCacheFullException">There will be none, or not in time.</exception>
    /// <exception cref="ObjectDisposedException">The device is being closed.</exception>
    public void Wait(SpaceWaiter waiter)
    {
        if (!TryMakeRoom(waiter, blocking: true))
        {
            waiter.Wait();
        }
    }

    /// <inheritdoc cref="Wait"/>
    public ValueTask WaitAsync(SpaceWaiter waiter, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TryMakeRoom(waiter, blocking: false)
            ? ValueTask.CompletedTask
            : new ValueTask(waiter.WaitAsync(cancellationToken));
    }

    /// <summary>
    /// By hand: runs a step (true). Else tells the maintenance that room is wanted, which the caller has to wait for.
    /// </summary>
    private bool TryMakeRoom(SpaceWaiter waiter, bool blocking)
    {
        waiter.ThrowIfFailed();
        if ((blocking || maintenance.IsManual) && maintenance.IsInsideStep)
        {
            throw new PCacheFullException("There is no room, and the maintenance step that would make some is running "
                + "on this thread: the write came from inside a call of the backing.");
        }

        if (maintenance.IsManual)
        {
            maintenance.StepInline(wanted: null);
            return true;
        }

        work.TellNow(); // what this writer itself has just written may be all there is to write back
        return false;
    }
}
