// Keeps true:
// * A refused call has changed nothing and left nothing: no file that wasn't there before, no changed length, no
//   lock, no descriptor, no mapping.
// * What is undone is undone under the file's lock, and only on the file that this very call has made: another file
//   that has its name by then is left alone.
// * A file is mapped only under its lock: exclusive for writers, shared for readers; and only while its name leads to
//   it: an open that waited for a file that was deleted or replaced meanwhile begins anew.
// * A new file is its owner's alone from its first moment on, and gets other rights later, if at all; never more than
//   what it stands for has.
// * A file mapped for writing has all its blocks, where the file system can promise them: a store never meets a full
//   disk, which would end the process. Where it can't (copy-on-write), stores are system calls. A file in memory is
//   given its memory only where the limits leave that much.
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

/// <summary>What an opening has done to a file.</summary>
internal enum FileMaking
{
    /// <summary>Nothing: it was there.</summary>
    None,

    /// <summary>It was there, empty, and has been given its length.</summary>
    Filled,

    /// <summary>It has been made.</summary>
    Created,
}

/// <summary>From a path to a mapped, locked file.</summary>
internal static class FileOpening
{
    // Each round may lose a race against another process that makes, deletes or replaces the file; a few are enough
    // for any that isn't a duel.
    private const int Rounds = 8;

    /// <summary>Opens or makes a file. Arguments are valid, the path is a full one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="use">What may be done.</param>
    /// <param name="lengthBytes">Length of a file that is made.</param>
    /// <param name="options">How to map it.</param>
    /// <param name="beforeMaking">Called before a file is made or given its length; may throw.</param>
    public static MappedFileRegion Open(
        string path, CacheFileUse use, long lengthBytes, PmemFileOptions options, Action? beforeMaking)
    {
        if (Directory.Exists(path))
        {
            throw new PCacheException($"'{SafeText.Of(path)}' is a directory.");
        }

        for (int round = 1; ; round++)
        {
            SafeFileHandle? file = use == CacheFileUse.Create ? null : TryOpen(path, use, options);
            FileMaking made = file is null ? FileMaking.Created : FileMaking.None;
            if (file is null)
            {
                beforeMaking?.Invoke();
                file = TryCreate(path, use, lengthBytes, mayExist: round < Rounds);
                if (file is null)
                {
                    continue;
                }
            }

            try
            {
                RequireLock(file, path, options, ref made);
                if (FileFacts.IsNamed(file, path) == false)
                {
                    file.Dispose();
                    if (round == Rounds)
                    {
                        throw InUse(path, "it is deleted or replaced again and again");
                    }

                    continue;
                }

                if (made == FileMaking.None && use == CacheFileUse.OpenOrCreate && FileSpace.Length(file, path) == 0)
                {
                    // An empty file is what a creation that was killed leaves.
                    beforeMaking?.Invoke();
                    made = FileMaking.Filled;
                }

                MappedFileRegion region = Map(file, path, made, lengthBytes, options);
                region.Watch();
                return region;
            }
            catch
            {
                Undo(file, path, made);
                FileLock.Release(file);
                file.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// Takes the lock itself: the runtime's own is taken in silence, or not at all, and can be switched off.
    /// </summary>
    private static void RequireLock(SafeFileHandle file, string path, PmemFileOptions options, ref FileMaking made)
    {
        switch (FileLock.TryTake(file, exclusive: !options.ReadOnly, out string? reason))
        {
            case FileLockState.HeldByOther:
                made = FileMaking.None; // another process has it already: there is nothing of ours to undo
                throw InUse(path, FileLock.DescribeHolder(file) is { } holder ? $"by {holder}" : "by another process, "
                    + "or by another region of this one");
            case FileLockState.Unavailable when !options.AllowWithoutLock:
                throw new PCacheException(
                    $"'{SafeText.Of(path)}' can't be locked: {reason}. Without a lock nothing keeps another process "
                    + $"from using the cache at the same time. Set PmemFileOptions.AllowWithoutLock if you know that "
                    + $"none does.");
        }
    }

    /// <summary>Maps a file that its caller has opened and locked, and keeps if this throws.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">What messages call it.</param>
    /// <param name="lengthIfEmptyBytes">Length that an empty file is given; 0: it is refused.</param>
    /// <param name="options">How to map it.</param>
    public static MappedFileRegion Open(
        SafeFileHandle file, string path, long lengthIfEmptyBytes, PmemFileOptions options)
    {
        FileMaking made = lengthIfEmptyBytes != 0 && !options.ReadOnly && FileSpace.Length(file, path) == 0
            ? FileMaking.Filled
            : FileMaking.None;
        try
        {
            return Map(file, path, made, lengthIfEmptyBytes, options);
        }
        catch
        {
            Undo(file, path, made);
            throw;
        }
    }

    /// <summary>Takes back what an opening has done to a file, which must be unmapped and still locked.</summary>
    public static void Undo(SafeFileHandle file, string path, FileMaking made)
    {
        try
        {
            if (file.IsClosed)
            {
                return;
            }

            if (made == FileMaking.Filled)
            {
                RandomAccess.SetLength(file, 0);
            }
            else if (made == FileMaking.Created && FileFacts.IsNamed(file, path) != false)
            {
                File.Delete(path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What the caller is to hear of is why the opening failed; left behind is a file that holds nothing.
        }
    }

    private static MappedFileRegion Map(
        SafeFileHandle file, string path, FileMaking made, long newLengthBytes, PmemFileOptions options)
    {
        long lengthBytes = made == FileMaking.None ? FileSpace.Length(file, path) : newLengthBytes;
        if (lengthBytes < PmemFile.MinLengthBytes)
        {
            throw new PCacheException(
                $"'{SafeText.Of(path)}' is {(lengthBytes == 0 ? "empty" : $"{lengthBytes} bytes long")}; a region has "
                + $"at least {PmemFile.MinLengthBytes} bytes.");
        }

        if (!options.ReadOnly)
        {
            MemoryRoom.CheckFile(file, path, lengthBytes);
        }

        if (made != FileMaking.None)
        {
            FileSpace.ChangeInPlace(file);
            FileSpace.Allocate(file, path, lengthBytes);
        }
        else if (!options.ReadOnly)
        {
            FileSpace.PrepareChanges(file, path, lengthBytes);
        }

        if (made == FileMaking.Created)
        {
            options.GiveRights(file);
            if (!OperatingSystem.IsWindows() && Path.GetDirectoryName(path) is { } folder)
            {
                UnixNative.SyncFolder(folder);
            }
        }

        return Map(file, path, made, options, lengthBytes);
    }

    private static MappedFileRegion Map(
        SafeFileHandle file, string path, FileMaking made, PmemFileOptions options, long lengthBytes)
    {
        bool storesMayFail = !options.ReadOnly && FileSystemFacts.Of(file) is { IsCopyOnWrite: true };
        FileMapping mapping;
        try
        {
            mapping = FileMapping.Map(file, lengthBytes, options.ReadOnly, options.Persistence == Persistence.Dax);
        }
        catch (PCacheException e)
        {
            throw new PCacheException($"'{SafeText.Of(path)}': {e.Message}", e);
        }

        try
        {
            if (options.Prefault)
            {
                // Made present for writing, a page counts as dirty; where drains bring pages to the disk, the first
                // one would write the whole file.
                mapping.Prefault(forWriting: !options.ReadOnly && !options.PowerSafe && !storesMayFail);
            }

            return storesMayFail
                ? new DescriptorStoreRegion(file, mapping, lengthBytes, options, path, made)
                : new MappedFileRegion(file, mapping, lengthBytes, options, path, made);
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    /// <summary>Null: there is no such file, and one may be made.</summary>
    private static SafeFileHandle? TryOpen(string path, CacheFileUse use, PmemFileOptions options)
    {
        try
        {
            FileShare share = options.ReadOnly ? FileShare.Read : FileShare.None;
            return File.OpenHandle(
                path, FileMode.Open, options.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite, share);
        }
        catch (FileNotFoundException) when (use == CacheFileUse.OpenOrCreate)
        {
            return null;
        }
        catch (IOException e) when (IsSharingViolation(e))
        {
            throw InUse(path, "by another process, or by another region of this one", e);
        }
    }

    /// <summary>Null: another process has just made one, which will do.</summary>
    private static SafeFileHandle? TryCreate(string path, CacheFileUse use, long lengthBytes, bool mayExist)
    {
        try
        {
            // On Windows, a file that others may delete meanwhile is one that we may delete: by its name, while it is
            // open.
            FileShare share = OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None;
            return PrivateFile.CreateNew(path, share, OperatingSystem.IsLinux() ? 0 : lengthBytes);
        }
        catch (IOException) when (use == CacheFileUse.OpenOrCreate && mayExist && File.Exists(path))
        {
            return null;
        }
        catch (IOException e) when (IsSharingViolation(e))
        {
            throw InUse(path, "by another process, which was faster", e);
        }
    }

    private static PCacheInUseException InUse(string path, string why, Exception? e = null)
    {
        string text = $"'{SafeText.Of(path)}' is in use: {why}.";
        return e is null ? new PCacheInUseException(text) : new PCacheInUseException(text, e);
    }

    private static bool IsSharingViolation(IOException e)
    {
        const int WindowsSharingViolation = unchecked((int)0x80070020);
        const int WindowsLockViolation = unchecked((int)0x80070021);
        return OperatingSystem.IsWindows() ? e.HResult is WindowsSharingViolation or WindowsLockViolation
            : OperatingSystem.IsLinux() ? e.HResult == UnixNative.LinuxErrorTryAgain
            : e.HResult == UnixNative.MacErrorTryAgain;
    }
}
