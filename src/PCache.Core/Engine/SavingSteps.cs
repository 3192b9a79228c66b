using PCache.Core.Primitives;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// What a writable device does when it is closed. Keeps true: every acknowledged write is in the log before the
/// region is let go; what isn't drained in time stays dirty in the cache, and is told; the fingerprint of the backing
/// comes last, when nothing changes the backing or the log any more.
/// </summary>
internal sealed class SavingSteps(
    UpkeepParts parts, Maintenance maintenance, DrainPath drains,
    ClosingFingerprint fingerprint)
    : ICloseSteps
{
    /// <inheritdoc/>
    public bool HasThread => true;

    /// <inheritdoc/>
    public bool IsInsideStep => maintenance.IsInsideStep;

    /// <inheritdoc/>
    public void Save(CloseMonitor close, ref Exception? failure)
    {
        if (parts.Options.DrainOnDispose)
        {
            close.Begin(CloseStage.Draining);
            Closing.Try(() => DrainWithin(close), ref failure);
        }

        close.Begin(CloseStage.Flushing);
        // Acknowledged writes, whatever the backing does; room for their keys is reserved.
        Closing.Try(FlushLogWithin, ref failure);
        maintenance.CollectDeadKeys(close.Left);
        Closing.Try(parts.Storage.CheckAll, ref failure);

        void FlushLogWithin()
        {
            if (parts.Store.Region.DrainIsCheap)
            {
                parts.Writer.Log.Flush();
            }
            else
            {
                RunWithin(close, parts.Writer.Log.Flush,
                    "The cache's file hangs in a synchronisation. What was flushed before is safe.");
            }
        }
    }

    /// <inheritdoc/>
    public void Stop() => maintenance.Stop();

    /// <inheritdoc/>
    public Task Seal(CloseMonitor close, ref Exception? failure)
    {
        Closing.Try(parts.Writer.Log.Flush, ref failure);
        if (parts.Writeback.Journal is { } journal)
        {
            // The maintenance has ended: the journal is this thread's now.
            Closing.Try(
                () => RunWithin(close, () => parts.Writeback.TryEndJournal(),
                    "The checkpoint journal's place hangs. Nothing is lost: what is dirty stays in the cache."),
                ref failure);
            Closing.Try(journal.Dispose, ref failure);
        }

        return failure is null ? fingerprint.Keep(close.Left) : Task.CompletedTask;
    }

    /// <summary>Drains for as long as there is time.</summary>
    /// <exception cref="PCacheException">The time was over, or the backing keeps failing.</exception>
    private void DrainWithin(CloseMonitor close)
    {
        if (maintenance.IsInsideStep)
        {
            throw new PCacheException(
                $"The device was disposed from inside a call of the backing, where it can't be drained. {Kept()}");
        }

        if (maintenance.IsManual)
        {
            DrainByHand(close.Left);
            return;
        }

        var stop = new CancellationTokenSource(); // not disposed: a drain that hangs still has its token
        Task drain = StartThread(() => drains.Drain(null, stop.Token));
        if (!close.Wait(drain, close.Reserve))
        {
            stop.Cancel();
            if (!Uninterrupted.Wait(drain, TimeSpan.FromTicks(close.Reserve.Ticks / 2))
                || !drain.IsCompletedSuccessfully)
            {
                throw NotDrained();
            }
        }

        drain.GetAwaiter().GetResult();
    }

    private void DrainByHand(TimeSpan left)
    {
        using var stop = left == Timeout.InfiniteTimeSpan
            ? new CancellationTokenSource()
            : new CancellationTokenSource(left, parts.Options.TimeProvider);
        try
        {
            drains.Drain(null, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw NotDrained();
        }
    }

    private PCacheException NotDrained()
    {
        string how = parts.Writeback.IsCallingBacking ? ": a call of the backing hasn't returned." : ".";
        return new PCacheException($"Not everything was written back within PCacheOptions.DisposeTimeout "
            + $"({parts.Options.DisposeTimeout.TotalSeconds:0.###} s){how} {Kept()}");
    }

    private string Kept() =>
        $"Nothing is lost: {parts.Store.Dirty.Bytes} bytes stay dirty in the cache, safely, and go to the backing when "
        + $"it is opened again.";

    /// <summary>
    /// Makes a call that may hang in the backing or the medium, and waits no longer for it than the close may; then
    /// it goes on as an operation in flight.
    /// </summary>
    private void RunWithin(CloseMonitor close, Action call, string whatHangs)
    {
        if (maintenance.IsManual)
        {
            call();
            return;
        }

        Task running = StartThread(call);
        if (!close.Wait(running))
        {
            throw new PCacheException(whatHangs);
        }

        running.GetAwaiter().GetResult();
    }

    private static Task StartThread(Action call) =>
        Task.Factory.StartNew(call, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
