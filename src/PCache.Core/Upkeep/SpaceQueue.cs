using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Upkeep;

/// <summary>One operation that waits for room.</summary>
/// <param name="wantedBytes">How much it has to write.</param>
/// <param name="begun">When it began to wait, for the meter.</param>
internal sealed class SpaceWaiter(long wantedBytes, long begun = DeviceDiagnostics.NotMeasured)
{
    private readonly SemaphoreSlim _signal = new(0);
    private volatile Exception? _failure;

    /// <summary>How much it has to write, in bytes.</summary>
    internal long WantedBytes { get; } = wantedBytes;

    /// <summary>When it began to wait, for the meter.</summary>
    internal long Begun { get; } = begun;

    /// <summary>The waiter behind this one.</summary>
    internal SpaceWaiter? Next;

    /// <summary>Wakes the waiter: it is its turn, or there may be room.</summary>
    public void Signal() => Uninterrupted.Release(_signal);

    /// <summary>Wakes the waiter with an error.</summary>
    public void Fail(Exception failure)
    {
        _failure = failure;
        Signal();
    }

    /// <summary>Blocks until signalled.</summary>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted; the waiter leaves the queue
    /// then.</exception>
    public void Wait()
    {
        _signal.Wait();
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
            throw failure is ObjectDisposedException
                ? OperationGate.Disposed()
                : new PCacheFullException(failure.Message, failure);
        }
    }
}

/// <summary>
/// Operations that wait for room, in order of arrival.
/// </summary>
/// <remarks>
/// Keeps true: a waiter that entered leaves, whatever ends its wait (no lock here can be interrupted); of those who
/// wait only the head may take room, so they are served in order; a waiter that leaves wakes the next one; a signal
/// that comes between a failed try and the wait isn't lost. A writer that comes while others wait stands behind them,
/// with one exception: the free room that was announced, less what all who wait want and a sixteenth, is to spare;
/// each waiter that leaves releases a small share of it, which a newcomer may take at once. So a writer that was
/// served goes on for a while, and doesn't have to queue again for its next write (which would cost a switch of
/// threads for each write of a full cache); no waiter loses room; and as shares are small, writers take turns. When
/// the queue begins to form anew there is no room, so nothing is to spare.
/// </remarks>
internal sealed class SpaceQueue
{
    /// <summary>
    /// A share is this many times what the leaver wanted, and no more bytes than <see cref="MostShareBytes"/>.
    /// </summary>
    private const int WritesPerShare = 32;

    private const int MostShareBytes = 256 << 10;

    private readonly SteadyLock _lock = new();
    private SpaceWaiter? _head;
    private SpaceWaiter? _tail;
    private volatile int _count;
    private long _wantedBytes;
    private long _spareBytes;
    private long _releasedBytes;

    /// <summary>How many wait.</summary>
    public int Count => _count;

    /// <summary>Whether a writer waits.</summary>
    public bool HasWaiters => _count > 0;

    /// <summary>
    /// Whether the caller may try to take room for <paramref name="bytes"/>: no writer waits, it is its turn, or
    /// there is that much to spare.
    /// </summary>
    public bool MayTake(SpaceWaiter? turn, int bytes) => _count == 0 || MayTakeBesides(turn, bytes);

    /// <summary>Stands at the end of the queue.</summary>
    public SpaceWaiter Enter(long wantedBytes, long begun = DeviceDiagnostics.NotMeasured)
    {
        var waiter = new SpaceWaiter(wantedBytes, begun);
        Enter(waiter);
        return waiter;
    }

    /// <inheritdoc cref="Enter(long, long)"/>
    public void Enter(SpaceWaiter waiter)
    {
        long wantedBytes = waiter.WantedBytes;
        using (_lock.Hold())
        {
            _wantedBytes += wantedBytes;
            _spareBytes -= wantedBytes;
            if (_count == 0)
            {
                _spareBytes = 0;
                Interlocked.Exchange(ref _releasedBytes, 0);
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
    }

    /// <summary>Leaves the queue, served or not; the next one gets its turn.</summary>
    public void Leave(SpaceWaiter waiter)
    {
        using (_lock.Hold())
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

                _wantedBytes -= waiter.WantedBytes;
                _count--;
                long share = Math.Min(Math.Min(WritesPerShare * waiter.WantedBytes, MostShareBytes), _spareBytes);
                if (share > 0)
                {
                    _spareBytes -= share;
                    Interlocked.Add(ref _releasedBytes, share);
                }

                break;
            }

            _head?.Signal();
        }
    }

    /// <summary>There may be room, <paramref name="freeBytes"/> or more: the head tries again.</summary>
    public void Signal(long freeBytes)
    {
        if (_count > 0)
        {
            using (_lock.Hold())
            {
                // What was to spare before still is: it was left over when all who wait now had theirs put aside.
                _spareBytes = Math.Max(_spareBytes,
                    freeBytes - (freeBytes / 16) - _wantedBytes - Math.Max(0, Volatile.Read(ref _releasedBytes)));
                _head?.Signal();
            }
        }
    }

    /// <summary>No waiter will get room: all of them fail.</summary>
    public void FailAll(Exception failure)
    {
        using (_lock.Hold())
        {
            for (SpaceWaiter? at = _head; at is not null; at = at.Next)
            {
                at.Fail(failure);
            }
        }
    }

    private bool MayTakeBesides(SpaceWaiter? turn, int bytes)
    {
        return turn is not null
            ? ReferenceEquals(Volatile.Read(ref _head), turn)
            : TakeReleased(bytes);
    }

    private bool TakeReleased(int bytes)
    {
        if (Volatile.Read(ref _releasedBytes) < bytes)
        {
            return false;
        }

        if (Interlocked.Add(ref _releasedBytes, -bytes) >= 0)
        {
            return true;
        }

        Interlocked.Add(ref _releasedBytes, bytes);
        return false;
    }
}
