// An open file and the name that it was opened by. Keeps true: what can't be told is no change, so a false alarm is
// not among what it says; a name that didn't lead to the file when the watch began (deleted on purpose, or known by a
// handle only) is no name, and only the file's last name going is told then. Asking changes nothing.

using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

internal sealed class WatchedFile
{
    private readonly SafeFileHandle _file;
    private readonly FileFacts? _facts;

    /// <summary>Begins a watch; costs two system calls.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="path">The name it was opened by, absolute; null or anything that isn't a name of it:
    /// unknown.</param>
    public WatchedFile(SafeFileHandle file, string? path)
    {
        _file = file;
        if (!OperatingSystem.IsLinux())
        {
            return; // elsewhere the system keeps names of open files, or doesn't tell
        }

        try
        {
            _facts = FileFacts.Of(file);

            // A name in /proc or /dev/fd follows the handle, whatever becomes of the file's own name.
            bool usable = !string.IsNullOrEmpty(path) && Path.IsPathFullyQualified(path)
                && !path.StartsWith("/proc/", StringComparison.Ordinal)
                && !path.StartsWith("/dev/fd/", StringComparison.Ordinal);
            Name = usable && FileFacts.TryOfPath(path!)?.Identity == _facts?.Identity ? path : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Name = null;
        }
    }

    /// <summary>The name, if there is one to watch.</summary>
    public string? Name { get; }

    /// <summary>What was known of the file when the watch began; null: the platform can't tell.</summary>
    public FileFacts? Facts => _facts;

    /// <summary>
    /// Tells the file from every other, also across restarts of the machine (unlike the number of the device that it
    /// lies on): when it was made, and its number. Zero: not known.
    /// </summary>
    public UInt128 Id => _facts is { Kind: FileKind.Regular } facts
        ? new UInt128((ulong)facts.BornNanoseconds, facts.Identity.Inode)
        : 0;

    /// <summary>
    /// Whether the open file is still the one under its name. Never <see cref="StorageChange.Shorter"/>.
    /// </summary>
    public StorageChange Look()
    {
        if (_facts is not { Kind: FileKind.Regular, Links: > 0 } facts)
        {
            return StorageChange.None;
        }

        try
        {
            if (Name is null)
            {
                return FileFacts.Of(_file) is { Links: 0 } ? StorageChange.Removed : StorageChange.None;
            }

            return FileFacts.TryOfPath(Name) is not { } now ? StorageChange.Removed
                : now.Identity == facts.Identity ? StorageChange.None
                : StorageChange.Replaced;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            return StorageChange.None;
        }
    }
}
