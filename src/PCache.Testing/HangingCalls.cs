using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// Calls that hang until they are released. Keeps true: a waiter for a number of hanging calls is told of every
/// change. Thread-safe.
/// </summary>
internal sealed class HangingCalls
{
    private readonly SteadyLock _lock = new(LockRank.Last);
    private readonly List<TaskCompletionSource> _calls = [];
    private TaskCompletionSource _changed = NewSource();

    public int Count
    {
        get
        {
            using (_lock.Hold())
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>
    /// One more call hangs, from now on: until its <see cref="WaitAsync(TaskCompletionSource, CancellationToken)"/>
    /// ends.
    /// </summary>
    public TaskCompletionSource Add()
    {
        TaskCompletionSource changed;
        TaskCompletionSource call = NewSource();
        using (_lock.Hold())
        {
            _calls.Add(call);
            changed = _changed;
            _changed = NewSource();
        }

        changed.SetResult();
        return call;
    }

    /// <summary>Completes when the call may go on; if cancelled, it no longer hangs.</summary>
    public async Task WaitAsync(TaskCompletionSource call, CancellationToken cancellationToken)
    {
        try
        {
            await call.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            using (_lock.Hold())
            {
                _ = _calls.Remove(call);
            }
        }
    }

    /// <summary>All that hang go on.</summary>
    public void Release()
    {
        TaskCompletionSource[] calls;
        using (_lock.Hold())
        {
            calls = [.. _calls];
            _calls.Clear();
        }

        foreach (TaskCompletionSource call in calls)
        {
            _ = call.TrySetResult();
        }
    }

    /// <summary>Completes when at least that many hang.</summary>
    public async Task WaitAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            using (_lock.Hold())
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
