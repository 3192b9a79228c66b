using System.Reflection;
using System.Runtime.InteropServices;

namespace PCache.Sqlite.Native;

/// <summary>
/// The native SQLite of the process. Keeps true: it is the very library that the caller's SQLite package uses, since
/// the system loads a library once by its path; it is found by the rules of the runtime for native assets (as
/// SQLitePCLRaw's provider finds it), so no package is depended on.
/// </summary>
internal sealed unsafe class SqliteLibrary
{
    private readonly delegate* unmanaged[Cdecl]<byte*, NativeVfs*> _find;
    private readonly delegate* unmanaged[Cdecl]<NativeVfs*, int, int> _register;
    private readonly delegate* unmanaged[Cdecl]<NativeVfs*, int> _unregister;
    private readonly delegate* unmanaged[Cdecl]<int, void*> _malloc;

    private SqliteLibrary(nint library)
    {
        _find = (delegate* unmanaged[Cdecl]<byte*, NativeVfs*>)NativeLibrary.GetExport(library, "sqlite3_vfs_find");
        _register = (delegate* unmanaged[Cdecl]<NativeVfs*, int, int>)NativeLibrary.GetExport(
            library, "sqlite3_vfs_register");
        _unregister = (delegate* unmanaged[Cdecl]<NativeVfs*, int>)NativeLibrary.GetExport(
            library, "sqlite3_vfs_unregister");
        _malloc = (delegate* unmanaged[Cdecl]<int, void*>)NativeLibrary.GetExport(library, "sqlite3_malloc");
    }

    /// <summary>Loads the library; it is never unloaded.</summary>
    /// <exception cref="DllNotFoundException">There is none of that name.</exception>
    /// <exception cref="EntryPointNotFoundException">It isn't SQLite.</exception>
    public static SqliteLibrary Load(string name) =>
        new(NativeLibrary.Load(name, Assembly.GetEntryAssembly() ?? typeof(SqliteLibrary).Assembly, null));

    /// <summary>The VFS of a name, or the default one; null if there is none.</summary>
    public NativeVfs* Find(byte* name) => _find(name);

    public int Register(NativeVfs* vfs, bool makeDefault) => _register(vfs, makeDefault ? 1 : 0);

    public int Unregister(NativeVfs* vfs) => _unregister(vfs);

    /// <summary>Memory that SQLite frees; null if there is none.</summary>
    public void* Allocate(int lengthBytes) => _malloc(lengthBytes);
}
