namespace PCache.Core.Primitives;

/// <summary>
/// A small number for each thread, so that threads can have cells of their own in an array.
/// </summary>
/// <remarks>
/// Keeps true: 1..<see cref="Exclusive"/> belong to at most one living thread each, so what such a thread does to its
/// cell needs no interlocked instruction; all threads for which none is left have <see cref="Shared"/>, and must
/// interlock. A number is given back only when its thread's own objects have become garbage, that is after the
/// thread's last instruction; giving and taking are under one lock, so the next owner sees what the last one stored.
/// </remarks>
internal static class ThreadIndex
{
    private static readonly SteadyLock PoolLock = new(LockRank.Last);
    private static readonly Stack<int> Pool = MakePool();

    [ThreadStatic]
    private static int _current;

    [ThreadStatic]
    private static Lease? _lease;

    /// <summary>How many numbers have one thread only.</summary>
    public static int Exclusive => 64;

    /// <summary>The number of all other threads.</summary>
    public static int Shared => Exclusive + 1;

    /// <summary>This thread's number, 1 to <see cref="Shared"/>.</summary>
    public static int Current
    {
        get
        {
            int current = _current;
            return current != 0 ? current : Take();
        }
    }

    private static Stack<int> MakePool()
    {
        var pool = new Stack<int>();
        for (int i = Exclusive; i >= 1; i--)
        {
            pool.Push(i);
        }

        return pool;
    }

    private static int Take()
    {
        using (PoolLock.Hold())
        {
            if (Pool.TryPop(out int index))
            {
                _lease = new Lease(index);
                _current = index;
            }
            else
            {
                _current = Shared;
            }

            return _current;
        }
    }

    /// <summary>Reachable from its thread only: its finalizer runs when the thread is gone.</summary>
    private sealed class Lease(int index)
    {
        ~Lease()
        {
            using (PoolLock.Hold())
            {
                Invariant.Holds(!Pool.Contains(index), $"the number {index} isn't given back twice");
                Pool.Push(index);
            }
        }
    }
}
