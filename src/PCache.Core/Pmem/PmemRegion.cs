namespace PCache.Core.Pmem;

/// <summary>
/// Byte-addressable memory that holds a cache. Every store goes through it; that is what makes durability a property of one place, and crash simulation complete.
/// </summary>
/// <remarks>
/// A store is durable after <see cref="FlushRange"/> over it and a later <see cref="Drain"/> have returned. Stores, flushes and drains may be issued from any
/// thread; a drain covers what its own thread, and every thread that it synchronised with, flushed before. Readers use <see cref="Memory"/> directly.
/// </remarks>
public abstract unsafe class PmemRegion : IDisposable
{
    /// <summary>Makes a region over memory that the derived class owns.</summary>
    /// <param name="memory">Address of the first byte, aligned to 4096.</param>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="persistence">What its stores are worth.</param>
    /// <param name="isPowerSafe">Whether what was drained also survives a power cut.</param>
    /// <param name="isReadOnly">Whether stores are forbidden.</param>
    protected PmemRegion(nint memory, long lengthBytes, Persistence persistence, bool isPowerSafe, bool isReadOnly)
    {
        Memory = (byte*)memory;
        LengthBytes = lengthBytes;
        Persistence = persistence;
        IsPowerSafe = isPowerSafe;
        IsReadOnly = isReadOnly;
    }

    /// <summary>Length in bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>What stores are worth.</summary>
    public Persistence Persistence { get; }

    /// <summary>Whether what was drained also survives a power cut.</summary>
    public bool IsPowerSafe { get; }

    /// <summary>Whether stores are forbidden.</summary>
    public bool IsReadOnly { get; }

    /// <summary>
    /// Whether <see cref="Drain"/> costs no more than a fence, so that each write drains its own payload. Where false (msync), payload and keys are
    /// drained by the flush that acknowledges them.
    /// </summary>
    public virtual bool DrainIsCheap => true;

    /// <summary>First byte; valid until the region is disposed.</summary>
    internal byte* Memory { get; private protected set; }

    /// <summary>Stores <paramref name="source"/> at <paramref name="offset"/>; durable after FlushRange and Drain.</summary>
    public abstract void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>Stores as <see cref="Write"/> does and returns the CRC-32C, continued from <paramref name="crc"/>, of exactly the bytes stored, also where the source changes meanwhile.</summary>
    public abstract uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc);

    /// <summary>Stores zeros.</summary>
    public abstract void WriteZeros(long offset, long lengthBytes);

    /// <summary>Begins to make the stores of a range durable.</summary>
    public abstract void FlushRange(long offset, long lengthBytes);

    /// <summary>Returns when all that was flushed before is durable.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public abstract void Drain();

    /// <summary>Copies metadata out. Unlike a read through <see cref="Memory"/>, a media error is an exception and no crash.</summary>
    /// <exception cref="IOException">The medium failed (poisoned line, read error).</exception>
    public abstract void ReadMetadata(long offset, Span<byte> destination);

    /// <summary>A view of the bytes for copying out, in bounds by construction.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    internal ReadOnlySpan<byte> ReadSpan(long offset, int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
        return new ReadOnlySpan<byte>(Memory + offset, lengthBytes);
    }

    /// <summary>Write, FlushRange and Drain in one: for metadata.</summary>
    internal void WriteDurably(long offset, ReadOnlySpan<byte> source)
    {
        Write(offset, source);
        FlushRange(offset, source.Length);
        Drain();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the memory. Called once or more.</summary>
    protected abstract void Dispose(bool disposing);
}
