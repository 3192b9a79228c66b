namespace PCache.Testing;

/// <summary>Calls that hang until they are released. Keeps true: a waiter for a number of hanging calls is told of every change. Thread-safe.</summary>
internal sealed class HangingCalls
{
    private readonly Lock _lock = new();
    private readonly List<TaskCompletionSource> _calls = [];
    private TaskCompletionSource _changed = NewSource();
    private bool _released;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>Completes when the call may go on.</summary>
    public Task Hang()
    {
        TaskCompletionSource changed;
        var call = NewSource();
        lock (_lock)
        {
            if (_released)
            {
                return Task.CompletedTask;
            }

            _calls.Add(call);
            changed = _changed;
            _changed = NewSource();
        }

        changed.SetResult();
        return call.Task;
    }

    /// <summary>All go on, and no later call hangs.</summary>
    public void Release()
    {
        TaskCompletionSource[] calls;
        lock (_lock)
        {
            _released = true;
            calls = [.. _calls];
            _calls.Clear();
        }

        foreach (TaskCompletionSource call in calls)
        {
            call.SetResult();
        }
    }

    public async Task WaitAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_calls.Count >= count)
                {
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
