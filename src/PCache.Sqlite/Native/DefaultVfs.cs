using System.Runtime.InteropServices;
using System.Text;
using PCache.Core;
using PCache.Sqlite.Databases;

namespace PCache.Sqlite.Native;

/// <summary>
/// The VFS that was the default one at the registration: does everything that isn't cached, and locks plain files so
/// that plain SQLite keeps out.
/// </summary>
internal sealed unsafe class DefaultVfs(NativeVfs* vfs)
{
    public NativeVfs* Vfs => vfs;

    /// <summary>
    /// Opens the file, makes it if need be, and takes SQLite's exclusive lock on it, which ends with the disposal.
    /// </summary>
    /// <exception cref="PCacheInUseException">A plain SQLite uses the file.</exception>
    /// <exception cref="UnauthorizedAccessException">The file can only be read.</exception>
    /// <exception cref="IOException">SQLite can't open it.</exception>
    public IFileGuard LockFile(string path)
    {
        var file = new LockedFile(vfs, path);
        try
        {
            file.Lock();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The path by which SQLite knows a file: absolute, without links. What it can't resolve, only absolute.
    /// </summary>
    public string FullPath(string path)
    {
        var full = new byte[vfs->MaxPathBytes + 1];
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            fixed (byte* result = full)
            {
                return (vfs->FullPathname(vfs, name, vfs->MaxPathBytes, result) & 0xFF) == SqliteCode.Ok
                    ? Encoding.UTF8.GetString(full.AsSpan(0, full.AsSpan().IndexOf((byte)0)))
                    : Path.GetFullPath(path);
            }
        }
    }

    public int Delete(byte* name, int syncFolder) => vfs->Delete(vfs, name, syncFolder);

    public int Access(byte* name, int flags, int* result) => vfs->Access(vfs, name, flags, result);

    public int Open(byte* name, NativeFile* file, int flags, int* outFlags) =>
        vfs->Open(vfs, name, file, flags, outFlags);

    private sealed class LockedFile : IFileGuard
    {
        private const int NamePadding = 4; // SQLite looks for parameters in front of a name and behind it
        private readonly string _path;
        private readonly byte* _name;
        private NativeFile* _file;
        private readonly bool _isOpen;

        public LockedFile(NativeVfs* vfs, string path)
        {
            _path = path;
            int nameBytes = Encoding.UTF8.GetByteCount(path);
            _name = (byte*)NativeMemory.AllocZeroed((nuint)(nameBytes + (2 * NamePadding)));
            _ = Encoding.UTF8.GetBytes(path, new Span<byte>(_name + NamePadding, nameBytes));
            _file = (NativeFile*)NativeMemory.AllocZeroed((nuint)vfs->FileBytes);
            int outFlags;
            int code = vfs->Open(
                vfs, _name + NamePadding, _file,
                SqliteCode.OpenReadWrite | SqliteCode.OpenCreate | SqliteCode.OpenMainDb, &outFlags);
            _isOpen = code == SqliteCode.Ok;
            if (!_isOpen)
            {
                Dispose();
                throw new IOException($"SQLite can't open '{path}' (error {code}).");
            }

            if ((outFlags & SqliteCode.OpenReadOnly) != 0)
            {
                Dispose();
                throw new UnauthorizedAccessException($"'{path}' can't be written.");
            }
        }

        public bool HasMoved
        {
            get
            {
                int moved = 0;
                return _file->Methods->FileControl(_file, SqliteCode.ControlHasMoved, &moved) == SqliteCode.Ok
                    && moved != 0;
            }
        }

        public void Lock()
        {
            foreach (int level in new[] { 1, 4 })
            {
                int code = _file->Methods->Lock(_file, level);
                if ((code & 0xFF) == SqliteCode.Busy)
                {
                    throw new PCacheInUseException($"'{_path}' is in use without this cache, or by another process.");
                }

                if (code != SqliteCode.Ok)
                {
                    throw new IOException($"SQLite can't lock '{_path}' (error {code}).");
                }
            }
        }

        public void Dispose()
        {
            if (_file is null)
            {
                return;
            }

            if (_isOpen)
            {
                _ = _file->Methods->Unlock(_file, 0);
                _ = _file->Methods->Close(_file);
            }

            NativeMemory.Free(_file);
            NativeMemory.Free(_name);
            _file = null;
        }
    }
}
