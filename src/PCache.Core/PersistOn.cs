namespace PCache.Core;

/// <summary>
/// From when on a write survives the death of the process (a kill, a crash). What survives a power cut is the flush's
/// matter in either case.
/// </summary>
public enum PersistOn
{
    /// <summary>
    /// From the next flush on, or after <see cref="PCacheOptions.KsetTimeout"/>: the cheapest. A program that never
    /// flushes may lose its last writes.
    /// </summary>
    Flush = 0,

    /// <summary>
    /// From the moment on when the write returns, as with a <see cref="FileStream"/> without a buffer. For programs
    /// that write without flushing. No barrier: nothing else changes in what the
    /// backing gets, and when. On a power-safe file each write costs a synchronisation of it then.
    /// </summary>
    Write = 1,
}
