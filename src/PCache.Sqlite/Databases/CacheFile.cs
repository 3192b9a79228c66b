using Microsoft.Win32.SafeHandles;
using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Sqlite.Recognition;

namespace PCache.Sqlite.Databases;

/// <summary>
/// A cache file that is open, and checked. Keeps true: everything that is found out about it is that of the open
/// file, never of what has its name by now; only the file that it is gets deleted; one that another user could have
/// made or changed is never used.
/// </summary>
internal sealed class CacheFile : IDisposable
{
    private readonly FileIdentity? _identity;

    private CacheFile(string path, PmemRegion region, FileIdentity? identity, CacheImageStatus status)
    {
        Path = path;
        Region = region;
        Status = status;
        _identity = identity;
        Record = FilesRecord.HasRoom(region.LengthBytes, status.SegmentSizeBytes, status.SegmentCount)
            ? FilesRecord.TryRead(region)
            : null;
    }

    public string Path { get; private set; }

    public PmemRegion Region { get; }

    public CacheImageStatus Status { get; }

    /// <summary>What it knows of the plain files; null: nothing.</summary>
    public FilesRecord? Record { get; }

    /// <summary>Whether there is room for records.</summary>
    public bool HasRoom => FilesRecord.HasRoom(Region.LengthBytes, Status.SegmentSizeBytes, Status.SegmentCount);

    /// <summary>Whether it may have what the plain files don't.</summary>
    public bool IsNeeded => !Status.IsClean || !Status.IsSound;

    /// <summary>Opens and looks at an existing one; null: there is nothing of that name.</summary>
    /// <exception cref="IOException">It isn't one, or isn't to be trusted.</exception>
    public static CacheFile? TryOpen(string path, FileFacts? database, PmemFileOptions options)
    {
        if (TryOpenFile(path, database, options.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite) is not { } file)
        {
            return null;
        }

        PmemRegion? region = null;
        try
        {
            FileIdentity? identity = FileFacts.Of(file)?.Identity;
            region = PmemFile.Open(file, path, options);
            return new CacheFile(path, region, identity, CacheImage.ReadStatus(region));
        }
        catch
        {
            region?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Makes a new one under a name for the time being.</summary>
    /// <param name="path">The name that it will get.</param>
    /// <param name="database">Facts of the database: who may read that may read the cache.</param>
    /// <param name="lengthBytes">Its length.</param>
    /// <param name="options">How it is mapped.</param>
    /// <param name="format">Makes a cache of the region.</param>
    public static CacheFile Create(
        string path, FileFacts? database, long lengthBytes, PmemFileOptions options, Action<PmemRegion> format)
    {
        string newPath = System.IO.Path.ChangeExtension(path, CachePaths.NewExtension);
        DeleteLeftOver(newPath, database);
        SafeFileHandle file = PrivateFile.CreateNew(newPath);
        PmemRegion? region = null;
        try
        {
            FileIdentity? identity = FileFacts.Of(file)?.Identity;
            region = PmemFile.Open(file, newPath, options, lengthBytes);
            format(region);
            if (database is not null)
            {
                FileRights.Apply(file, database);
            }

            return new CacheFile(newPath, region, identity, CacheImage.ReadStatus(region));
        }
        catch
        {
            File.Delete(newPath);
            region?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file beside a database that has to be ours; null: nothing has the name.</summary>
    /// <exception cref="IOException">It isn't to be trusted.</exception>
    public static SafeFileHandle? TryOpenFile(string path, FileFacts? database, FileAccess access)
    {
        if (FileFacts.TryOfPath(path, followLinks: false) is { Kind: not (FileKind.Regular or FileKind.Link) })
        {
            throw NotOrdinary(path); // the open may say that it isn't permitted, which would be another matter
        }

        SafeFileHandle file;
        try
        {
            file = PrivateFile.Open(path, access, followLinks: false);
        }
        catch (FileNotFoundException)
        {
            return null;
        }

        try
        {
            Require(FileFacts.Of(file), database, path);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Deletes what a creation that was killed has left; refuses anything else of that name.</summary>
    public static void DeleteLeftOver(string path, FileFacts? database)
    {
        if (TryOpenFile(path, database, FileAccess.ReadWrite) is { } file)
        {
            using (file)
            {
                if (FileLock.TakePatiently(file, exclusive: true) == FileLockState.HeldByOther)
                {
                    throw new PCacheInUseException(
                        $"'{SafeText.Of(path)}' is in use by {FileLock.DescribeHolder(file) ?? "another process"}.");
                }
            }

            File.Delete(path);
        }
    }

    /// <summary>Gives a new file its name, if nothing has it.</summary>
    public void MoveTo(string path)
    {
        File.Move(Path, path);
        Path = path;
    }

    /// <summary>Deletes the file, if its name still leads to it. It stays open.</summary>
    public void Delete()
    {
        if (_identity is null || FileFacts.TryOfPath(Path, followLinks: false)?.Identity == _identity)
        {
            File.Delete(Path);
        }
    }

    public void Dispose() => Region.Dispose();

    private static void Require(FileFacts? facts, FileFacts? database, string path)
    {
        if (facts is null)
        {
            return; // the platform can't tell
        }

        if (facts.Kind != FileKind.Regular)
        {
            throw NotOrdinary(path);
        }

        if (OperatingSystem.IsWindows() || database is null)
        {
            return;
        }

        string? reason = null;
        bool sharesGroup = database.GroupId == facts.GroupId && database.Mode.HasFlag(UnixFileMode.GroupWrite);
        if (facts.OwnerId != database.OwnerId && facts.OwnerId != FileNative.EffectiveUserId())
        {
            reason = $"belongs to user {facts.OwnerId}, neither the database's owner nor the user of this process";
        }
        else if (facts.Mode.HasFlag(UnixFileMode.OtherWrite) && !database.Mode.HasFlag(UnixFileMode.OtherWrite))
        {
            reason = "can be written by all users";
        }
        else if (facts.Mode.HasFlag(UnixFileMode.GroupWrite) && !sharesGroup)
        {
            reason = $"can be written by group {facts.GroupId}, which can't write the database";
        }
        else if (facts.Links > 1)
        {
            reason = "has another name too (a hard link)";
        }

        if (reason is not null)
        {
            throw new IOException(
                $"'{SafeText.Of(path)}' {reason}, so it may not be what this database's cache has left: it isn't used. "
                + "If it is, give it to the database's owner with the rights of the database; else delete it.");
        }
    }

    private static IOException NotOrdinary(string path) =>
        new($"'{SafeText.Of(path)}' is no ordinary file, so it isn't used as a cache.");
}
