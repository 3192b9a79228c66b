// Keeps true: after Allocate or PrepareChanges every byte of the file has a block on the disk that a change can go
// to, where the file system can promise that (copy-on-write ones can't: DescriptorStoreRegion); what was in the file
// is unchanged.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

/// <summary>Length and blocks of a file.</summary>
internal static class FileSpace
{
    /// <summary>Length in bytes of an ordinary file or a block device.</summary>
    public static long Length(SafeFileHandle file, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return RandomAccess.GetLength(file);
        }

        // A block device's length is known to seeking only.
        long lengthBytes = UnixNative.Seek(file, 0, UnixNative.SeekEnd);
        return lengthBytes >= 0 ? lengthBytes : throw new PCacheException(
            $"'{SafeText.Of(path)}' is neither a file nor a block device.", UnixNative.LastError("Seeking failed"));
    }

    /// <summary>Gives an empty file its length and its blocks.</summary>
    /// <exception cref="IOException">There isn't that much room.</exception>
    public static void Allocate(SafeFileHandle file, string path, long lengthBytes)
    {
        if (!OperatingSystem.IsLinux() || !TryAllocate(file, path, lengthBytes))
        {
            RandomAccess.SetLength(file, lengthBytes);
        }
    }

    /// <summary>
    /// On a file system that writes changes to new places and can do without for single files: makes an empty file
    /// one that is changed in place. Elsewhere nothing.
    /// </summary>
    /// <remarks>Its blocks are shared all the same once a snapshot or a copy shares them.</remarks>
    public static void ChangeInPlace(SafeFileHandle file)
    {
        const int noCopyOnWrite = 0x00800000;
        int flags = 0;
        if (FileSystemFacts.Of(file) is { KnowsNoCopyOnWrite: true }
            && UnixNative.Control(file, UnixNative.LinuxGetFlags, ref flags) == 0)
        {
            flags |= noCopyOnWrite;
            // where that is refused, nothing is lost but room
            _ = UnixNative.Control(file, UnixNative.LinuxSetFlags, ref flags);
        }
    }

    /// <summary>
    /// Gives a sparse file its missing blocks, and a file that shares blocks with others (a reflink) its own, where
    /// the file system can do that ahead.
    /// </summary>
    /// <exception cref="IOException">There isn't that much room.</exception>
    public static void PrepareChanges(SafeFileHandle file, string path, long lengthBytes)
    {
        const int unshare = 0x40;
        try
        {
            FillHoles(file, path, lengthBytes);
            if (FileSystemFacts.Of(file) is { CanUnshare: true })
            {
                _ = TryAllocate(file, path, lengthBytes, unshare);
            }
        }
        catch (IOException e) when (IsFull(e))
        {
            throw NoRoomForChanges(path, e);
        }
    }

    /// <summary>Whether it says that there is no room, or no more for this user.</summary>
    public static bool IsFull(IOException e) =>
        OperatingSystem.IsLinux() && e.HResult is UnixNative.LinuxErrorNoSpace or UnixNative.LinuxErrorQuota;

    /// <summary>What to throw where a change to a cache file finds no room.</summary>
    public static IOException NoRoomForChanges(string path, IOException e) => new(
        $"There is no room for a change to the cache file '{SafeText.Of(path)}': its file system is full, and not "
        + $"every change can be made in place. Nothing that was flushed is lost. Free some space "
        + "there; or bring what is dirty to where there is room, by commands that don't change the cache file: 'pcache "
        + "writeback --rescue' (to the backing) or 'pcache export'.",
        e)
    {
        HResult = e.HResult,
    };

    private static void FillHoles(SafeFileHandle file, string path, long lengthBytes)
    {
        // Allocated but never written blocks count as a hole too; allocating those again changes nothing.
        if (OperatingSystem.IsLinux() && UnixNative.Seek(file, 0, UnixNative.LinuxSeekHole) is >= 0 and long hole
            && hole < lengthBytes)
        {
            _ = TryAllocate(file, path, lengthBytes);
        }
    }

    /// <summary>False: the file system has no such call.</summary>
    private static bool TryAllocate(SafeFileHandle file, string path, long lengthBytes, int mode = 0)
    {
        while (UnixNative.Allocate(file, mode, 0, lengthBytes) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case UnixNative.ErrorInterrupted:
                    break;
                case UnixNative.LinuxErrorNotSupported or UnixNative.LinuxErrorNoSuchCall
                    or UnixNative.ErrorNoSuchDevice:
                    return false;
                case UnixNative.ErrorInvalid when mode != 0:
                    return false;
                default:
                    throw UnixNative.LastError($"Allocating {lengthBytes} bytes for '{SafeText.Of(path)}' failed");
            }
        }

        return true;
    }
}
