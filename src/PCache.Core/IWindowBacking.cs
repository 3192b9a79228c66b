namespace PCache.Core;

/// <summary>
/// A backing that takes many of the caller's flushes in one step, a window, by rules of its own; so it needs no
/// checkpoint journal. Found on the <see cref="IBlockDevice"/> that a device is opened with.
/// </summary>
/// <remarks>
/// All calls come from write-back, one at a time. A window that was begun is there whole after the next
/// <see cref="IBlockDevice.Flush"/>, or the backing takes it back before anything else is written to it; after a crash
/// the same keys of the log, or more, are offered again.
/// </remarks>
public interface IWindowBacking
{
    /// <summary>
    /// Before a window is collected; takes back one that was begun and not finished. False: what comes next goes to
    /// the backing group by group, as at <see cref="BackingConsistency.EachFlush"/>.
    /// </summary>
    /// <returns>Whether a window may begin here.</returns>
    /// <exception cref="IOException">The backing failed.</exception>
    bool TryCollect();

    /// <summary>The next key of the log, in the order in which it was written.</summary>
    /// <param name="offset">Its first byte, in bytes from the start of the device.</param>
    /// <param name="payload">What was written.</param>
    /// <returns>False: no window may contain it.</returns>
    bool TryNote(long offset, ReadOnlySpan<byte> payload);

    /// <summary>
    /// Whether the window may end here, at a flush. Where it says yes, it keeps what the window has by then.
    /// </summary>
    /// <param name="lastSequence">Number of the last part of the log before.</param>
    /// <returns>Whether it may.</returns>
    bool MayEnd(uint lastSequence);

    /// <summary>
    /// The window that ends at the last place where it could: before its first write. On return the backing can be
    /// brought back to what it was, whatever happens.
    /// </summary>
    /// <exception cref="IOException">The backing failed.</exception>
    void Begin();

    /// <summary>After all of the window was written.</summary>
    /// <returns>Whether it has to be written once more, in another pass.</returns>
    /// <exception cref="IOException">The backing failed.</exception>
    bool NextPass();

    /// <summary>The window failed on the way: takes it back, if the backing still works. Never throws.</summary>
    void Abandon();
}
