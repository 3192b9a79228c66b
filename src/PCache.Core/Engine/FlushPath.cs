using PCache.Core.Diagnostics;
using PCache.Core.Ksets;
using PCache.Core.Primitives;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Flush, and what writes owe to the log. Keeps true: when a flush returns, every write that returned before it began
/// is durable in the log, and a barrier stands behind it, and so is the device's length; the backing isn't touched. A
/// failure of the medium shows in the state until the next
/// success. Any thread.
/// </summary>
internal sealed class FlushPath
{
    private readonly LogWriter _log;
    private readonly CounterSet _counters;
    private readonly OperationGate _gate;
    private readonly WorkSignal _work;
    private readonly DeviceDiagnostics _diagnostics;
    private readonly StateMonitor _monitor;
    private readonly bool _drainIsCheap;
    private readonly bool _persistsWrites;
    private volatile Exception? _mediumError;

    public FlushPath(UpkeepParts parts)
    {
        _log = parts.Writer.Log;
        _counters = parts.Store.Counters;
        _gate = parts.Gate;
        _work = parts.Work;
        _diagnostics = parts.Diagnostics;
        _monitor = parts.Monitor;
        _drainIsCheap = parts.Store.Region.DrainIsCheap;
        _persistsWrites = parts.Options.PersistOn == PersistOn.Write;
    }

    /// <summary>Why the last flush of the medium failed; null: it didn't.</summary>
    public Exception? MediumError => _mediumError;

    /// <inheritdoc cref="IBlockDevice.Flush"/>
    public void Flush()
    {
        int token = _gate.Enter();
        try
        {
            _counters.Add(OperationGate.IndexOf(token), DeviceCounter.Flushes, 1);
            FlushLog();
        }
        finally
        {
            _gate.Exit(token);
            _work.Tell();
        }
    }

    /// <summary>Synchronously where draining the region is cheap; else on a thread of the pool: msync blocks.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_drainIsCheap)
        {
            Flush();
            return ValueTask.CompletedTask;
        }

        int token = _gate.EnterShared();
        _counters.Add(ThreadIndex.Current, DeviceCounter.Flushes, 1);
        return FlushSharedAsync(token, cancellationToken);
    }

    /// <summary>Flushes, within an operation.</summary>
    public void FlushLog()
    {
        try
        {
            _log.Flush();
        }
        catch (Exception e) when (NoteFailure(e))
        {
            throw;
        }

        NoteSuccess();
    }

    /// <summary>The same; an msync runs on a thread of the pool.</summary>
    public async ValueTask FlushLogAsync(CancellationToken cancellationToken)
    {
        if (_drainIsCheap)
        {
            FlushLog();
        }
        else
        {
            await Task.Run(FlushLog, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a write has to be in the log before it returns.</summary>
    public bool NeedsLog(WriteDurability durability) => durability != WriteDurability.Normal || _persistsWrites;

    /// <summary>Whether a write can be logged without a thread that waits.</summary>
    public bool CanLogAtOnce(WriteDurability durability) => _drainIsCheap || !NeedsLog(durability);

    /// <summary>
    /// Logs what was written: with a barrier behind it, durably, where that is asked for; else so that it survives
    /// the process. Only where <see cref="NeedsLog"/> says so.
    /// </summary>
    public void LogNow(WriteDurability durability)
    {
        if (durability == WriteDurability.ForceUnitAccess)
        {
            FlushLog();
        }
        else
        {
            Persist();
        }
    }

    /// <inheritdoc cref="LogNow"/>
    public async ValueTask LogNowAsync(WriteDurability durability, CancellationToken cancellationToken)
    {
        if (durability == WriteDurability.ForceUnitAccess)
        {
            await FlushLogAsync(cancellationToken).ConfigureAwait(false);
        }
        else if (_drainIsCheap)
        {
            Persist();
        }
        else
        {
            await Task.Run(Persist, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask FlushSharedAsync(int token, CancellationToken cancellationToken)
    {
        try
        {
            await FlushLogAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Exit(token);
            _work.Tell();
        }
    }

    private void Persist()
    {
        try
        {
            _log.Persist();
        }
        catch (Exception e) when (NoteFailure(e))
        {
            throw;
        }

        NoteSuccess();
    }

    /// <summary>For exception filters. Never catches.</summary>
    private bool NoteFailure(Exception error)
    {
        if (error is not (ObjectDisposedException or OperationCanceledException))
        {
            _mediumError = error;
            _diagnostics.NoteFlushFailure(error);
            _monitor.LookSoon();
        }

        return false;
    }

    private void NoteSuccess()
    {
        if (_mediumError is not null)
        {
            _mediumError = null;
            _monitor.LookSoon();
        }
    }
}
