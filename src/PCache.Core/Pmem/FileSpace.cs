// Keeps true: after Allocate or FillHoles every byte of the file has its block on the disk, where the file system can promise that; what was in the file is unchanged.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

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
        return lengthBytes >= 0 ? lengthBytes : throw new PCacheException($"'{path}' is neither a file nor a block device.", UnixNative.LastError("Seeking failed"));
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

    /// <summary>Gives a sparse file its missing blocks.</summary>
    /// <exception cref="IOException">There isn't that much room.</exception>
    public static void FillHoles(SafeFileHandle file, string path, long lengthBytes)
    {
        // Allocated but never written blocks count as a hole too; allocating those again changes nothing.
        if (OperatingSystem.IsLinux() && UnixNative.Seek(file, 0, UnixNative.LinuxSeekHole) is >= 0 and long hole && hole < lengthBytes)
        {
            _ = TryAllocate(file, path, lengthBytes);
        }
    }

    /// <summary>False: the file system has no such call.</summary>
    private static bool TryAllocate(SafeFileHandle file, string path, long lengthBytes)
    {
        while (UnixNative.Allocate(file, 0, 0, lengthBytes) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case UnixNative.ErrorInterrupted:
                    break;
                case UnixNative.LinuxErrorNotSupported or UnixNative.LinuxErrorNoSuchCall or UnixNative.ErrorNoSuchDevice:
                    return false;
                default:
                    throw UnixNative.LastError($"Allocating {lengthBytes} bytes for '{path}' failed");
            }
        }

        return true;
    }
}
