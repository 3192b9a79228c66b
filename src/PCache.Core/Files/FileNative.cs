// The system calls about files that the runtime doesn't offer, for 64-bit Linux, macOS and Windows. Keeps true:
// structures have the systems' layout, checked by a test against what the runtime itself says of a file; a call that
// was interrupted is made again.

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

internal static partial class FileNative
{
    public const int LockShared = 1;
    public const int LockExclusive = 2;
    public const int LockWithoutWaiting = 4;
    public const int LockRelease = 8;

    private const int ErrorInterrupted = 4;
    private const int CurrentFolder = -100;
    private const int EmptyPath = 0x1000;
    private const int NoFollow = 0x100;
    private const uint BasicFactsAndBirth = 0xFFF;

    /// <summary>0, or -1 with the error set.</summary>
    public static int TryStat(SafeFileHandle file, out Statx stat)
    {
        bool added = false;
        file.DangerousAddRef(ref added);
        try
        {
            return Again((int)file.DangerousGetHandle(), "", EmptyPath, out stat);
        }
        finally
        {
            file.DangerousRelease();
        }
    }

    /// <summary>0, or -1 with the error set.</summary>
    public static int TryStat(string path, bool followLinks, out Statx stat) =>
        Again(CurrentFolder, path, followLinks ? 0 : NoFollow, out stat);

    /// <summary>0, or the error.</summary>
    public static int Lock(SafeFileHandle file, int operation)
    {
        while (Flock(file, operation) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error != ErrorInterrupted)
            {
                return error;
            }
        }

        return 0;
    }

    /// <summary>Opens an existing file; the handle is invalid, with the error set, where that fails.</summary>
    public static SafeFileHandle OpenExisting(string path, bool forWriting, bool followLinks)
    {
        // Without waiting: a named pipe would hang the open until another process writes to it.
        int flags =
            (forWriting ? 2 : 0) | Flag.CloseOnExecute | Flag.WithoutWaiting | (followLinks ? 0 : Flag.NoFollow);
        int descriptor;
        while ((descriptor = Open(path, flags)) < 0 && Marshal.GetLastPInvokeError() == ErrorInterrupted)
        {
        }

        int error = Marshal.GetLastPInvokeError();
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        Marshal.SetLastPInvokeError(error);
        return handle;
    }

    /// <summary>0, or -1 with the error set.</summary>
    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int ChangeOwner(SafeFileHandle file, uint ownerId, uint groupId);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUserId();

    /// <summary>Windows only.</summary>
    [LibraryImport("kernel32", EntryPoint = "GetFileInformationByHandle", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    public static partial bool GetInformation(SafeFileHandle file, out WindowsInformation information);

    /// <summary>Windows only: opens for queries, not for reading, also while other processes have it open.</summary>
    public static SafeFileHandle OpenForFacts(string path)
    {
        const int shareAll = 7;
        const int openExisting = 3;
        const int folderToo = 0x02000000;
        return CreateFile(path, 0, shareAll, 0, openExisting, folderToo, 0);
    }

    /// <summary>The exception for the last failed call.</summary>
    public static IOException LastError(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)} (error {error}).", error);
    }

    private static int Again(int folder, string path, int flags, out Statx stat)
    {
        int result;
        while ((result = Stat(folder, path, flags, BasicFactsAndBirth, out stat)) != 0
            && Marshal.GetLastPInvokeError() == ErrorInterrupted)
        {
        }

        return result;
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(int folder, string path, int flags, uint mask, out Statx stat);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport(
        "kernel32", EntryPoint = "CreateFileW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    private static partial SafeFileHandle CreateFile(
        string path, int access, int share, nint security, int creation, int flags, nint template);

    /// <summary>Flags of open, which differ by system and, on Linux, by processor.</summary>
    private static class Flag
    {
        private static bool IsMac => OperatingSystem.IsMacOS();

        public static int CloseOnExecute => IsMac ? 0x1000000 : 0x80000;

        public static int WithoutWaiting => IsMac ? 0x4 : 0x800;

        public static int NoFollow => IsMac ? 0x100
            : RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Ppc64le
                ? 0x8000
            : 0x20000;
    }

    /// <summary>A time of Linux's statx.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct StatxTime
    {
        public long Seconds;
        public uint Fraction;
        private readonly int _reserved;

        public readonly long Nanoseconds => unchecked((Seconds * 1_000_000_000) + Fraction);
    }

    /// <summary>Linux's struct statx, the same on every processor.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct Statx
    {
        public uint Mask;
        public uint BlockBytes;
        public ulong Attributes;
        public uint Links;
        public uint OwnerId;
        public uint GroupId;
        public ushort Mode;
        private readonly ushort _reserved;
        public ulong Inode;
        public ulong SizeBytes;
        public ulong Blocks;
        public ulong AttributesMask;
        public StatxTime Accessed;
        public StatxTime Born;
        public StatxTime Changed;
        public StatxTime Modified;
        public uint SpecialMajor;
        public uint SpecialMinor;
        public uint DeviceMajor;
        public uint DeviceMinor;
    }

    /// <summary>A time of Windows: units of 100 ns since 1601.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct WindowsTime
    {
        public uint Low;
        public uint High;

        public readonly long Nanoseconds => unchecked(((((long)High << 32) | Low) - 116_444_736_000_000_000) * 100);
    }

    /// <summary>Windows' BY_HANDLE_FILE_INFORMATION.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct WindowsInformation
    {
        public uint Attributes;
        public WindowsTime Created;
        public WindowsTime Accessed;
        public WindowsTime Written;
        public uint Volume;
        public uint SizeHigh;
        public uint SizeLow;
        public uint Links;
        public uint IndexHigh;
        public uint IndexLow;
    }
}
