namespace PCache.Core.Primitives;

/// <summary>
/// One holder at a time, entered by threads that block and by asynchronous operations that don't; the holder may leave
/// on another thread than it entered on.
/// </summary>
/// <remarks>
/// Keeps true: a caller that entered holds it until <see cref="Exit"/>, which no interrupt ends; while it is free and
/// a caller waits, the first one has been woken or is running;
/// a waiter that is interrupted or cancelled holds nothing, stands nowhere, and passes on the wake-up that may have
/// been meant for it. Not reentrant.
/// (A <see cref="SemaphoreSlim"/> won't do: an interrupted waiter that was about to be woken spoils its count of the
/// waiters that it has woken, for good.)
/// A thread that comes while it is free enters, even when others wait; asynchronous waiters are handed the gate.
/// </remarks>
internal sealed partial class AsyncGate
{
    private const int Looks = 20;

    private readonly SteadyLock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private volatile bool _held;

    [ThreadStatic]
    private static AutoResetEvent? _threadWake;

    /// <param name="rank">Where it stands in the order of locks.</param>
    public AsyncGate(LockRank rank = LockRank.Leaf) => SetRank(rank);

    /// <summary>Enters if the gate is free.</summary>
    public bool TryEnter()
    {
        using (_lock.Hold())
        {
            bool entered = !_held;
            _held = true;
            return entered;
        }
    }

    /// <summary>Enters; waits if need be.</summary>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited. It hasn't
    /// entered.</exception>
    public void Enter()
    {
        NoteEntering();
        for (int i = 0; i < Looks; i++)
        {
            if (!_held && TryEnter())
            {
                return;
            }

            Thread.SpinWait(10);
        }

        // A wake-up that comes when the waiter has left already may end this thread's next wait for nothing: each
        // looks anew.
        AutoResetEvent wake = _threadWake ??= new AutoResetEvent(false);
        LinkedListNode<Waiter> place = new(new Waiter(wake, null));
        using (_lock.Hold())
        {
            if (!_held)
            {
                _held = true;
                return;
            }

            _waiters.AddLast(place);
        }

        while (true)
        {
            try
            {
                wake.WaitOne();
            }
            catch (ThreadInterruptedException)
            {
                Leave(place);
                throw;
            }

            using (_lock.Hold())
            {
                if (!_held)
                {
                    _held = true;
                    _waiters.Remove(place);
                    return;
                }
            }
        }
    }

    /// <summary>Enters without blocking a thread.</summary>
    /// <exception cref="OperationCanceledException">Cancelled. It hasn't entered.</exception>
    public Task EnterAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        NoteEntering();
        LinkedListNode<Waiter> place;
        using (_lock.Hold())
        {
            if (!_held)
            {
                _held = true;
                return Task.CompletedTask;
            }

            place = new(new Waiter(null, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)));
            _waiters.AddLast(place);
        }

        return cancellationToken.CanBeCanceled ? EnteringAsync(place, cancellationToken) : place.Value.Entered!.Task;
    }

    /// <summary>Leaves. The caller is inside.</summary>
    public void Exit()
    {
        TaskCompletionSource? next;
        using (_lock.Hold())
        {
            Invariant.Holds(_held, "a gate that is left was entered");
            _held = false;
            next = WakeFirst();
        }

        Hand(next);
    }

    partial void SetRank(LockRank rank);

    partial void NoteEntering();

    private async Task EnteringAsync(LinkedListNode<Waiter> place, CancellationToken cancellationToken)
    {
        CancellationTokenRegistration ending;
        try
        {
            ending = cancellationToken.UnsafeRegister(
                static (state, token) =>
                {
                    (AsyncGate gate, LinkedListNode<Waiter> place) = ((AsyncGate, LinkedListNode<Waiter>))state!;
                    if (gate.Leave(place))
                    {
                        place.Value.Entered!.TrySetCanceled(token);
                    }
                },
                (this, place));
        }
        catch
        {
            // An interrupt ends waits of the platform's own too. The caller doesn't wait: its place must not be left,
            // nor the gate, if it was handed that meanwhile.
            if (!Leave(place))
            {
                Exit();
            }

            throw;
        }

        try
        {
            await place.Value.Entered!.Task.ConfigureAwait(false);
        }
        finally
        {
            Uninterrupted.Do(ending, static one => one.Dispose()); // it may be inside by now
        }
    }

    /// <summary>
    /// Tells an operation that it has the gate. On a thread of the pool, which is never interrupted; to be told twice
    /// does no harm.
    /// </summary>
    private static void Hand(TaskCompletionSource? next)
    {
        if (next is not null)
        {
            Uninterrupted.Do(next, static one => ThreadPool.UnsafeQueueUserWorkItem(
                static entered => entered.TrySetResult(), one, preferLocal: false));
        }
    }

    /// <summary>Gives up waiting. False: too late, it has been handed the gate.</summary>
    private bool Leave(LinkedListNode<Waiter> place)
    {
        TaskCompletionSource? next = null;
        using (_lock.Hold())
        {
            if (place.List is null)
            {
                return false;
            }

            _waiters.Remove(place);
            if (!_held)
            {
                next = WakeFirst(); // the wake-up may have been meant for the one that leaves
            }
        }

        Hand(next);
        return true;
    }

    /// <summary>The gate is free: the first waiter looks anew, or has it. Holds the lock.</summary>
    private TaskCompletionSource? WakeFirst()
    {
        Invariant.Holds(!_held, "a waiter is woken while the gate is free");
        if (_waiters.First is not { } first)
        {
            return null;
        }

        first.Value.Wake?.Set();
        if (first.Value.Entered is { } entered)
        {
            _held = true;
            _waiters.Remove(first);
            return entered;
        }

        return null;
    }

    /// <summary>
    /// A thread that sleeps until <paramref name="Wake"/>, or an operation that is told by <paramref name="Entered"/>.
    /// </summary>
    private sealed record Waiter(AutoResetEvent? Wake, TaskCompletionSource? Entered);
}
