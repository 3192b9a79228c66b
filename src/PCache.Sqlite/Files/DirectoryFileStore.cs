using Microsoft.Win32.SafeHandles;
using PCache.Core;
using PCache.Core.Files;

namespace PCache.Sqlite.Files;

/// <summary>
/// The files of a database in their folder.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A handle is open for each file that exists, opened when first asked for; a file is deleted only after its
/// handle is closed, so it works on Windows too; closing the database's own handle comes last, since on Unix it drops
/// every lock of the process on that file.</item>
/// <item>No file is found through a symbolic link, and only ordinary files are; a journal or WAL that has another
/// name beside its own (a hard link) is another owner's file.</item>
/// <item>A new journal or WAL is made by this process, for its owner alone; then it gets the rights of the
/// database.</item>
/// <item>A name is given up or taken only while it is this database's: once the database's name leads to another
/// file, the journals' names are that one's, and what has to be made here is made without a name.</item>
/// </list>
/// </remarks>
internal sealed class DirectoryFileStore : IFileStore
{
    private readonly Lock _opening = new();
    private readonly string _path;
    private readonly bool _readOnly;
    private readonly SafeFileHandle?[] _handles = new SafeFileHandle?[FileSlots.Count];

    /// <param name="path">Full path of the database.</param>
    /// <param name="readOnly">Whether the files are only read.</param>
    public DirectoryFileStore(string path, bool readOnly)
    {
        _path = path;
        _readOnly = readOnly;
    }

    /// <summary>Facts of the database's file; null where it doesn't exist, or the platform can't tell.</summary>
    public FileFacts? Facts => TryGet(FileSlot.Main) is { } handle ? FileFacts.Of(handle) : null;

    /// <summary>
    /// Whether the database's name leads to another file now, or to none: it was deleted, renamed or replaced. False
    /// where the platform can't tell.
    /// </summary>
    public bool HasMoved
    {
        get
        {
            try
            {
                return Volatile.Read(ref _handles[(int)FileSlot.Main]) is { } handle
                    && FileFacts.IsNamed(handle, _path) == false;
            }
            catch (ObjectDisposedException)
            {
                return false; // closed at this moment
            }
        }
    }

    /// <summary>Claims the database's file against every other cache, of this and other processes.</summary>
    /// <exception cref="PCacheInUseException">Another cache, or a program that claims what it uses, has it.</exception>
    public void Claim()
    {
        // Where a file system has no such locks, SQLite's own lock, which is held already, has to do.
        SafeFileHandle file = Get(FileSlot.Main);
        if (FileLock.TakePatiently(file, exclusive: !_readOnly) == FileLockState.HeldByOther && !LocksAreOfOneKind())
        {
            throw new PCacheInUseException($"'{SafeText.Of(_path)}' is in use by "
                + $"{FileLock.DescribeHolder(file) ?? "another process"} as the backing of another cache.");
        }
    }

    public bool Exists(FileSlot slot) => TryGet(slot) is not null;

    public long GetLength(FileSlot slot) => TryGet(slot) is { } handle ? RandomAccess.GetLength(handle) : 0;

    public int Read(FileSlot slot, long offset, Span<byte> buffer)
    {
        if (TryGet(slot) is not { } handle)
        {
            return 0;
        }

        int done = 0;
        while (done < buffer.Length)
        {
            int read = RandomAccess.Read(handle, buffer[done..], offset + done);
            if (read == 0)
            {
                break;
            }

            done += read;
        }

        return done;
    }

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer) =>
        RandomAccess.Write(Get(slot), buffer, offset);

    public void Create(FileSlot slot)
    {
        lock (_opening)
        {
            if (_handles[(int)slot] is null)
            {
                Volatile.Write(ref _handles[(int)slot],
                    slot != FileSlot.Main && HasMoved ? MakeNameless() : OpenExisting(slot) ?? MakeNew(slot));
            }
        }
    }

    public void Delete(FileSlot slot)
    {
        lock (_opening)
        {
            if (TryGet(slot) is not { } handle)
            {
                return;
            }

            FileFacts? open = FileFacts.Of(handle);
            bool isOurs = open is null
                || FileFacts.TryOfPath(PathOf(slot), followLinks: false)?.Identity == open.Identity;
            _handles[(int)slot] = null;
            handle.Dispose();
            if (isOurs)
            {
                File.Delete(PathOf(slot));
            }
        }
    }

    public void SetLength(FileSlot slot, long lengthBytes) => RandomAccess.SetLength(Get(slot), lengthBytes);

    public void Sync(FileSlot slot) => RandomAccess.FlushToDisk(Get(slot));

    public void SyncNames()
    {
        if (Path.GetDirectoryName(_path) is { Length: > 0 } folder)
        {
            UnixFolder.Sync(folder);
        }
    }

    public FileStamp Stamp(FileSlot slot) =>
        TryGet(slot) is { } handle && OperatingSystem.IsLinux() && FileFacts.Of(handle) is { } facts
            ? new FileStamp(facts.Identity.Inode, facts.BornNanoseconds, facts.ModifiedNanoseconds)
            : default; // Windows keeps times back until a file is closed

    public void Dispose()
    {
        lock (_opening)
        {
            for (int i = FileSlots.Count - 1; i >= 0; i--)
            {
                _handles[i]?.Dispose();
                _handles[i] = null;
            }
        }
    }

    /// <summary>
    /// Whether the file system is one of those that know one kind of locks only, so that SQLite's own, held already,
    /// is in the way of ours.
    /// </summary>
    private bool LocksAreOfOneKind()
    {
        try
        {
            return new DriveInfo(Path.GetDirectoryName(_path)!).DriveFormat is "nfs" or "nfs4" or "cifs" or "smb"
                or "smb2" or "smb3";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }

    private string PathOf(FileSlot slot) => _path + FileSlots.Suffix(slot);

    private SafeFileHandle Get(FileSlot slot) =>
        TryGet(slot) ?? throw new FileNotFoundException("The file is gone.", PathOf(slot));

    private SafeFileHandle? TryGet(FileSlot slot)
    {
        if (Volatile.Read(ref _handles[(int)slot]) is { } handle)
        {
            return handle;
        }

        lock (_opening)
        {
            // A journal's name is asked for only while the database has its own: afterwards it belongs to whatever is
            // there now.
            if (_handles[(int)slot] is null && IsThere(PathOf(slot)) && !(slot != FileSlot.Main && HasMoved))
            {
                Volatile.Write(ref _handles[(int)slot], OpenExisting(slot));
            }

            return _handles[(int)slot];
        }
    }

    /// <summary>A link that leads nowhere is there too.</summary>
    private static bool IsThere(string path) =>
        OperatingSystem.IsLinux() ? FileFacts.TryOfPath(path, followLinks: false) is not null : File.Exists(path);

    private SafeFileHandle? OpenExisting(FileSlot slot)
    {
        string path = PathOf(slot);
        if (FileFacts.TryOfPath(path, followLinks: false) is { Kind: not (FileKind.Regular or FileKind.Link) })
        {
            throw Refused(path); // the open may say that it isn't permitted, which would be another matter
        }

        SafeFileHandle file;
        try
        {
            file = PrivateFile.Open(path, _readOnly ? FileAccess.Read : FileAccess.ReadWrite, followLinks: false);
        }
        catch (FileNotFoundException)
        {
            return null;
        }

        try
        {
            if (FileFacts.Of(file) is { } facts)
            {
                if (facts.Kind != FileKind.Regular)
                {
                    throw Refused(path);
                }

                if (slot != FileSlot.Main && facts.Links > 1)
                {
                    throw new IOException($"'{SafeText.Of(path)}' has another name too (a hard link), so it may belong "
                        + $"to another owner; SQLite's data isn't written into it.");
                }
            }

            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static IOException Refused(string path) =>
        new($"'{SafeText.Of(path)}' is no ordinary file, so it is no file of a database.");

    private SafeFileHandle MakeNew(FileSlot slot)
    {
        SafeFileHandle file = PrivateFile.CreateNew(PathOf(slot), FileShare.ReadWrite | FileShare.Delete);
        if (Facts is { } database)
        {
            FileRights.Apply(file, database);
        }

        return file;
    }

    /// <summary>A file that is gone when it is closed.</summary>
    private static SafeFileHandle MakeNameless()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        SafeFileHandle file = PrivateFile.CreateNew(path, FileShare.ReadWrite | FileShare.Delete);
        File.Delete(path);
        return file;
    }
}
