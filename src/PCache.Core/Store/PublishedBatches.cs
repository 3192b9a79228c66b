using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Tells reads whether a batch came between their parts. Keeps true: the number is odd while a batch enters the
/// index, and another one afterwards; so a read that finds the same even number before its first look at the index
/// and after its last copy has seen of every batch all or nothing. One batch at a time enters; any thread reads.
/// </summary>
internal sealed class PublishedBatches : CacheLinePadded
{
    private long _number;

    /// <summary>The number before a read; waits while a batch enters, which takes no longer than that.</summary>
    public long Enter()
    {
        long number = Volatile.Read(ref _number);
        if ((number & 1) == 0)
        {
            return number;
        }

        var wait = default(SpinWait);
        do
        {
            wait.SpinOnce();
            number = Volatile.Read(ref _number);
        }
        while ((number & 1) != 0);
        return number;
    }

    /// <summary>Whether no batch has entered since.</summary>
    public bool IsUnchanged(long number)
    {
        Volatile.ReadBarrier();
        return Volatile.Read(ref _number) == number;
    }

    /// <summary>A batch begins to enter, or has entered. Under the log's append lock.</summary>
    public void Turn() => Interlocked.Increment(ref _number);
}
