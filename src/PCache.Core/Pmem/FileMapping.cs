using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Pmem;

/// <summary>A whole file mapped into memory, shared with every other mapping and descriptor of it.</summary>
internal abstract class FileMapping : IDisposable
{
    /// <summary>Address of the file's first byte, aligned to a page.</summary>
    public nint Address { get; private protected init; }

    /// <summary>
    /// Maps <paramref name="lengthBytes"/> from the file's begin. The caller keeps the handle open for as long, and
    /// closes it.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="lengthBytes">Length of the file in bytes, at least 1.</param>
    /// <param name="readOnly">Whether stores crash.</param>
    /// <param name="synchronous">Whether MAP_SYNC is asked for; refused with a <see cref="PCacheException"/> where it
    /// isn't given.</param>
    /// <exception cref="IOException">The file can't be mapped.</exception>
    public static FileMapping Map(SafeFileHandle file, long lengthBytes, bool readOnly, bool synchronous)
        => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()
            ? new UnixFileMapping(file, lengthBytes, readOnly, synchronous)
            : new ViewFileMapping(file, lengthBytes, readOnly);

    /// <summary>
    /// Makes all pages present; <paramref name="forWriting"/>: so that the first store into each is cheap too.
    /// </summary>
    /// <exception cref="IOException">A page can't be made present.</exception>
    public abstract void Prefault(bool forWriting);

    /// <summary>Brings the pages that hold the range to the disk.</summary>
    /// <exception cref="IOException">They may not have got there.</exception>
    public abstract void Sync(long offset, long lengthBytes);

    /// <summary>Unmaps; no thread may use the memory any more.</summary>
    public abstract void Dispose();

    /// <summary>Reads a byte of every page.</summary>
    private protected unsafe void Touch(long lengthBytes)
    {
        for (long offset = 0; offset < lengthBytes; offset += Environment.SystemPageSize)
        {
            _ = Volatile.Read(ref *((byte*)Address + offset));
        }
    }
}
