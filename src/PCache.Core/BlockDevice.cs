// The ways to get a device to put a cache in front of. Keeps true: whatever can't serve as one (unseekable,
// unreadable, missing) is refused here, at once, not at the first I/O.

using System.Numerics;
using PCache.Core.Backing;
using PCache.Core.Files;

namespace PCache.Core;

/// <summary>Makes block devices of streams, files, Linux block devices and memory.</summary>
/// <remarks>
/// All of them are thread-safe, sync and async, and check what they are given before they touch anything: besides
/// what <see cref="IBlockDevice"/> documents, an offset or length that doesn't fit a block size above 1 is an
/// <see cref="ArgumentException"/>. None of them caches: what was read or written went to the stream, file or memory.
/// Length is an <see cref="ObjectDisposedException"/> after Dispose. Operations on memory and on streams other than
/// FileStream are atomic; on files, a read that overlaps a write in progress is as atomic as the file system makes it
/// (several let it see half of a sector).
/// </remarks>
public static class BlockDevice
{
    /// <summary>Makes a device of a stream, which from then on is the device's alone.</summary>
    /// <param name="stream"> Seekable and readable; the device is read-only if it can't write, of a fixed length if
    /// it has no SetLength. A <see cref="FileStream"/> becomes positional: any number of reads and writes run at
    /// once, whatever its buffer size, position and options, its own position stays as it was, and Flush goes to the
    /// medium (fsync). A FileStream over a Linux block device has the device's length and sector size. Of any other
    /// stream (also a class derived from FileStream) one operation runs at a time, and the position moves; Flush is
    /// that stream's plain <see cref="Stream.Flush()"/>, and hence only as durable as the stream makes it.
    /// </param>
    /// <param name="leaveOpen">Whether disposing the device leaves the stream open.</param>
    /// <param name="options"> How the file of a <see cref="FileStream"/> is used; null: the defaults. It is claimed
    /// as by <see cref="OpenFile"/>; left open, the stream has the lock afterwards that it had before.
    /// </param>
    /// <returns>The device. Disposing it doesn't flush to the medium.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException">The stream can't seek or can't read (a disposed one can neither), or is
    /// over something that isn't storage (/dev/null).</exception>
    /// <exception cref="PCacheInUseException">Another process uses the file (or block device: it is mounted,
    /// say).</exception>
    /// <exception cref="PCacheException">The file can't be locked; see
    /// <see cref="FileBackingOptions.AllowWithoutLock"/>.</exception>
    /// <exception cref="IOException">Asking the stream for its length, or writing what a FileStream had buffered,
    /// failed.</exception>
    public static IBlockDevice FromStream(Stream stream, bool leaveOpen = false, FileBackingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanSeek)
        {
            throw new ArgumentException(
                "The stream can't seek (or is disposed): a backing is read and written at any offset.", nameof(stream));
        }

        if (!stream.CanRead)
        {
            throw new ArgumentException(
                "The stream can't be read: a backing serves what isn't cached.", nameof(stream));
        }

        FileBackingOptions fileOptions = options ?? new FileBackingOptions();
        if (stream is FileStream over && FileBlockDevice.NoStorage(FileFacts.Of(over.SafeFileHandle)) is { } kind)
        {
            throw new ArgumentException($"The stream is over {kind}: what is written there isn't kept, or not where it "
                + $"was written.", nameof(stream));
        }

        // A derived class may have overridden what FileStream does, and going to the handle would go past it.
        return stream.GetType() == typeof(FileStream)
            ? FileBlockDevice.FromFileStream((FileStream)stream, leaveOpen, fileOptions)
            : new StreamBlockDevice(stream, leaveOpen, fileOptions);
    }

    /// <summary>As <see cref="FromStream"/>, for callers whose own parameter is named backing.</summary>
    internal static IBlockDevice FromBacking(Stream backing, bool leaveOpen)
    {
        ArgumentNullException.ThrowIfNull(backing);
        return !backing.CanSeek || !backing.CanRead
            ? throw new ArgumentException("The backing can't seek or can't be read (or is disposed): it has to be "
                + "readable at any offset.", nameof(backing))
            : FromStream(backing, leaveOpen);
    }

    /// <summary>
    /// Opens an existing file, or on Linux a block device, which keeps its length and has its logical sector size as
    /// block size.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="access"> Read for a read-only device, or ReadWrite: then no other program that asks for locks may
    /// have the file open, as every .NET program does (see <see cref="FileBackingOptions.AllowSharing"/>).
    /// </param>
    /// <param name="options">How the file is used; null: the defaults.</param>
    /// <returns>The device; disposing it closes the file and doesn't flush to the medium.</returns>
    /// <exception cref="ArgumentException">The path is empty or invalid.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="access"/> is neither Read nor
    /// ReadWrite.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="UnauthorizedAccessException">The file, or that access to it, isn't allowed, or it is a
    /// folder.</exception>
    /// <exception cref="PCacheInUseException">Another process uses the file (or block device: it is mounted, say);
    /// the message names them, where that is known.</exception>
    /// <exception cref="PCacheException">The file can't be locked; see
    /// <see cref="FileBackingOptions.AllowWithoutLock"/>.</exception>
    /// <exception cref="IOException">It isn't storage (/dev/null, a pipe), can't seek, or opening failed.</exception>
    public static IBlockDevice OpenFile(
        string path, FileAccess access = FileAccess.ReadWrite, FileBackingOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (access is not (FileAccess.Read or FileAccess.ReadWrite))
        {
            throw new ArgumentOutOfRangeException(nameof(access), access, "A backing is opened for Read or ReadWrite.");
        }

        return FileBlockDevice.Open(path, access, options ?? new FileBackingOptions());
    }

    /// <summary>
    /// Makes a device of memory: zeros at first, gone when disposed, every operation atomic, pages allocated when
    /// first written. Discard reads as zeros.
    /// </summary>
    /// <param name="lengthBytes">Length in bytes, 0 or more.</param>
    /// <param name="blockSize">Unit of I/O in bytes, a power of two from 1 to 65,536.</param>
    /// <param name="canResize">Whether it can grow and shrink.</param>
    /// <returns>The device.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A length or block size outside those ranges.</exception>
    public static IBlockDevice FromMemory(long lengthBytes, int blockSize = 1, bool canResize = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        if (blockSize > CheckedBlockDevice.MaxBlockSize || !BitOperations.IsPow2(blockSize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(blockSize), blockSize, "The block size must be a power of two from 1 to 65,536.");
        }

        return new MemoryBlockDevice(lengthBytes, blockSize, canResize);
    }
}
