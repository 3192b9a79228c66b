// Keeps true: a thread that waits for a lock holds none of a later rank, and of the same one only such with lower
// numbers (or that lock itself, where it may be entered again), so no ring of threads waits for one another. In the
// checked build; elsewhere nothing is kept or looked at. Nothing is allocated but once a thread: simulations enter
// locks millions of times.
using System.Diagnostics;

namespace PCache.Core.Primitives;

/// <summary>The locks that this thread holds, by rank.</summary>
internal static class LockOrder
{
#if CHECKED
    [ThreadStatic]
    private static HeldLocks? _held;

    private static HeldLocks Held => _held ??= new HeldLocks();

    /// <summary>Before this thread waits for a lock.</summary>
    public static void Entering(object entered, LockRank rank, int number = 0)
    {
        if (Held.IsBeyondAll(rank, number))
        {
            return;
        }

        ReadOnlySpan<HeldLock> held = Held.All;
        if (IndexOf(held, entered) >= 0)
        {
            return; // entered again: there is nothing to wait for
        }

        foreach (ref readonly HeldLock before in held)
        {
            bool allowed = before.Rank < rank
                || (before.Rank == rank && (before.Number < number || rank == LockRank.Step));
            if (!allowed)
            {
                string ranks = string.Join(", ", held.ToArray().Select(one => one.Rank));
                Invariant.Holds(false, $"a lock of rank {rank} is waited for under {ranks}");
            }
        }
    }

    /// <summary>This thread has it now.</summary>
    public static void Entered(object entered, LockRank rank, int number = 0) => Held.Add(entered, rank, number);

    /// <summary>This thread is about to leave it.</summary>
    public static void Leaving(object left)
    {
        HeldLocks held = Held;
        int last = IndexOf(held.All, left);
        Invariant.Holds(last >= 0, "a lock is left by a thread that doesn't hold it");
        held.RemoveAt(last);
    }

    /// <summary>Index of an entry of the lock; -1: it isn't held.</summary>
    private static int IndexOf(ReadOnlySpan<HeldLock> held, object wanted)
    {
        if (held.Length > 0 && ReferenceEquals(held[0].Lock, wanted))
        {
            return 0; // many locks at once are left in the order in which they were entered
        }

        int at = held.Length - 1;
        while (at >= 0 && !ReferenceEquals(held[at].Lock, wanted))
        {
            at--;
        }

        return at;
    }
#endif

    /// <summary>
    /// This thread holds no lock of this rank or a later one: what comes now may take its time, or call back.
    /// </summary>
    [Conditional("CHECKED")]
    public static void HoldsNone(LockRank from, string what)
    {
#if CHECKED
        foreach (ref readonly HeldLock held in Held.All)
        {
            Invariant.Holds(held.Rank < from, $"{what} under a lock of rank {held.Rank}");
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
        HeldLocks held = Held;
        int hidden = held.Hidden;
        held.Hidden = held.Count;
        return new Apart(held, hidden);
#else
        return default;
#endif
    }

    /// <summary>Takes up again what was put aside.</summary>
    public readonly ref struct Apart
    {
#if CHECKED
        private readonly HeldLocks _held;
        private readonly int _hiddenBefore;

        public Apart(HeldLocks held, int hiddenBefore)
        {
            _held = held;
            _hiddenBefore = hiddenBefore;
        }
#endif

#pragma warning disable CA1822 // it has data in the checked build
        public void Dispose()
#pragma warning restore CA1822
        {
#if CHECKED
            int left = _held.All.Length;
            _held.Count = _held.Hidden;
            _held.Hidden = _hiddenBefore;
            Invariant.Holds(left == 0, "a call returns with a lock");
#endif
        }
    }

#if CHECKED
    /// <summary>A lock that is held: which, its rank, and its number among those of the same rank; and the greatest
    /// rank and number of all that were entered up to it.</summary>
    internal readonly record struct HeldLock(object Lock, LockRank Rank, int Number, LockRank TopRank, int TopNumber);

    /// <summary>
    /// A thread's locks, in the order in which they were entered. Keeps true: none is beyond the top that the last one
    /// names; the top may be one that was left before the last one.
    /// </summary>
    internal sealed class HeldLocks
    {
        private HeldLock[] _locks = new HeldLock[16];

        /// <summary>Number of locks, those put aside included.</summary>
        public int Count;

        /// <summary>How many of them are put aside.</summary>
        public int Hidden;

        /// <summary>Those that aren't put aside.</summary>
        public ReadOnlySpan<HeldLock> All => _locks.AsSpan(Hidden, Count - Hidden);

        /// <summary>Whether it is certain that a lock comes behind all others, without a look at each.</summary>
        public bool IsBeyondAll(LockRank rank, int number)
        {
            if (Count == Hidden)
            {
                return true;
            }

            ref readonly HeldLock last = ref _locks[Count - 1];
            return last.TopRank < rank || (last.TopRank == rank && last.TopNumber < number);
        }

        public void Add(object entered, LockRank rank, int number)
        {
            if (Count == _locks.Length)
            {
                Array.Resize(ref _locks, 2 * Count);
            }

            (LockRank topRank, int topNumber) = IsBeyondAll(rank, number)
                ? (rank, number)
                : (_locks[Count - 1].TopRank, _locks[Count - 1].TopNumber);
            _locks[Count++] = new HeldLock(entered, rank, number, topRank, topNumber);
        }

        /// <summary>Removes one of <see cref="All"/>.</summary>
        public void RemoveAt(int index)
        {
            int at = Hidden + index;
            Count--;
            Array.Copy(_locks, at + 1, _locks, at, Count - at);
            _locks[Count] = default;
        }
    }
#endif
}
