// Keeps true: a thread that waits for a lock holds none of a later rank, and of the same one only such with lower
// numbers (or that lock itself, where it may be entered again), so no ring of threads waits for one another. In the
// checked build; elsewhere nothing is kept or looked at.
using System.Diagnostics;

namespace PCache.Core.Primitives;

/// <summary>The locks that this thread holds, by rank.</summary>
internal static class LockOrder
{
#if CHECKED
    [ThreadStatic]
    private static List<(object Lock, LockRank Rank, int Number)>? _held;

    private static List<(object Lock, LockRank Rank, int Number)> Held => _held ??= [];

    /// <summary>Before this thread waits for a lock.</summary>
    public static void Entering(object entered, LockRank rank, int number = 0)
    {
        if (Held.Exists(one => ReferenceEquals(one.Lock, entered)))
        {
            return; // entered again: there is nothing to wait for
        }

        foreach ((_, LockRank before, int numberBefore) in Held)
        {
            bool allowed = before < rank || (before == rank && (numberBefore < number || rank == LockRank.Step));
            Invariant.Holds(allowed,
                $"a lock of rank {rank} is waited for under {string.Join(", ", Held.Select(one => one.Rank))}");
        }
    }

    /// <summary>This thread has it now.</summary>
    public static void Entered(object entered, LockRank rank, int number = 0) => Held.Add((entered, rank, number));

    /// <summary>This thread is about to leave it.</summary>
    public static void Leaving(object left)
    {
        int last = Held.FindLastIndex(one => ReferenceEquals(one.Lock, left));
        Invariant.Holds(last >= 0, "a lock is left by a thread that doesn't hold it");
        Held.RemoveAt(last);
    }
#endif

    /// <summary>
    /// This thread holds no lock of this rank or a later one: what comes now may take its time, or call back.
    /// </summary>
    [Conditional("CHECKED")]
    public static void HoldsNone(LockRank from, string what)
    {
#if CHECKED
        foreach ((_, LockRank rank, _) in Held)
        {
            Invariant.Holds(rank < from, $"{what} under a lock of rank {rank}");
        }
#endif
    }

    /// <summary>
    /// Who is called now may use other devices, or this one as another thread would: its locks are its own business
    /// until this is disposed.
    /// </summary>
    public static Apart Aside()
    {
#if CHECKED
        List<(object Lock, LockRank Rank, int Number)>? held = _held;
        _held = null;
        return new Apart(held);
#else
        return default;
#endif
    }

    /// <summary>Takes up again what was put aside.</summary>
    public readonly ref struct Apart
    {
#if CHECKED
        private readonly List<(object Lock, LockRank Rank, int Number)>? _before;

        public Apart(List<(object Lock, LockRank Rank, int Number)>? before) => _before = before;
#endif

#pragma warning disable CA1822 // it has data in the checked build
        public void Dispose()
#pragma warning restore CA1822
        {
#if CHECKED
            int left = Held.Count;
            _held = _before;
            Invariant.Holds(left == 0, "a call returns with a lock");
#endif
        }
    }
}
