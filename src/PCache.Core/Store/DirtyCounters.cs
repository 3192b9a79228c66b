using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Keys and bytes that the backing doesn't have yet, each overwrite counted. Any thread. Keeps true: at rest both are
/// exact; to the thread that removes they never seem less than they are, because what it has removed was added
/// before; to others they may for a moment. Each thread adds in a cell of its own.
/// </summary>
internal sealed class DirtyCounters
{
    private const int LongsPerCell = 16;
    private const int KeysAt = 0;
    private const int BytesAt = 1;
    private readonly long[] _cells = new long[(ThreadIndex.Shared + 2) * LongsPerCell];

    public long Keys => Math.Max(0, Sum(KeysAt));

    public long Bytes => Math.Max(0, Sum(BytesAt));

    /// <summary>For audits of a device at rest: more removed than added shows as less than nothing.</summary>
    internal (long Keys, long Bytes) AtRest => (Sum(KeysAt), Sum(BytesAt));

    public void Add(long lengthBytes) => Add(1, lengthBytes);

    public void Remove(long keys, long lengthBytes)
    {
        Invariant.Holds(keys >= 0 && lengthBytes >= 0, "what is removed was added");
        Add(-keys, -lengthBytes);
        Invariant.Holds(Sum(KeysAt) >= 0 && Sum(BytesAt) >= 0,
            "to the thread that removes, the counters never seem less than nothing");
    }

    public void Add(long keys, long lengthBytes) => Add(ThreadIndex.Current, keys, lengthBytes);

    /// <summary>Adds in the cell of this thread, or in the shared one.</summary>
    public void Add(int index, long keys, long lengthBytes)
    {
        Invariant.Holds(index > 0 && index <= ThreadIndex.Shared, $"a thread's number is {index}");
        Span<long> cell = _cells.AsSpan(index * LongsPerCell, LongsPerCell);
        if (index != ThreadIndex.Shared)
        {
            // this thread's own cell: no other thread stores there
            Volatile.Write(ref cell[KeysAt], cell[KeysAt] + keys);
            Volatile.Write(ref cell[BytesAt], cell[BytesAt] + lengthBytes);
        }
        else
        {
            Interlocked.Add(ref cell[KeysAt], keys);
            Interlocked.Add(ref cell[BytesAt], lengthBytes);
        }
    }

    private long Sum(int at)
    {
        long sum = 0;
        for (int i = 1; i <= ThreadIndex.Shared; i++)
        {
            sum += Volatile.Read(ref _cells[(i * LongsPerCell) + at]);
        }

        return sum;
    }
}
