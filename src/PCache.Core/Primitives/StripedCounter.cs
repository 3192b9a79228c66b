namespace PCache.Core.Primitives;

/// <summary>
/// A counter that many threads add to without sharing a cache line. Keeps true: the sum of all cells is the sum of all additions; a reader sees each
/// cell at some moment during its call. A cell that only one thread adds to (see <see cref="ThreadIndex"/>) is added to by plain instructions.
/// </summary>
internal sealed class StripedCounter
{
    private const int LongsPerCell = 16; // 128 bytes: two lines, because of adjacent-line prefetch
    private readonly long[] _cells = new long[(ThreadIndex.Shared + 2) * LongsPerCell];

    public long Sum
    {
        get
        {
            long sum = 0;
            for (int i = 1; i <= ThreadIndex.Shared; i++)
            {
                sum += Volatile.Read(ref _cells[i * LongsPerCell]);
            }

            return sum;
        }
    }

    /// <summary>Adds. No fence.</summary>
    public void Add(long value) => Add(ThreadIndex.Current, value);

    /// <summary>Adds in the cell of this thread, or in the shared one. No fence.</summary>
    public void Add(int index, long value)
    {
        ref long cell = ref _cells[index * LongsPerCell];
        if (index != ThreadIndex.Shared)
        {
            Volatile.Write(ref cell, cell + value); // this thread's own: nobody else stores there
        }
        else
        {
            Interlocked.Add(ref cell, value);
        }
    }
}
