using PCache.Core.Primitives;

namespace PCache.Core.Upkeep;

/// <summary>
/// What callers wait for: a place in the log that write-back, or GC too, has to have passed. Keeps true: every
/// request ends, once: reached, withdrawn, or failed. Any thread; nothing of the caller's runs under the lock.
/// </summary>
internal sealed class MaintenanceRequests
{
    private readonly SteadyLock _lock = new();
    private readonly List<Request> _requests = [];

    /// <summary>
    /// Asks for everything logged before <paramref name="distance"/> to be written back, or
    /// (<paramref name="collect"/>) to be passed by GC too. The engine's own <paramref name="onReached"/> runs
    /// between two steps, before the task completes; it must take no lock.
    /// </summary>
    public Task Add(long distance, bool collect, Action? onProgress, Action? onReached)
    {
        var request = new Request(distance, collect, onProgress, onReached);
        using (_lock.Hold())
        {
            _requests.Add(request);
        }

        return request.Done.Task;
    }

    /// <summary>Whether a caller waits for write-back, or for GC.</summary>
    public bool AnyPending(bool collect)
    {
        using (_lock.Hold())
        {
            return _requests.Exists(collect ? static request => request.Collect : static request => !request.Collect);
        }
    }

    /// <summary>Whether a caller waits for GC to have come no further than this.</summary>
    public bool AnyCollected(long distance)
    {
        using (_lock.Hold())
        {
            return _requests.Exists(request => request.Collect && request.Distance <= distance);
        }
    }

    /// <summary>The caller no longer waits.</summary>
    public void Withdraw(Task task)
    {
        using (_lock.Hold())
        {
            _requests.RemoveAll(request => request.Done.Task == task);
        }
    }

    /// <summary>
    /// Completes what has been reached; all that wait for write-back, if <paramref name="nothingLeft"/>.
    /// </summary>
    public void Complete(long writtenBack, long collected, bool nothingLeft)
    {
        using (_lock.Hold())
        {
            for (int i = _requests.Count - 1; i >= 0; i--)
            {
                Request request = _requests[i];
                if ((request.Collect ? collected : writtenBack) >= request.Distance
                    || (nothingLeft && !request.Collect))
                {
                    _requests.RemoveAt(i);
                    request.OnReached?.Invoke();
                    request.Done.TrySetResult();
                }
            }
        }
    }

    /// <summary>Tells progress. A callback that throws fails its own request, nothing else.</summary>
    public void ReportProgress()
    {
        Request[] listeners;
        using (_lock.Hold())
        {
            if (!_requests.Exists(static request => request.OnProgress is not null))
            {
                return;
            }

            listeners = [.. _requests];
        }

        foreach (Request request in listeners)
        {
            try
            {
                request.OnProgress?.Invoke();
            }
            catch (Exception e)
            {
                Withdraw(request.Done.Task);
                request.Done.TrySetException(e);
            }
        }
    }

    /// <summary>Fails everything.</summary>
    public void FailAll(Exception error)
    {
        using (_lock.Hold())
        {
            foreach (Request request in _requests)
            {
                request.Done.TrySetException(error);
            }

            _requests.Clear();
        }
    }

    private sealed record Request(long Distance, bool Collect, Action? OnProgress, Action? OnReached)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
