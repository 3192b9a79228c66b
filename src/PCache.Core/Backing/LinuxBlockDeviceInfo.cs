// What a Linux block device says about itself. Keeps true: asking changes nothing (no position moves), and anything
// that isn't a block device gives null.

using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Backing;

/// <param name="LengthBytes">Length of the device.</param>
/// <param name="SectorBytes">Its logical sector size: the smallest unit that it writes.</param>
internal sealed partial record LinuxBlockDeviceInfo(long LengthBytes, int SectorBytes)
{
    // _IO(0x12, 104) and _IOR(0x12, 114, size_t).
    private const nuint BlkSszGet = 0x1268;

    private static nuint BlkGetSize64 => 0x8000_1272 | ((nuint)nint.Size << 16);

    public static LinuxBlockDeviceInfo? TryGet(SafeFileHandle handle)
    {
        // PowerPC numbers its ioctls otherwise, and isn't worth a second table.
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture == Architecture.Ppc64le)
        {
            return null;
        }

        bool isBlockDevice = IoctlInt32(handle, BlkSszGet, out int sectorBytes) == 0;
        if (!isBlockDevice || IoctlInt64(handle, BlkGetSize64, out long lengthBytes) != 0)
        {
            return null;
        }

        bool isSound = lengthBytes >= 0 && sectorBytes is > 0 and <= CheckedBlockDevice.MaxBlockSize
            && BitOperations.IsPow2(sectorBytes);
        return isSound
            ? new LinuxBlockDeviceInfo(lengthBytes, sectorBytes)
            : throw new IOException(
                $"The block device reports a length of {lengthBytes} bytes and sectors of {sectorBytes} bytes.");
    }

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int IoctlInt32(SafeFileHandle handle, nuint request, out int value);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int IoctlInt64(SafeFileHandle handle, nuint request, out long value);
}
