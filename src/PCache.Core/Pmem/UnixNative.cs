using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

/// <summary>
/// The system calls that the runtime doesn't offer, with the numbers of 64-bit Linux and macOS (where off_t is 64
/// bits wide).
/// </summary>
internal static partial class UnixNative
{
    internal const int ProtRead = 1;
    internal const int ProtWrite = 2;

    internal const int MapShared = 0x01;
    internal const int LinuxMapSharedValidate = 0x03;
    internal const int LinuxMapSync = 0x80000;

    internal const int LinuxMsSync = 4;
    internal const int MacMsSync = 0x10;

    internal const int MadvRandom = 1;
    internal const int LinuxMadvHugePage = 14;
    internal const int LinuxMadvPopulateRead = 22;
    internal const int LinuxMadvPopulateWrite = 23;

    internal const int SeekEnd = 2;
    internal const int LinuxSeekHole = 4;

    internal const int ErrorInterrupted = 4;
    internal const int LinuxErrorTryAgain = 11;
    internal const int MacErrorTryAgain = 35;
    internal const int ErrorNoSuchDevice = 19;
    internal const int ErrorInvalid = 22;
    internal const int LinuxErrorNoSpace = 28;
    internal const int LinuxErrorNoSuchCall = 38;
    internal const int LinuxErrorNotSupported = 95;
    internal const int LinuxErrorQuota = 122;

    internal const nuint LinuxGetFlags = 0x80086601;
    internal const nuint LinuxSetFlags = 0x40086602;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint Map(
        nint address, nuint lengthBytes, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    internal static partial int Unmap(nint address, nuint lengthBytes);

    [LibraryImport("libc", EntryPoint = "msync", SetLastError = true)]
    internal static partial int Sync(nint address, nuint lengthBytes, int flags);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    internal static partial int Advise(nint address, nuint lengthBytes, int advice);

    /// <summary>Linux only.</summary>
    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int Allocate(SafeFileHandle file, int mode, long offset, long lengthBytes);

    /// <summary>Linux only.</summary>
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Control(SafeFileHandle file, nuint request, ref int argument);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Seek(SafeFileHandle file, long offset, int origin);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenForReading(string path, int flagsNone);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncFile(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    /// <summary>
    /// Makes the names in a folder durable, as far as the file system knows how to: a new file whose folder was not
    /// synchronised may be gone after a power cut.
    /// </summary>
    internal static void SyncFolder(string folder)
    {
        int descriptor = OpenForReading(folder, 0);
        if (descriptor < 0)
        {
            return; // a folder that may be written but not read: nothing more can be done
        }

        try
        {
            if (SyncFile(descriptor) != 0 && Marshal.GetLastPInvokeError() != ErrorInvalid)
            {
                throw LastError($"The folder '{SafeText.Of(folder)}' can't be synchronised");
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>The exception for the last failed call.</summary>
    internal static IOException LastError(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)} (error {error}).", error);
    }
}
