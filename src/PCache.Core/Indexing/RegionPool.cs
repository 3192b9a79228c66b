using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace PCache.Core.Indexing;

/// <summary>
/// Regions of memory that one index gave back and another may take: an application that opens and closes caches, a
/// database with each of its files say, would else pay for page faults each time. Keeps true: at most
/// <see cref="MostKept"/> are kept, over all devices of the process; what is in them is undefined. Any thread.
/// </summary>
internal static unsafe class RegionPool
{
    /// <summary>
    /// Most regions that are kept: 16 MiB of address space, of which as much is resident as was ever used.
    /// </summary>
    public const int MostKept = 16;

    private static readonly ConcurrentStack<nint> Kept = new();
    private static int _count;

    /// <summary>How many are kept now.</summary>
    public static int KeptCount => Kept.Count;

    /// <summary>Takes a region of <see cref="IndexArena.RegionSize"/> bytes, aligned to its size.</summary>
    /// <exception cref="OutOfMemoryException">There is no memory.</exception>
    public static nint Take()
    {
        if (Kept.TryPop(out nint region))
        {
            Interlocked.Decrement(ref _count);
            return region;
        }

        return (nint)NativeMemory.AlignedAlloc(IndexArena.RegionSize, IndexArena.RegionSize);
    }

    /// <summary>Gives a region back.</summary>
    public static void Give(nint region)
    {
        if (Interlocked.Increment(ref _count) <= MostKept)
        {
            Kept.Push(region);
            return;
        }

        Interlocked.Decrement(ref _count);
        NativeMemory.AlignedFree((void*)region);
    }
}
