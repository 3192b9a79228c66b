// Files that no other user may look into, at names that others may know beforehand. Keeps true: a new file is made by
// this very call, never found and never through a link, and no user but its owner can open it before FileRights gives
// it more; an open that isn't to follow links never does.

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

internal static class PrivateFile
{
    /// <summary>The rights of a new file: read and written by its owner alone.</summary>
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const int LinuxTooManyLinks = 40;
    private const int MacTooManyLinks = 62;

    /// <summary>Makes a new file, open for reading and writing.</summary>
    /// <param name="path">A name that nothing has, not even a link that leads nowhere.</param>
    /// <param name="share">What others may do with it meanwhile; on Unix the runtime's advisory lock.</param>
    /// <param name="preallocationBytes">Room that the file is given at once, where the system can.</param>
    /// <exception cref="IOException">Something has the name already, or the system refused.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    public static SafeFileHandle CreateNew(string path, FileShare share = FileShare.None, long preallocationBytes = 0)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = share,
            BufferSize = 0,
            PreallocationSize = preallocationBytes,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        // Without a buffer a stream has nothing besides its handle, and one that is only collected leaves the handle
        // open.
        return new FileStream(path, options).SafeFileHandle;
    }

    /// <summary>Opens an existing file, without any lock: take it with <see cref="FileLock"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="access">Read or ReadWrite.</param>
    /// <param name="followLinks">Whether a symbolic link at the name's end is followed; else it is refused (not on
    /// Windows, where making links is a privilege).</param>
    /// <exception cref="FileNotFoundException">Nothing has the name.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted, or a folder.</exception>
    /// <exception cref="IOException">It is a link that isn't to be followed, or the system refused.</exception>
    public static SafeFileHandle Open(string path, FileAccess access, bool followLinks)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (followLinks || OperatingSystem.IsWindows())
        {
            return File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite | FileShare.Delete);
        }

        SafeFileHandle file = FileNative.OpenExisting(path, access == FileAccess.ReadWrite, followLinks: false);
        if (!file.IsInvalid)
        {
            return file;
        }

        int error = Marshal.GetLastPInvokeError();
        file.Dispose();
        string name = $"\"{SafeText.Of(path)}\"";
        Marshal.SetLastPInvokeError(error);
        throw error switch
        {
            2 => new FileNotFoundException($"There is no file {name}.", path),
            1 or 13 or 21 =>
                new UnauthorizedAccessException($"{name} can't be opened: {Marshal.GetPInvokeErrorMessage(error)}."),
            _ when error == (OperatingSystem.IsLinux() ? LinuxTooManyLinks : MacTooManyLinks) =>
                new IOException($"{name} is a symbolic link, and a file that is found by its name alone isn't opened "
                    + $"through one.", error),
            _ => FileNative.LastError($"{name} can't be opened"),
        };
    }
}
