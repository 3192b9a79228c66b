namespace PCache.Core.Tests.Support;

/// <summary>What code allocates in steady state.</summary>
internal static class Allocations
{
    /// <summary>
    /// Least number of managed bytes that one of ten rounds allocates on this thread. The runtime itself allocates now
    /// and then on a thread that runs for the first time, is recompiled or waits for a contended lock; code that
    /// allocates does so in each round.
    /// </summary>
    public static long Least(Action round)
    {
        long least = long.MaxValue;
        for (int i = 0; i < 10 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
