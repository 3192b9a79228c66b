using System.Runtime.Intrinsics.X86;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>
/// Byte-addressable memory that holds a cache. Every store goes through it; that is what makes durability a property
/// of one place, and crash simulation complete.
/// </summary>
/// <remarks>
/// <para>
/// A store is durable after <see cref="FlushRange"/> over it and a later <see cref="Drain"/> have returned. Stores,
/// flushes and drains may be issued from any thread; a drain covers what its own thread flushed before. It covers
/// what another thread flushed too, provided that this thread has since executed an interlocked operation (entering a
/// lock, say) or a drain of its own, and the drain began after that: stores go out weakly ordered, and leaving a lock
/// by a plain store doesn't push them out. The simplest rule: the thread that stores also drains; where
/// <see cref="DrainIsCheap"/> is false, any thread's drain will do.
/// </para>
/// <para>
/// Methods are thread-safe but for <see cref="Dispose()"/>, which no other call may overlap; stores into the same
/// bytes are ordered by their callers. Ranges that begin or end inside a 4-byte word rewrite the whole word, so that
/// its other bytes must not be stored to meanwhile. A base pointer for readers (internal) is valid until the
/// disposal.
/// </para>
/// </remarks>
public abstract unsafe class PmemRegion : IDisposable
{
    private const int PrefetchBytes = 4096;
    private const int CacheLine = 64;

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
    /// Whether <see cref="Drain"/> costs no more than a fence, so that each write drains its own payload. Where false
    /// (msync), payload and keys are drained by the flush that acknowledges them.
    /// </summary>
    public virtual bool DrainIsCheap => true;

    /// <summary>The path that the region's file was opened by; null: it has none, or its name isn't known.</summary>
    internal virtual string? WatchedPath => null;

    /// <summary>What another program has done to the region's file, as far as that can be told.</summary>
    internal virtual StorageChange LookAtFile() => StorageChange.None;

    /// <summary>First byte; valid until the region is disposed.</summary>
    internal byte* Memory { get; private protected set; }

    /// <summary>
    /// Stores <paramref name="source"/> at <paramref name="offset"/>; durable after FlushRange and Drain.
    /// </summary>
    /// <param name="offset">First byte, in bytes from the region's begin.</param>
    /// <param name="source">What to store; fastest where offset and length are multiples of 64.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region. Nothing was stored.</exception>
    /// <exception cref="InvalidOperationException">The region is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>
    /// Stores as <see cref="Write"/> does and returns the CRC-32C, continued from <paramref name="crc"/>, of exactly
    /// the bytes stored, also where the source changes meanwhile.
    /// </summary>
    /// <param name="offset">First byte, in bytes from the region's begin.</param>
    /// <param name="source">What to store; fastest where offset and length are multiples of 64.</param>
    /// <param name="crc">The checksum to continue; no inversion at either end.</param>
    /// <returns>The continued checksum.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region. Nothing was stored.</exception>
    /// <exception cref="InvalidOperationException">The region is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc);

    /// <summary>Stores zeros; durable after FlushRange and Drain.</summary>
    /// <param name="offset">First byte, in bytes from the region's begin.</param>
    /// <param name="lengthBytes">Length in bytes, zero or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region. Nothing was stored.</exception>
    /// <exception cref="InvalidOperationException">The region is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract void WriteZeros(long offset, long lengthBytes);

    /// <summary>
    /// Begins to make the stores of a range durable. Costs next to nothing; on a read-only region it does nothing.
    /// </summary>
    /// <param name="offset">First byte, in bytes from the region's begin.</param>
    /// <param name="lengthBytes">Length in bytes, zero or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract void FlushRange(long offset, long lengthBytes);

    /// <summary>
    /// Returns when all that was flushed before is durable, to the degree that <see cref="Persistence"/> and
    /// <see cref="IsPowerSafe"/> tell.
    /// </summary>
    /// <exception cref="IOException">The medium failed. It isn't known what has become durable, and every later drain
    /// of the region fails too.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract void Drain();

    /// <summary>
    /// Copies metadata out. Unlike a read through <see cref="Memory"/>, a media error is an exception and no crash.
    /// </summary>
    /// <param name="offset">First byte, in bytes from the region's begin.</param>
    /// <param name="destination">Receives as many bytes as it is long.</param>
    /// <exception cref="IOException">The medium failed (poisoned line, read error), or the file was cut.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public abstract void ReadMetadata(long offset, Span<byte> destination);

    /// <summary>A view of the bytes for copying out, in bounds by construction.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    internal ReadOnlySpan<byte> ReadSpan(long offset, int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
        ObjectDisposedException.ThrowIf(Memory is null, this);
        return new ReadOnlySpan<byte>(Memory + offset, lengthBytes);
    }

    /// <summary>Copies payload out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    internal void CopyOut(long offset, Span<byte> destination)
    {
        byte* memory = Memory;
        if (memory is null || (ulong)offset > (ulong)LengthBytes
            || (ulong)destination.Length > (ulong)(LengthBytes - offset))
        {
            _ = ReadSpan(offset, destination.Length); // says what is wrong
        }

        Invariant.Holds(memory is not null && offset >= 0 && offset + destination.Length <= LengthBytes,
            "what is copied out lies in the region");
        PayloadCopy.Copy(memory + offset, destination);
    }

    /// <summary>
    /// Begins to load what will soon be read; at most a page of it. A hint: an address outside the region is passed
    /// over.
    /// </summary>
    internal void Prefetch(long offset, int lengthBytes)
    {
        byte* memory = Memory;
        int length = Math.Min(lengthBytes, PrefetchBytes);
        if (!Sse.IsSupported || memory is null || offset < 0 || offset > LengthBytes - length)
        {
            return;
        }

        for (int i = 0; i < length; i += CacheLine)
        {
            Sse.Prefetch0(memory + offset + i);
        }
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

    /// <summary>
    /// Disposes the region and takes back what opening it has done (a file that was made is deleted), safely: for a
    /// caller that has opened it and then fails.
    /// </summary>
    internal virtual void Abandon() => Dispose();

    /// <summary>Releases the memory. Called once or more.</summary>
    protected abstract void Dispose(bool disposing);
}
