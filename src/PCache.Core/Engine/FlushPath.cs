using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Flush. Keeps true: when it returns, every write that returned before it began is durable in the log, and a barrier stands behind it; a growth of the
/// backing is durable no later than the first flush after it. A flush never touches the backing otherwise.
/// </summary>
internal sealed partial class CacheEngine
{
    public void Flush()
    {
        int token = _gate.Enter();
        try
        {
            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Flushes, 1);
            if (!_options.ReadOnly)
            {
                FlushLog();
            }
        }
        finally
        {
            _gate.Exit(token);
            _maintenance?.NoteWork();
        }
    }

    /// <summary>Completes synchronously where draining the region is cheap; else on a thread of the pool, since msync has no asynchronous form.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_options.ReadOnly || (_region.DrainIsCheap && !GrowthUnflushed))
        {
            Flush();
            return ValueTask.CompletedTask;
        }

        _counters.Add(ThreadIndex.Current, DeviceCounter.Flushes, 1);
        return FlushSlowlyAsync(_gate.EnterShared(), cancellationToken);
    }

    private async ValueTask FlushSlowlyAsync(int token, CancellationToken cancellationToken)
    {
        try
        {
            await FlushLogAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Exit(token);
            _maintenance.NoteWork();
        }
    }

    /// <summary>Whether the backing has grown since it was last flushed.</summary>
    private bool GrowthUnflushed => Volatile.Read(ref _growths) != Volatile.Read(ref _growthsFlushed);

    private void FlushLog()
    {
        if (GrowthUnflushed)
        {
            long growths = Volatile.Read(ref _growths);
            CheckBackingLength();
            _backing.Flush();
            NoteGrowthsFlushed(growths);
        }

        FlushMedium();
    }

    /// <summary>Makes what is accepted durable in the log; a failure shows in the state.</summary>
    private void FlushMedium()
    {
        try
        {
            _log.Flush();
        }
        catch (Exception e) when (NoteFlushFailure(e))
        {
            throw;
        }

        NoteFlushed();
    }

    /// <summary>Brings what is accepted into the log, without a barrier; a failure shows in the state.</summary>
    private void PersistMedium()
    {
        try
        {
            _log.Persist();
        }
        catch (Exception e) when (NoteFlushFailure(e))
        {
            throw;
        }

        NoteFlushed();
    }

    private async ValueTask FlushLogAsync(CancellationToken cancellationToken)
    {
        if (GrowthUnflushed)
        {
            long growths = Volatile.Read(ref _growths);
            CheckBackingLength();
            await _backing.FlushAsync(cancellationToken).ConfigureAwait(false);
            NoteGrowthsFlushed(growths);
        }

        if (_region.DrainIsCheap)
        {
            FlushMedium();
        }
        else
        {
            await Task.Run(FlushMedium, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Only after the backing's flush has returned: another flush that comes meanwhile must not take the growth for durable.</summary>
    private void NoteGrowthsFlushed(long growths)
    {
        long flushed = Volatile.Read(ref _growthsFlushed);
        while (flushed < growths)
        {
            long seen = Interlocked.CompareExchange(ref _growthsFlushed, growths, flushed);
            if (seen == flushed)
            {
                return;
            }

            flushed = seen;
        }
    }
}
