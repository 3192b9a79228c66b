namespace PCache.Core;

/// <summary>How far a write must have gone before it returns.</summary>
public enum WriteDurability
{
    /// <summary>The write is durable after the next flush.</summary>
    Normal = 0,

    /// <summary>
    /// Force unit access (FUA): the write itself is durable when it returns. It also is a barrier: no later write
    /// reaches the backing before it.
    /// </summary>
    ForceUnitAccess = 1,

    /// <summary>
    /// The write survives the death of the process when it returns; a power cut after the next flush, as
    /// <see cref="Normal"/>. No barrier. For a device that hands each write to the system at once (a file) this is
    /// <see cref="Normal"/>.
    /// </summary>
    Persist = 2,
}

/// <summary>
/// A random-access device of bytes: what a cache stands in front of, and what a cache itself is.
/// </summary>
/// <remarks>
/// Positional and without a cursor; every member may be called from any number of threads at once. Offsets and
/// lengths are in bytes and may be arbitrary unless <see cref="BlockSize"/> says more. A sector (512 bytes) is read
/// and written atomically with respect to other callers.
/// </remarks>
public interface IBlockDevice : IDisposable, IAsyncDisposable
{
    /// <summary>Length in bytes. O(1), takes no lock.</summary>
    long Length { get; }

    /// <summary>
    /// The unit of I/O in bytes, a power of two from 1 to 65,536. Callers of a device whose block size is above 1
    /// pass offsets and lengths that are multiples of it (a length may be shorter where it ends at
    /// <see cref="Length"/>).
    /// </summary>
    int BlockSize { get; }

    /// <summary>Whether writing is allowed.</summary>
    bool CanWrite { get; }

    /// <summary>Whether <see cref="SetLength"/> works, and writing past the end grows the device.</summary>
    bool CanResize { get; }

    /// <summary>
    /// Whether <see cref="Discard"/> does anything. Where it doesn't, discarding is legal and has no effect.
    /// </summary>
    bool CanDiscard { get; }

    /// <summary>Reads from <paramref name="offset"/> into <paramref name="buffer"/>.</summary>
    /// <param name="offset">First byte, 0 or more. At or beyond <see cref="Length"/>: nothing is read.</param>
    /// <param name="buffer">Where the bytes go.</param>
    /// <returns>Number of bytes read: the buffer's length, less only where the device ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="offset"/> is negative.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    int Read(long offset, Span<byte> buffer);

    /// <inheritdoc cref="Read"/>
    ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default);

    /// <summary>Writes all of <paramref name="buffer"/> at <paramref name="offset"/>.</summary>
    /// <param name="offset">First byte, 0 or more.</param>
    /// <param name="buffer">The bytes. Must not change until the call has returned.</param>
    /// <param name="durability">Whether the write must be durable when it returns.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative offset, or a range past the end of a device that can't
    /// grow.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal);

    /// <inheritdoc cref="Write"/>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes every write that returned before this call began durable, and orders it before every later one.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium failed; the writes may not be durable.</exception>
    void Flush();

    /// <inheritdoc cref="Flush"/>
    ValueTask FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Makes a range read as zeros, like a write of zeros but without a payload.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative arguments, or a range past the end of a device that
    /// can't grow.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal);

    /// <inheritdoc cref="WriteZeroes"/>
    ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default);

    /// <summary>
    /// Says that a range's content is no longer needed. Advisory; the content is undefined until it is written again.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative arguments.</exception>
    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    void Discard(long offset, long length);

    /// <inheritdoc cref="Discard"/>
    ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default);

    /// <summary>Sets the length. New space reads as zeros; what is cut off never comes back.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative length.</exception>
    /// <exception cref="NotSupportedException"><see cref="CanResize"/> is false.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    void SetLength(long length);

    /// <inheritdoc cref="SetLength"/>
    ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default);
}
