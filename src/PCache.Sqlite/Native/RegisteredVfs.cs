using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using PCache.Sqlite.Databases;

namespace PCache.Sqlite.Native;

/// <summary>
/// A VFS that SQLite knows. Keeps true: its native structure is never freed, since connections go on using it after
/// it was unregistered; it stays findable by its address as long. Everything but opening, deleting and looking for
/// files is the default VFS's.
/// </summary>
internal sealed unsafe class RegisteredVfs
{
    private static readonly ConcurrentDictionary<nint, RegisteredVfs> All = new();
    private static readonly Lock Registering = new();

    private readonly SqliteLibrary _library;
    private readonly NativeVfs* _vfs;
    private int _unregistered;

    private RegisteredVfs(SqliteLibrary library, PCacheVfsOptions options, NativeVfs* defaultVfs,
        Func<SqliteLibrary, DefaultVfs, IDatabaseSource> makeSource)
    {
        _library = library;
        Name = options.Name;
        AtomicCommits = options.AtomicCommits;
        Default = new DefaultVfs(defaultVfs);
        Catalog = new DatabaseCatalog(
            makeSource(library, Default))
        { Moved = (path, error) => Errors.Add(path, "moved", error) };
        _vfs = (NativeVfs*)NativeMemory.AllocZeroed((nuint)sizeof(NativeVfs));
        *_vfs = *defaultVfs;
        _vfs->Version = Math.Min(2, defaultVfs->Version); // the third version only has hooks for tests of SQLite
        _vfs->Next = null;
        _vfs->FileBytes = Math.Max(sizeof(NativeFile), defaultVfs->FileBytes);
        _vfs->Name = (byte*)NativeMemory.AllocZeroed((nuint)(Name.Length + 1));
        _ = Encoding.ASCII.GetBytes(Name, new Span<byte>(_vfs->Name, Name.Length));
        _vfs->Open = &VfsCallbacks.Open;
        _vfs->Delete = &VfsCallbacks.Delete;
        _vfs->Access = &VfsCallbacks.Access;
    }

    public string Name { get; }

    public DefaultVfs Default { get; }

    /// <summary>Whether transactions without a journal are written as a whole.</summary>
    public bool AtomicCommits { get; }

    public DatabaseCatalog Catalog { get; }

    public ErrorLog Errors { get; } = new();

    /// <exception cref="InvalidOperationException">The name is taken, or SQLite refused.</exception>
    public static RegisteredVfs Register(
        SqliteLibrary library, PCacheVfsOptions options, Func<SqliteLibrary, DefaultVfs, IDatabaseSource> makeSource)
    {
        lock (Registering)
        {
            NativeVfs* defaultVfs = library.Find(null);
            if (defaultVfs is null)
            {
                throw new InvalidOperationException("SQLite has no default VFS.");
            }

            if (All.TryGetValue((nint)defaultVfs, out RegisteredVfs? ours))
            {
                defaultVfs = ours.Default.Vfs;
            }

            fixed (byte* name = Encoding.UTF8.GetBytes(options.Name + '\0'))
            {
                if (library.Find(name) is not null)
                {
                    throw new InvalidOperationException($"A VFS '{options.Name}' is registered already.");
                }
            }

            var vfs = new RegisteredVfs(library, options, defaultVfs, makeSource);
            All[(nint)vfs._vfs] = vfs;
            int code = library.Register(vfs._vfs, options.MakeDefault);
            return code == SqliteCode.Ok
                ? vfs
                : throw new InvalidOperationException($"SQLite refuses the VFS '{options.Name}' (error {code}).");
        }
    }

    /// <summary>The registration behind a native structure.</summary>
    public static RegisteredVfs Of(NativeVfs* vfs) => All[(nint)vfs];

    /// <summary>The name as SQLite's own memory; null if there is none left.</summary>
    public byte* CopyName()
    {
        var copy = (byte*)_library.Allocate(Name.Length + 1);
        if (copy is not null)
        {
            new ReadOnlySpan<byte>(_vfs->Name, Name.Length + 1).CopyTo(new Span<byte>(copy, Name.Length + 1));
        }

        return copy;
    }

    public void Unregister()
    {
        if (Interlocked.Exchange(ref _unregistered, 1) == 0)
        {
            lock (Registering)
            {
                _ = _library.Unregister(_vfs);
            }
        }
    }
}
