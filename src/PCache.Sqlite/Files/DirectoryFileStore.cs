using Microsoft.Win32.SafeHandles;

namespace PCache.Sqlite.Files;

/// <summary>
/// The files of a database in their folder. Keeps true: a handle is open for each file that exists, opened when first asked for; a file is deleted only after its handle is
/// closed, so it works on Windows too; closing the database's own handle comes last, since on Unix it drops every lock of the process on that file.
/// </summary>
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

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer) => RandomAccess.Write(Get(slot), buffer, offset);

    public void Create(FileSlot slot)
    {
        lock (_opening)
        {
            if (_handles[(int)slot] is null)
            {
                bool isNew = slot != FileSlot.Main && !File.Exists(PathOf(slot));
                SafeFileHandle handle = Open(slot, FileMode.OpenOrCreate);
                if (isNew && File.Exists(_path))
                {
                    FileModes.Copy(_path, PathOf(slot));
                }

                Volatile.Write(ref _handles[(int)slot], handle);
            }
        }
    }

    public void Delete(FileSlot slot)
    {
        lock (_opening)
        {
            _handles[(int)slot]?.Dispose();
            _handles[(int)slot] = null;
            File.Delete(PathOf(slot));
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

    private string PathOf(FileSlot slot) => _path + FileSlots.Suffix(slot);

    private SafeFileHandle Get(FileSlot slot) => TryGet(slot) ?? throw new FileNotFoundException("The file is gone.", PathOf(slot));

    private SafeFileHandle? TryGet(FileSlot slot)
    {
        if (Volatile.Read(ref _handles[(int)slot]) is { } handle)
        {
            return handle;
        }

        lock (_opening)
        {
            if (_handles[(int)slot] is null && File.Exists(PathOf(slot)))
            {
                Volatile.Write(ref _handles[(int)slot], Open(slot, FileMode.Open));
            }

            return _handles[(int)slot];
        }
    }

    private SafeFileHandle Open(FileSlot slot, FileMode mode) =>
        File.OpenHandle(PathOf(slot), mode, _readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
}
