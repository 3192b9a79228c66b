namespace PCache.Core.Primitives;

/// <summary>
/// Several counters that many threads add to without sharing a cache line. Keeps true: the sum of all cells is the
/// sum of all additions; a reader sees each cell at some moment during its call. All counters of a thread are on the
/// same two lines, and a cell that only one thread adds to (see <see cref="ThreadIndex"/>) is added to by plain
/// instructions: counting three things costs little more than counting one.
/// </summary>
internal sealed class CounterSet
{
    /// <summary>Most counters in a set.</summary>
    public const int Capacity = 16;

    // 128 bytes each: two lines, because of adjacent-line prefetch
    private readonly long[] _cells = new long[(ThreadIndex.Shared + 2) * Capacity];

    /// <summary>Adds to a counter in the cell of a thread, or in the shared one. No fence.</summary>
    /// <param name="index">The thread's number.</param>
    /// <param name="counter">0 to <see cref="Capacity"/> - 1.</param>
    /// <param name="value">What to add.</param>
    public void Add(int index, int counter, long value)
    {
        ref long cell = ref _cells[(index * Capacity) + counter];
        if (index != ThreadIndex.Shared)
        {
            Volatile.Write(ref cell, cell + value); // this thread's own cell: no other thread stores there
        }
        else
        {
            Interlocked.Add(ref cell, value);
        }
    }

    /// <summary>The sum of a counter over all threads.</summary>
    public long Sum(int counter)
    {
        long sum = 0;
        for (int i = 1; i <= ThreadIndex.Shared; i++)
        {
            sum += Volatile.Read(ref _cells[(i * Capacity) + counter]);
        }

        return sum;
    }
}
