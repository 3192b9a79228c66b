using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>One operation that waits for room.</summary>
internal sealed class SpaceWaiter
{
    private readonly SemaphoreSlim _signal = new(0);
    private volatile Exception? _failure;

    /// <summary>The waiter behind this one.</summary>
    internal SpaceWaiter? Next;

    /// <summary>Wakes the waiter: it is its turn, or there may be room.</summary>
    public void Signal() => _signal.Release();

    /// <summary>Wakes the waiter with an error.</summary>
    public void Fail(Exception failure)
    {
        _failure = failure;
        _signal.Release();
    }

    /// <summary>Blocks until signalled.</summary>
    public void Wait(CancellationToken cancellationToken)
    {
        _signal.Wait(cancellationToken);
        ThrowIfFailed();
    }

    /// <summary>Waits until signalled, without a thread.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        await _signal.WaitAsync(cancellationToken).ConfigureAwait(false);
        ThrowIfFailed();
    }

    /// <summary>Throws what <see cref="Fail"/> was given.</summary>
    public void ThrowIfFailed()
    {
        if (_failure is { } failure)
        {
            throw failure is ObjectDisposedException ? OperationGate.Disposed() : new PCacheFullException(failure.Message, failure);
        }
    }
}

/// <summary>
/// Operations that wait for room, in order of arrival.
/// </summary>
/// <remarks>
/// Keeps true: only the head may take room while anybody waits, so nobody is overtaken; whoever leaves wakes the next one; a signal that comes between
/// a failed try and the wait isn't lost. The lock is a leaf.
/// </remarks>
internal sealed class SpaceQueue
{
    private readonly Lock _lock = new();
    private SpaceWaiter? _head;
    private SpaceWaiter? _tail;
    private volatile int _count;

    /// <summary>Whether somebody waits.</summary>
    public bool HasWaiters => _count > 0;

    /// <summary>Whether the caller may try to take room: nobody waits, or it is its turn.</summary>
    public bool MayTake(SpaceWaiter? turn) => _count == 0 || RuleSwitch.IsBroken(BrokenRule.QueueJumped) || (turn is not null && ReferenceEquals(Volatile.Read(ref _head), turn));

    /// <summary>Stands at the end of the queue.</summary>
    public SpaceWaiter Enter()
    {
        var waiter = new SpaceWaiter();
        lock (_lock)
        {
            if (RuleSwitch.IsBroken(BrokenRule.WaitersLastInFirstOut))
            {
                waiter.Next = _head;
                Volatile.Write(ref _head, waiter);
                _tail ??= waiter;
                _count++;
                return waiter;
            }

            if (_tail is null)
            {
                Volatile.Write(ref _head, waiter);
            }
            else
            {
                _tail.Next = waiter;
            }

            _tail = waiter;
            _count++;
        }

        return waiter;
    }

    /// <summary>Leaves the queue, served or not; the next one gets its turn.</summary>
    public void Leave(SpaceWaiter waiter)
    {
        lock (_lock)
        {
            SpaceWaiter? before = null;
            for (SpaceWaiter? at = _head; at is not null; before = at, at = at.Next)
            {
                if (!ReferenceEquals(at, waiter))
                {
                    continue;
                }

                if (before is null)
                {
                    Volatile.Write(ref _head, waiter.Next);
                }
                else
                {
                    before.Next = waiter.Next;
                }

                if (ReferenceEquals(_tail, waiter))
                {
                    _tail = before;
                }

                _count--;
                break;
            }

            if (!RuleSwitch.IsBroken(BrokenRule.LeaverWakesNobody))
            {
                _head?.Signal();
            }
        }
    }

    /// <summary>There may be room: the head tries again.</summary>
    public void Signal()
    {
        if (_count > 0 && !RuleSwitch.IsBroken(BrokenRule.FreedWithoutWaking))
        {
            lock (_lock)
            {
                _head?.Signal();
            }
        }
    }

    /// <summary>Nobody here will get room: everybody fails.</summary>
    public void FailAll(Exception failure)
    {
        lock (_lock)
        {
            for (SpaceWaiter? at = _head; at is not null; at = at.Next)
            {
                at.Fail(failure);
            }
        }
    }
}
