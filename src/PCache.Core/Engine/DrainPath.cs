using System.Diagnostics;
using PCache.Core.Diagnostics;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Drain: writes back everything that was written before the call. Keeps true: when it returns, the backing has all
/// of that, durably, and is the one that was opened; damage, failures and a changed storage are exceptions, never a
/// silent end. Any thread; one body for callers that block and callers that don't.
/// </summary>
internal sealed class DrainPath(UpkeepParts parts, Maintenance maintenance, FlushPath flushes)
{
    /// <summary>Drains.</summary>
    public void Drain(IProgress<DrainProgress>? progress, CancellationToken cancellationToken) =>
        DrainAsync(progress, async: false, cancellationToken).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc cref="Drain"/>
    public Task DrainAsync(IProgress<DrainProgress>? progress, CancellationToken cancellationToken) =>
        DrainAsync(progress, async: true, cancellationToken).AsTask();

    private async ValueTask DrainAsync(
        IProgress<DrainProgress>? progress, bool async, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int token = parts.Gate.EnterShared();
        Activity? activity = PCacheActivities.StartDrain(parts.Store.Dirty.Bytes);
        TimeProvider clock = parts.Options.TimeProvider;
        long begun = clock.GetTimestamp();
        try
        {
            maintenance.ThrowIfInsideStep(blocking: !async);
            parts.Storage.CheckBeforeDrain();
            if (async)
            {
                await flushes.FlushLogAsync(cancellationToken).ConfigureAwait(false);
            }
            else
            {
                flushes.FlushLog();
            }

            await WaitAsync(progress, async, cancellationToken).ConfigureAwait(false);
            Finish(progress);
            Messages.Drained(parts.Diagnostics.Logger, parts.Diagnostics.CacheId,
                (long)clock.GetElapsedTime(begun).TotalMilliseconds);
        }
        catch (Exception e) when (PCacheActivities.Fail(activity, e))
        {
            throw;
        }
        finally
        {
            parts.Diagnostics.End(PCacheMeter.DrainDuration, begun);
            activity?.SetTag("pcache.cache.id", parts.Diagnostics.CacheId.ToString());
            PCacheActivities.End(activity);
            parts.Gate.Exit(token);
        }
    }

    private async ValueTask WaitAsync(
        IProgress<DrainProgress>? progress, bool async, CancellationToken cancellationToken)
    {
        Action? report = progress is null ? null : () => progress.Report(Progress());
        Task done = maintenance.Ask(parts.Store.Positions.KeyHead.Distance, collect: false, report);
        try
        {
            if (async)
            {
                await maintenance.AwaitAsync(done, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                maintenance.Await(done, cancellationToken);
            }
        }
        catch (PCacheException e) when (e.InnerException is PCacheStorageChangedException change)
        {
            throw StorageWatch.Again(change);
        }
    }

    private DrainProgress Progress() =>
        new(parts.Writeback.WrittenBytes, parts.Store.Dirty.Bytes, parts.Store.Dirty.Keys);

    private void Finish(IProgress<DrainProgress>? progress)
    {
        progress?.Report(Progress());
        IReadOnlyList<DeviceRange> damaged = parts.Store.Damage.Ranges();
        if (damaged.Count > 0)
        {
            throw new PCacheDamagedDataException(damaged[0].Offset, damaged[0].LengthBytes);
        }

        parts.Storage.CheckAll();
    }
}
