// Keeps true: an operation allocates nothing and does the same for every target: one transfer at the offsets given.
// Each measuring thread has a worker of its own, whose buffer is aligned to a page whatever the target is, so that no
// target copies from a worse place than another.
using System.Runtime.InteropServices;

namespace PCache.Tool.Bench;

/// <summary>Something that is measured.</summary>
internal abstract class BenchTarget : IDisposable
{
    /// <summary>Name in the results.</summary>
    public abstract string Name { get; }

    /// <summary>Whether a round may take no more than a part of the range: what is written needs room.</summary>
    public virtual bool RunsOutOfRoom => false;

    /// <summary>Makes what one thread uses; called outside the timed part.</summary>
    public abstract BenchWorker CreateWorker();

    /// <summary>Brings the target into its starting state before a round; outside the timed part.</summary>
    public virtual void Prepare()
    {
    }

    public abstract void Dispose();
}

/// <summary>One thread's access to a target.</summary>
internal abstract class BenchWorker : IDisposable
{
    private const int AlignmentBytes = 4096;

    protected BenchWorker(BenchPattern pattern)
    {
        Pattern = pattern;
        Array = GC.AllocateUninitializedArray<byte>(pattern.CallBytes + AlignmentBytes, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(Array, 0);
        Start = (int)(-address & (AlignmentBytes - 1));
        Random.Shared.NextBytes(Array);
    }

    protected BenchPattern Pattern { get; }

    /// <summary>Holds the buffer, which begins at <see cref="Start"/>.</summary>
    protected byte[] Array { get; }

    protected int Start { get; }

    /// <summary>Goes to where this thread's part begins; before the timed part.</summary>
    public virtual void Begin(long partStart)
    {
    }

    /// <summary>One call.</summary>
    public abstract void Execute(ref BenchOffsets offsets);

    public abstract void Dispose();

    /// <summary>The buffer, or one block of it.</summary>
    protected Span<byte> Block(int lengthBytes, int index = 0) =>
        Array.AsSpan(Start + (index * lengthBytes), lengthBytes);
}
