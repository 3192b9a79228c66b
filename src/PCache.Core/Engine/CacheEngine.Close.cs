namespace PCache.Core.Engine;

/// <summary>
/// Closing. Keeps true: every acknowledged write is in the log before the region is let go; nothing new begins after the close has begun; whoever waits
/// for room or a drain is told; region and backing are disposed after the last operation in flight, on whatever thread that is, even when a call of the
/// backing hangs: the close itself waits no longer than it was told to.
/// </summary>
internal sealed partial class CacheEngine
{
    private readonly Lock _closeLock = new();
    private bool _closing;
    private Exception? _releaseFailure;

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

        Exception? failure = null;
        if (!_options.ReadOnly && _options.DrainOnDispose)
        {
            Try(() => Drain(null, CancellationToken.None), ref failure);
        }

        if (!_options.ReadOnly)
        {
            // Acknowledged writes first, whatever the backing does; room for their keys is reserved.
            Try(FlushLog, ref failure);
        }

        _gate.Close(ReleaseAll);
        _space.FailAll(OperationGate.Disposed());
        _maintenance?.Stop();
        _gate.Drained.Wait(_options.DisposeTimeout);
        failure ??= Volatile.Read(ref _releaseFailure);
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private static void Try(Action action, ref Exception? failure)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            failure ??= e;
        }
    }

    /// <summary>Runs once, after the last operation in flight.</summary>
    private void ReleaseAll()
    {
        try
        {
            if (!_options.ReadOnly)
            {
                _log.Flush(); // what operations in flight wrote while the close had begun
            }
        }
        catch (IOException e)
        {
            Volatile.Write(ref _releaseFailure, e);
        }
        finally
        {
            if (!_options.LeaveRegionOpen)
            {
                _region.Dispose();
            }

            if (!_options.LeaveBackingOpen)
            {
                _backing.Dispose();
            }
        }
    }
}
