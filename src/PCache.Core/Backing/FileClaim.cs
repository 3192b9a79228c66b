// Whose a file or block device is. Keeps true: as long as a claim is held, no other claim of the same file is, in
// this process or another, whatever the runtime's own locking does; a claim that can't be had is told apart from one
// that another process holds; a refused claim leaves the handle locked as it was, as far as the system can; given
// back, a handle that stays open has the lock again that it came with. The same handle may be claimed more than once:
// it is one owner's.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Core.Primitives;

namespace PCache.Core.Backing;

internal sealed partial class FileClaim
{
    /// <summary>Programs that look at every device (udev) hold its lock for a moment.</summary>
    private const int DeviceRounds = 25;

    /// <summary>A process that is just being started has, for a moment, what another one has just closed.</summary>
    private const int FileRounds = 4;

    private const int RoundMilliseconds = 20;

    private static readonly ConditionalWeakTable<SafeFileHandle, FileClaim> Claims = [];
    private static readonly SteadyLock Gate = new();

    private readonly SafeFileHandle _file;
    private readonly FileLockState _state;
    private readonly PriorLock? _prior; // null: the handle is our own
    private readonly SafeFileHandle? _exclusive;
    private int _holders = 1;

    private FileClaim(SafeFileHandle file, FileLockState state, PriorLock? prior, SafeFileHandle? exclusive)
    {
        _file = file;
        _state = state;
        _prior = prior;
        _exclusive = exclusive;
    }

    /// <summary>What lock a handle came with.</summary>
    private enum PriorLock
    {
        None,
        Shared,
        Exclusive,
    }

    /// <summary>
    /// Claims a file: against all other users where it is written, else against other writers. Null: by consent it
    /// isn't claimed.
    /// </summary>
    /// <param name="file">The open file.</param>
    /// <param name="facts">What is known of it.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="writes">Whether it is written.</param>
    /// <param name="isForeign">Whether the handle belongs to the caller, who may go on using it afterwards.</param>
    /// <param name="options">What there is consent to.</param>
    /// <exception cref="PCacheInUseException">Another process has it.</exception>
    /// <exception cref="PCacheException">It can't be claimed at all, and there is no consent to go without.</exception>
    public static FileClaim? Take(
        SafeFileHandle file, FileFacts? facts, string name, bool writes, bool isForeign, FileBackingOptions options)
    {
        if (options.AllowSharing || OperatingSystem.IsWindows())
        {
            return null; // on Windows the share mode is the claim, and the system's alone
        }

        using (Gate.Hold())
        {
            if (Claims.TryGetValue(file, out FileClaim? held))
            {
                held._holders++;
                return held;
            }

            PriorLock? prior = isForeign ? FindPrior(file) : null;
            if (!writes && prior is PriorLock.Shared or PriorLock.Exclusive)
            {
                return null; // its own lock keeps writers out already
            }

            bool isDevice = facts?.Kind == FileKind.Block;
            FileLockState state = Lock(file, writes, rounds: isDevice ? DeviceRounds : FileRounds, out string? reason);
            if (state == FileLockState.HeldByOther)
            {
                Restore(file, prior);
                throw new PCacheInUseException($"{name} is in use by "
                    + $"{FileLock.DescribeHolder(file) ?? "another program, or another device of this one"}: no other "
                    + $"program may use a backing that a cache writes (FileBackingOptions.AllowSharing).");
            }

            if (state == FileLockState.Unavailable && !options.AllowWithoutLock)
            {
                throw new PCacheException(
                    $"{name} can't be locked: {reason}. Without a lock nothing keeps another program from using it at "
                    + $"the same time. Set FileBackingOptions.AllowWithoutLock if you know that none does.");
            }

            SafeFileHandle? exclusive = null;
            try
            {
                exclusive = isDevice && writes ? OpenExclusively(file, name, options) : null;
            }
            catch
            {
                Restore(file, prior);
                throw;
            }

            var claim = new FileClaim(file, state, prior, exclusive);
            Claims.Add(file, claim);
            return claim;
        }
    }

    /// <summary>
    /// Gives the claim back. The last holder leaves the handle with the lock that it came with, unless it is about to
    /// be closed: calls under way keep handle and lock until they end.
    /// </summary>
    public void GiveBack(bool staysOpen)
    {
        using (Gate.Hold())
        {
            if (--_holders != 0)
            {
                return;
            }

            Claims.Remove(_file);
            _exclusive?.Dispose();
            if (staysOpen && _state == FileLockState.Taken && !_file.IsClosed)
            {
                Restore(_file, _prior);
            }
        }
    }

    private static FileLockState Lock(SafeFileHandle file, bool exclusive, int rounds, out string? reason)
    {
        for (int round = 1; ; round++)
        {
            FileLockState state = FileLock.TryTake(file, exclusive, out reason);
            if (state != FileLockState.HeldByOther || round >= rounds)
            {
                return state;
            }

            Uninterrupted.Do(RoundMilliseconds, static time => Thread.Sleep(time));
        }
    }

    private static void Restore(SafeFileHandle file, PriorLock? prior)
    {
        if (prior is null)
        {
            return;
        }

        try
        {
            if (prior == PriorLock.None)
            {
                FileLock.Release(file);
            }
            else
            {
                _ = FileLock.TryTake(file, prior == PriorLock.Exclusive, out _);
            }
        }
        catch (ObjectDisposedException)
        {
            // With the handle its lock went.
        }
    }

    /// <summary>
    /// Asks by another open of the same file: a lock belongs to an open, and the one that keeps the other out is the
    /// handle's, or that of another process, which refuses the claim in any case.
    /// </summary>
    private static PriorLock FindPrior(SafeFileHandle file)
    {
        using SafeFileHandle? other = TryOpenAgain(file, flags: 0);
        if (other is null)
        {
            return PriorLock.Shared; // what a FileStream has
        }

        return FileLock.TryTake(other, exclusive: true, out _) switch
        {
            FileLockState.Taken => PriorLock.None,
            FileLockState.Unavailable => PriorLock.None,
            _ => FileLock.TryTake(other, exclusive: false, out _) == FileLockState.Taken
                ? PriorLock.Shared
                : PriorLock.Exclusive,
        };
    }

    /// <summary>
    /// A second descriptor that says "mine" to the kernel: a mounted device, or one that another program or kernel
    /// part has claimed so, refuses it.
    /// </summary>
    private static SafeFileHandle? OpenExclusively(SafeFileHandle file, string name, FileBackingOptions options)
    {
        const int readWrite = 2;
        const int exclusively = 0x80;
        const int busy = 16;
        SafeFileHandle? handle = TryOpenAgain(file, readWrite | exclusively);
        int error = handle is null ? Marshal.GetLastPInvokeError() : 0;
        if (handle is not null)
        {
            return handle;
        }

        if (error == busy)
        {
            string users = BlockDeviceUsers.Describe(file)
                ?? "it is mounted, or another program or a part of the kernel has claimed it";
            throw new PCacheInUseException($"{name} is in use: {users}.");
        }

        return options.AllowWithoutLock ? null
            : throw new PCacheException($"{name} can't be claimed: {Marshal.GetPInvokeErrorMessage(error)} (error "
                + $"{error}). Set FileBackingOptions.AllowWithoutLock if you know that no other program uses it.");
    }

    private static SafeFileHandle? TryOpenAgain(SafeFileHandle file, int flags)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        const int closeOnExec = 0x80000;
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            var again = new SafeFileHandle(
                OpenPath($"/proc/self/fd/{file.DangerousGetHandle()}", flags | closeOnExec), ownsHandle: true);
            if (!again.IsInvalid)
            {
                return again;
            }

            again.Dispose();
            return null;
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenPath(string path, int flags);
}
