using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace PCache.Testing;

/// <summary>
/// Memory of simulated regions, kept for the next one of the same length: an exploration makes thousands of equal
/// ones, and each would cost page faults that take longer than the test. Keeps true: at most <see cref="MostKept"/>
/// pieces of at most <see cref="LongestKept"/> bytes are kept; their content is undefined. Any thread.
/// </summary>
internal static unsafe class ReusedMemory
{
    private const int MostKept = 32;
    private const long LongestKept = 4 << 20;
    private const int Alignment = 4096;

    private static readonly ConcurrentDictionary<long, ConcurrentStack<nint>> Kept = new();
    private static int _count;

    /// <summary>Takes memory, aligned to a page.</summary>
    public static nint Take(long bytes)
    {
        if (Kept.TryGetValue(bytes, out ConcurrentStack<nint>? stack) && stack.TryPop(out nint memory))
        {
            Interlocked.Decrement(ref _count);
            return memory;
        }

        return (nint)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
    }

    /// <summary>Gives memory back.</summary>
    public static void Give(nint memory, long bytes)
    {
        if (bytes <= LongestKept && Interlocked.Increment(ref _count) <= MostKept)
        {
            Kept.GetOrAdd(bytes, static _ => new ConcurrentStack<nint>()).Push(memory);
            return;
        }

        if (bytes <= LongestKept)
        {
            Interlocked.Decrement(ref _count);
        }

        NativeMemory.AlignedFree((void*)memory);
    }
}
