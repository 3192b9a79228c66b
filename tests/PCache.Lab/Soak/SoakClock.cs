namespace PCache.Lab.Soak;

/// <summary>
/// Counts events of all threads. Keeps true: of two ticks, the one that returned before the other began is the smaller.
/// </summary>
internal sealed class SoakClock
{
    private long _now;

    /// <summary>The next tick, 1 or more.</summary>
    public long Tick() => Interlocked.Increment(ref _now);
}

/// <summary>The device under test did what its contract forbids.</summary>
internal sealed class SoakException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Whether all stores go on. Keeps true: while stopped, no store is half done and none begins. Stores nest in nothing,
/// and nothing in them.
/// </summary>
internal sealed class WorldGate : IDisposable
{
    private readonly ReaderWriterLockSlim _lock = new(LockRecursionPolicy.NoRecursion);

    /// <summary>A store begins.</summary>
    public void Enter() => _lock.EnterReadLock();

    /// <summary>A store has ended.</summary>
    public void Exit() => _lock.ExitReadLock();

    /// <summary>Runs something while no store is in progress.</summary>
    public T WhileStopped<T>(Func<T> action)
    {
        _lock.EnterWriteLock();
        try
        {
            return action();
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    public void Dispose() => _lock.Dispose();
}
