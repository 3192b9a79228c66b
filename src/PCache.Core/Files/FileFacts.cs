// What the system knows of a file. Keeps true: facts of a handle are those of the file that is open, never of
// whatever has its name by now; "no such file" is told apart from "the platform can't tell" (IsSupported) and from an
// error (an exception).

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

/// <summary>Identity, owner, rights, kind and size of a file, as they were when they were asked for.</summary>
internal sealed record FileFacts
{
    private const int NoSuchFile = 2;
    private const int NotADirectory = 20;

    /// <summary>Whether this platform tells: Linux all of it, Windows all but owner, group and mode.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() || OperatingSystem.IsWindows();

    /// <summary>Which file it is.</summary>
    public required FileIdentity Identity { get; init; }

    /// <summary>What it is.</summary>
    public required FileKind Kind { get; init; }

    /// <summary>Number of the owning user.</summary>
    public uint OwnerId { get; init; }

    /// <summary>Number of the owning group.</summary>
    public uint GroupId { get; init; }

    /// <summary>Rights.</summary>
    public UnixFileMode Mode { get; init; }

    /// <summary>Length in bytes; of a device 0.</summary>
    public long LengthBytes { get; init; }

    /// <summary>Of a device node: which device it stands for, its major number in the upper 32 bits. Else 0.</summary>
    public ulong DeviceNumber { get; init; }

    /// <summary>Number of names; 0: it has been deleted and is only open still.</summary>
    public long Links { get; init; }

    /// <summary>
    /// When the file was made, in nanoseconds since 1970; 0: the file system doesn't know. With the identity it tells
    /// a file from a later one with the same number.
    /// </summary>
    public long BornNanoseconds { get; init; }

    /// <summary>When its content last changed, in nanoseconds since 1970.</summary>
    public long ModifiedNanoseconds { get; init; }

    /// <summary>Facts of an open file; null where the platform can't tell.</summary>
    /// <exception cref="IOException">The system refused.</exception>
    public static FileFacts? Of(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (OperatingSystem.IsLinux())
        {
            return FileNative.TryStat(file, out FileNative.Statx stat) == 0
                ? From(in stat)
                : throw FileNative.LastError("The open file can't be looked at");
        }

        return OperatingSystem.IsWindows() ? OfWindows(file) : null;
    }

    /// <summary>
    /// Facts of what has this name; null: nothing has it, or the platform can't tell (see <see cref="IsSupported"/>).
    /// </summary>
    /// <param name="path">The name.</param>
    /// <param name="followLinks">Whether a symbolic link at the name's end stands for its target (only where links
    /// are Unix's).</param>
    /// <exception cref="IOException">The system refused.</exception>
    public static FileFacts? TryOfPath(string path, bool followLinks = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (OperatingSystem.IsLinux())
        {
            if (FileNative.TryStat(path, followLinks, out FileNative.Statx stat) == 0)
            {
                return From(in stat);
            }

            return Marshal.GetLastPInvokeError() is NoSuchFile or NotADirectory
                ? null
                : throw FileNative.LastError($"\"{SafeText.Of(path)}\" can't be looked at");
        }

        if (!OperatingSystem.IsWindows())
        {
            return null;
        }

        using SafeFileHandle file = FileNative.OpenForFacts(path);
        if (!file.IsInvalid)
        {
            return OfWindows(file);
        }

        const int windowsNoSuchFile = 2;
        const int windowsNoSuchPath = 3;
        return Marshal.GetLastPInvokeError() is windowsNoSuchFile or windowsNoSuchPath
            ? null
            : throw FileNative.LastError($"\"{SafeText.Of(path)}\" can't be looked at");
    }

    /// <summary>Whether a name leads to the open file. Null: the platform can't tell.</summary>
    /// <exception cref="IOException">The system refused.</exception>
    public static bool? IsNamed(SafeFileHandle file, string path)
    {
        FileFacts? open = Of(file);
        return open is null ? null : TryOfPath(path)?.Identity == open.Identity;
    }

    private static FileFacts From(in FileNative.Statx stat)
    {
        const int kindMask = 0xF000;
        const int modeMask = 0x0FFF;
        return new FileFacts
        {
            Identity = new FileIdentity(((ulong)stat.DeviceMajor << 32) | stat.DeviceMinor, stat.Inode),
            Kind = (stat.Mode & kindMask) switch
            {
                0x8000 => FileKind.Regular,
                0x4000 => FileKind.Directory,
                0x6000 => FileKind.Block,
                0x2000 => FileKind.Character,
                0x1000 => FileKind.Fifo,
                0xC000 => FileKind.Socket,
                0xA000 => FileKind.Link,
                _ => FileKind.Other,
            },
            OwnerId = stat.OwnerId,
            GroupId = stat.GroupId,
            Mode = (UnixFileMode)(stat.Mode & modeMask),
            LengthBytes = (long)stat.SizeBytes,
            DeviceNumber = ((ulong)stat.SpecialMajor << 32) | stat.SpecialMinor,
            Links = stat.Links,
            BornNanoseconds = stat.Born.Nanoseconds,
            ModifiedNanoseconds = stat.Modified.Nanoseconds,
        };
    }

    private static FileFacts OfWindows(SafeFileHandle file)
    {
        if (!FileNative.GetInformation(file, out FileNative.WindowsInformation information))
        {
            throw FileNative.LastError("The open file can't be looked at");
        }

        return new FileFacts
        {
            Identity = new FileIdentity(
                information.Volume, ((ulong)information.IndexHigh << 32) | information.IndexLow),
            Kind = ((FileAttributes)information.Attributes).HasFlag(FileAttributes.Directory)
                ? FileKind.Directory
                : FileKind.Regular,
            LengthBytes = ((long)information.SizeHigh << 32) | information.SizeLow,
            Links = information.Links,
            BornNanoseconds = information.Created.Nanoseconds,
            ModifiedNanoseconds = information.Written.Nanoseconds,
        };
    }
}
