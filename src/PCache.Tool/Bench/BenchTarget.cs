// Keeps true: an operation allocates nothing and does the same for every target: one transfer of the buffer at an offset. Each measuring thread has a worker of its own.
namespace PCache.Tool.Bench;

/// <summary>Something that is measured.</summary>
internal abstract class BenchTarget : IDisposable
{
    /// <summary>Name in the results.</summary>
    public abstract string Name { get; }

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
    public abstract void Read(long offset, byte[] buffer);

    public abstract void Write(long offset, byte[] buffer);

    public abstract void Dispose();
}
