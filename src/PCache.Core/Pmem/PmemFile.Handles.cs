// Regions over files that the caller has opened. Keeps true: the file is never looked up by its name again, so what
// the caller found out about it holds; the lock is asked for here, whatever the open did about it.
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

public static partial class PmemFile
{
    /// <summary>
    /// Opens a region over a file that is open already, so that a caller that has looked at a file (owner, rights,
    /// identity) gets a region over that very file, whatever has its name by now.
    /// </summary>
    /// <param name="file"> Open for reading, and for writing unless <see cref="PmemFileOptions.ReadOnly"/>. It
    /// belongs to the region once this has returned, and to the caller if it throws. Don't open the file in the same
    /// process otherwise meanwhile.
    /// </param>
    /// <param name="path">What messages call it. It isn't watched: the caller may give the file another name.</param>
    /// <param name="options">How to map it; null: the defaults.</param>
    /// <param name="lengthIfEmptyBytes">Length in bytes that an empty file is given, as a new one; at least
    /// <see cref="MinLengthBytes"/>. 0 (the default): an empty file is refused.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="PCacheInUseException">Another region, of this or another process, has the file open in a way
    /// that excludes this one.</exception>
    /// <exception cref="PCacheException">It is too short, can't give the persistence asked for, or can't be
    /// locked.</exception>
    /// <exception cref="IOException">The system refused, or the disk is full.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion Open(
        SafeFileHandle file, string path, PmemFileOptions? options = null, long lengthIfEmptyBytes = 0)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (lengthIfEmptyBytes != 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(lengthIfEmptyBytes, MinLengthBytes);
        }

        (path, options) = Validate(path, options);
        switch (FileLock.TryTake(file, !options.ReadOnly, out string? reason))
        {
            case FileLockState.HeldByOther:
                throw new PCacheInUseException($"'{SafeText.Of(path)}' is in use by "
                    + $"{FileLock.DescribeHolder(file) ?? "another process, or by another region of this one"}.");
            case FileLockState.Unavailable when !options.AllowWithoutLock:
                throw new PCacheException(
                    $"'{SafeText.Of(path)}' can't be locked ({reason}), so nothing would keep another process from "
                    + $"writing it too. Set PmemFileOptions.AllowWithoutLock if you know that none does.");
        }

        return FileOpening.Open(file, path, lengthIfEmptyBytes, options);
    }
}
