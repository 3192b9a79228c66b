using PCache.Sqlite.Databases;
using PCache.Sqlite.Native;

namespace PCache.Sqlite;

/// <summary>Registers the VFS that puts SQLite databases behind a cache.</summary>
public static class PCacheVfs
{
    /// <summary>
    /// Registers the VFS with the SQLite of this process. From then on every connection with <c>Vfs=name</c> in its
    /// connection string has its database, its journal and its WAL behind one cache.
    /// </summary>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <returns>The registration; dispose it when no connection is to be opened any more.</returns>
    /// <exception cref="ArgumentException">A setting isn't allowed.</exception>
    /// <exception cref="DirectoryNotFoundException">The folder for cache files doesn't exist.</exception>
    /// <exception cref="DllNotFoundException">There is no native SQLite library of that name.</exception>
    /// <exception cref="EntryPointNotFoundException">The native library isn't SQLite.</exception>
    /// <exception cref="InvalidOperationException">A VFS of that name is registered already, or SQLite
    /// refused.</exception>
    public static PCacheVfsRegistration Register(PCacheVfsOptions? options = null)
    {
        options ??= new PCacheVfsOptions();
        options.Validate();
        return Register(options, (library, defaultVfs) => new FileDatabaseSource(options, defaultVfs.LockFile));
    }

    internal static PCacheVfsRegistration Register(
        PCacheVfsOptions options, Func<SqliteLibrary, DefaultVfs, IDatabaseSource> makeSource)
    {
        SqliteLibrary library = SqliteLibrary.Load(options.NativeLibrary);
        return new PCacheVfsRegistration(RegisteredVfs.Register(library, options, makeSource));
    }
}
