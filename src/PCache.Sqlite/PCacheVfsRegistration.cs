using System.Diagnostics.CodeAnalysis;
using PCache.Core;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Native;

namespace PCache.Sqlite;

/// <summary>What went wrong in a call of SQLite, which itself only shows a number.</summary>
/// <param name="Path">Full path of the file.</param>
/// <param name="Operation">What SQLite had asked for: "open", "read", "write", "sync" and so on.</param>
/// <param name="Exception">What was thrown.</param>
public sealed record PCacheVfsError(string Path, string Operation, Exception Exception);

/// <summary>
/// A registered VFS: its databases and its errors. All members may be called from any number of threads.
/// </summary>
public sealed class PCacheVfsRegistration : IDisposable
{
    private readonly RegisteredVfs _vfs;

    internal PCacheVfsRegistration(RegisteredVfs vfs)
    {
        _vfs = vfs;
    }

    /// <summary>
    /// Raised after each error, on the thread of the call that failed, before SQLite is told. What a handler throws
    /// is ignored.
    /// </summary>
    public event EventHandler<PCacheVfsError>? ErrorOccurred
    {
        add => _vfs.Errors.Occurred += value;
        remove => _vfs.Errors.Occurred -= value;
    }

    internal DatabaseCatalog Catalog => _vfs.Catalog;

    /// <summary>Name of the VFS.</summary>
    public string Name => _vfs.Name;

    /// <summary>The last error of any of its databases; null if there was none.</summary>
    public PCacheVfsError? LastError => _vfs.Errors.Last;

    /// <summary>Full paths of the databases that are open now. Pooled connections keep theirs open.</summary>
    public IReadOnlyList<string> OpenDatabases => _vfs.Catalog.OpenPaths();

    /// <summary>
    /// The cache of an open database, for its status and settings. It is closed with the database's last connection;
    /// don't dispose it, and don't write to it.
    /// </summary>
    /// <param name="path">Path of the database.</param>
    /// <param name="device">The cache, if there is one.</param>
    /// <returns>Whether the database is open.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public bool TryGetDevice(string path, [NotNullWhen(true)] out PCacheDevice? device)
    {
        device = _vfs.Catalog.FindOpen(FullPath(path))?.Device;
        return device is not null;
    }

    /// <summary>
    /// Writes back everything that was committed in an open database before the call: afterwards its plain files have
    /// it all (in WAL mode: database and WAL together). Connections go on meanwhile.
    /// </summary>
    /// <param name="path">Path of the database.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether the database is open.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="PCacheException">The storage keeps failing; nothing is lost.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public bool Drain(string path, CancellationToken cancellationToken = default)
    {
        using DatabaseLease? lease = _vfs.Catalog.TryLease(FullPath(path));
        lease?.Database.Drain(null, cancellationToken);
        return lease is not null;
    }

    /// <summary>
    /// Unregisters the VFS: no connection can be opened with it any more. Those that are open go on working until
    /// they are closed.
    /// </summary>
    public void Dispose() => _vfs.Unregister();

    private string FullPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return _vfs.Default.FullPath(path);
    }
}
