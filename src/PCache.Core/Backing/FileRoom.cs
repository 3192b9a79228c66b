// Blocks of a backing file. Keeps true: neither call changes what the file holds, but for a punched range, which
// reads as zeros; a call that fails leaves the length as it was; a file system that can't do it says so by "false",
// and nothing has changed.

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Backing;

internal static partial class FileRoom
{
    private const int KeepSize = 1;
    private const int Punch = 2;
    private const int Interrupted = 4;
    private const int NoSuchDevice = 19;
    private const int NoSuchCall = 38;
    private const int NotSupported = 95;

    /// <summary>Whether the platform has the calls at all.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Gives a range blocks of its own, also beyond the file's end.</summary>
    /// <exception cref="IOException">There isn't that much room.</exception>
    public static bool TryAllocate(SafeFileHandle file, long offset, long lengthBytes) =>
        TryCall(file, KeepSize, offset, lengthBytes, "Allocating");

    /// <summary>Gives a range's blocks back; it reads as zeros then.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public static bool TryPunch(SafeFileHandle file, long offset, long lengthBytes) =>
        TryCall(file, KeepSize | Punch, offset, lengthBytes, "Punching a hole of");

    private static bool TryCall(SafeFileHandle file, int mode, long offset, long lengthBytes, string doing)
    {
        while (Allocate(file, mode, offset, lengthBytes) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            switch (error)
            {
                case Interrupted:
                    break;
                case NotSupported or NoSuchCall or NoSuchDevice:
                    return false;
                default:
                    throw new IOException($"{doing} {lengthBytes} bytes at {offset} of the backing failed: "
                        + $"{Marshal.GetPInvokeErrorMessage(error)} (error {error}).", error);
            }
        }

        return true;
    }

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long lengthBytes);
}
