namespace PCache.Core.Pmem;

/// <summary>Regions of ordinary memory, for tests and benchmarks.</summary>
public static class PmemMemory
{
    /// <summary>
    /// Allocates a region of zeros, gone with its disposal or with the process. Pages take memory when they are first
    /// touched; on Linux, in regions from 64 MiB on, 2 MiB at a time where the system gives such pages on advice,
    /// which makes random access faster.
    /// </summary>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    /// <returns>A region with <see cref="Persistence.Volatile"/>. Dispose it: there is no finalizer.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="lengthBytes"/> is zero or less.</exception>
    /// <exception cref="OutOfMemoryException">There isn't that much memory; <see cref="InsufficientMemoryException"/>
    /// where the container's limit leaves less than that (the message has both figures).</exception>
    public static PmemRegion Allocate(long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        MemoryRoom.CheckPlain(lengthBytes);
        return VolatileRegion.Allocate(lengthBytes);
    }
}
