// Advisory locks of whole files (flock). Keeps true: a lock counts as taken only when the system said so, whatever
// the runtime's own locking does or is told not to do; a lock that can't be had at all is told apart from one that
// another process holds. A lock belongs to the open file, so it goes with its last handle, and two opens of one
// process keep each other out.

using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

internal enum FileLockState
{
    /// <summary>Ours.</summary>
    Taken,

    /// <summary>Another open file of this or another process has it.</summary>
    HeldByOther,

    /// <summary>The file system has no locks, or gives none now.</summary>
    Unavailable,
}

internal static class FileLock
{
    private const int Rounds = 4;
    private const int RoundMilliseconds = 20;
    private const int LinuxWouldBlock = 11;
    private const int MacWouldBlock = 35;

    /// <summary>
    /// Takes the lock, or changes a shared one into an exclusive one and back, without waiting. Where a change fails,
    /// the lock that was there may be gone: take it again, or close the file. On Windows the share mode of the open
    /// is the lock, so it is always taken.
    /// </summary>
    /// <param name="file">Open for writing where <paramref name="exclusive"/> (network file systems ask for
    /// it).</param>
    /// <param name="exclusive">Alone, or shared with other sharers.</param>
    /// <param name="reason">The system's words where it is unavailable, else null.</param>
    public static FileLockState TryTake(SafeFileHandle file, bool exclusive, out string? reason)
    {
        reason = null;
        if (OperatingSystem.IsWindows())
        {
            return FileLockState.Taken;
        }

        int error = FileNative.Lock(
            file, (exclusive ? FileNative.LockExclusive : FileNative.LockShared) | FileNative.LockWithoutWaiting);
        if (error == 0)
        {
            return FileLockState.Taken;
        }

        if (error == (OperatingSystem.IsLinux() ? LinuxWouldBlock : MacWouldBlock))
        {
            return FileLockState.HeldByOther;
        }

        reason = $"{Marshal.GetPInvokeErrorMessage(error)} (error {error})";
        return FileLockState.Unavailable;
    }

    /// <summary>
    /// As <see cref="TryTake"/>, but waits a moment for one that another open file has: a process that is just being
    /// started has, for as long, all that this one had open, and so its locks.
    /// </summary>
    public static FileLockState TakePatiently(SafeFileHandle file, bool exclusive)
    {
        FileLockState state = TryTake(file, exclusive, out _);
        for (int round = 1; state == FileLockState.HeldByOther && round < Rounds; round++)
        {
            Thread.Sleep(RoundMilliseconds);
            state = TryTake(file, exclusive, out _);
        }

        return state;
    }

    /// <summary>
    /// Gives the lock back, where there is one. Before a file is closed that no call uses any more, it goes at once
    /// then: else a process that is just being started would hold it for a moment longer.
    /// </summary>
    public static void Release(SafeFileHandle file)
    {
        if (!OperatingSystem.IsWindows() && !file.IsClosed)
        {
            _ = FileNative.Lock(file, FileNative.LockRelease);
        }
    }

    /// <summary>
    /// Who has a file locked: "process 1234 (name)" or "this process"; null: it can't be told. For messages only: it
    /// may have changed meanwhile.
    /// </summary>
    public static string? DescribeHolder(SafeFileHandle file) =>
        FileFacts.Of(file) is { } facts ? DescribeHolder(facts) : null;

    /// <inheritdoc cref="DescribeHolder(SafeFileHandle)"/>
    public static string? DescribeHolder(FileFacts file)
    {
        try
        {
            return OperatingSystem.IsLinux()
                ? Describe(FindHolder(File.ReadLines("/proc/locks"), file.Identity))
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>
    /// The process that holds a lock of the whole file, by the lines of /proc/locks; 0: none is told.
    /// </summary>
    /// <remarks>
    /// Some file systems (btrfs) show another device number there than in their files' facts: then the file's number
    /// alone has to do.
    /// </remarks>
    internal static int FindHolder(IEnumerable<string> lines, FileIdentity file)
    {
        int byNumberAlone = 0;
        foreach (string line in lines)
        {
            // 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF; waiting ones have "->" as the second field
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 6 || fields[1] != "FLOCK"
                || !int.TryParse(fields[4], CultureInfo.InvariantCulture, out int process) || process <= 0)
            {
                continue;
            }

            string[] place = fields[5].Split(':');
            if (place.Length != 3
                || !uint.TryParse(place[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint major)
                || !uint.TryParse(place[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint minor)
                || !ulong.TryParse(place[2], CultureInfo.InvariantCulture, out ulong inode) || inode != file.Inode)
            {
                continue;
            }

            if ((((ulong)major << 32) | minor) == file.Device)
            {
                return process;
            }

            byNumberAlone = process;
        }

        return byNumberAlone;
    }

    private static string? Describe(int process)
    {
        if (process == 0)
        {
            return null;
        }

        if (process == Environment.ProcessId)
        {
            return "this process";
        }

        try
        {
            return $"process {process} ({SafeText.Of(File.ReadAllText($"/proc/{process}/comm").TrimEnd('\n'))})";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"process {process}";
        }
    }
}
