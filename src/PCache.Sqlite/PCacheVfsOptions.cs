using Microsoft.Extensions.Logging;
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Sqlite;

/// <summary>Settings of a registered VFS. Immutable; checked when it is registered.</summary>
public sealed record PCacheVfsOptions
{
    /// <summary>
    /// Name of the VFS, as in <c>Vfs=pcache</c> of a connection string. Default "pcache"; ASCII, not empty, not that
    /// of a VFS that exists.
    /// </summary>
    public string Name { get; init; } = "pcache";

    /// <summary>
    /// Whether it becomes the default VFS, for all connections of the process that name none. Default false.
    /// </summary>
    public bool MakeDefault { get; init; }

    /// <summary>
    /// Folder of the cache files: an existing one, on storage that is faster than that of the databases. Null (the
    /// default): a cache file stands next to its database, as "name.pcache". In a folder of its own it is called by
    /// the database's name and a number made of its full path.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>
    /// Length in bytes of a new cache file, at least 1 MiB. Default 64 MiB. An existing one keeps its own until it
    /// was drained.
    /// </summary>
    public long CacheLengthBytes { get; init; } = 64L << 20;

    /// <summary>
    /// How cache files are mapped, and so what a commit survives. Default: a page cache brought to the disk by every
    /// synchronisation (<see cref="PmemFileOptions.PowerSafe"/>): power cuts. Without PowerSafe: the death of the
    /// process only, and much faster on ordinary disks. On persistent memory: <see cref="Persistence.Dax"/>.
    /// </summary>
    public PmemFileOptions Region { get; init; } = new() { PowerSafe = true };

    /// <summary>
    /// Whether connections in <c>journal_mode=MEMORY</c> or <c>OFF</c> are safe from crashes: what a transaction
    /// changes in the database is then one batch of the cache, there as a whole or not at all, durable with one
    /// synchronisation when the commit returns, and no journal is written. Default false: a crash in the middle of
    /// such a transaction may destroy the database, as with plain SQLite. Other journal modes aren't changed. Two
    /// attached databases commit one after the other. A transaction may change as many bytes as
    /// <see cref="PCacheStatus.AtomicBatchBytes"/> says; a larger one fails with SQLITE_IOERR and is rolled back. The
    /// plain files have no journal for such transactions, so without their cache they are worth something only after
    /// a drain.
    /// </summary>
    public bool AtomicCommits { get; init; }

    /// <summary>
    /// How the plain files go from commit to commit: each synchronisation in its turn (the default), or many commits in
    /// one step. For tests: what becomes of storage that fails in the middle of a step, and of a journal that isn't
    /// ours, is not proven yet.
    /// </summary>
    internal BackingConsistency BackingConsistency { get; init; } = BackingConsistency.EachFlush;

    /// <summary>
    /// Whether the close of a database's last connection in this process writes everything back to the plain files
    /// and deletes the cache file. Default true: afterwards there is an ordinary SQLite database and nothing else. It
    /// may take as long as the same transactions would have taken without a cache. False: the close returns at once,
    /// what is dirty stays in the cache file, and the plain files alone are an older state.
    /// </summary>
    public bool DrainOnClose { get; init; } = true;

    /// <summary>
    /// How long the write-back of <see cref="DrainOnClose"/> may take: zero to 30 days, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. Default 30 s. What isn't written back by then stays dirty in the cache,
    /// safely, with its mark; the close says so (<see cref="PCacheVfsRegistration.LastError"/>), and the next open goes
    /// on with it.
    /// </summary>
    public TimeSpan DrainOnCloseTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Changes the settings of a cache before it is created or opened: is given the full path of the database and the
    /// settings, and returns other ones. Null: they stay. Who owns region and backing, and whether it is read-only,
    /// is not for it to change.
    /// </summary>
    public Func<string, PCacheOptions, PCacheOptions>? ConfigureCache { get; init; }

    /// <summary>
    /// Where log messages go: those of this package (category "PCache.Sqlite") and of the caches, unless
    /// <see cref="ConfigureCache"/> gives them another one. Null (the default): nowhere.
    /// </summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>
    /// Name or path of the native SQLite library that the application uses. Default "e_sqlite3", that of
    /// SQLitePCLRaw's bundle.
    /// </summary>
    public string NativeLibrary { get; init; } = "e_sqlite3";

    /// <summary>Throws where a setting isn't allowed.</summary>
    internal void Validate()
    {
        const string Parameter = "options";
        if (string.IsNullOrEmpty(Name) || !System.Text.Ascii.IsValid(Name)
            || Name.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("PCacheVfsOptions.Name must be ASCII and not empty.", Parameter);
        }

        if (CacheLengthBytes < 1 << 20)
        {
            throw new ArgumentOutOfRangeException(
                Parameter, CacheLengthBytes, "PCacheVfsOptions.CacheLengthBytes must be at least 1048576.");
        }

        if (BackingConsistency is not (BackingConsistency.EachFlush or BackingConsistency.Checkpoint))
        {
            throw new ArgumentOutOfRangeException(
                Parameter, BackingConsistency,
                "PCacheVfsOptions.BackingConsistency must be EachFlush or Checkpoint.");
        }

        if (DrainOnCloseTimeout != Timeout.InfiniteTimeSpan
            && (DrainOnCloseTimeout < TimeSpan.Zero || DrainOnCloseTimeout > TimeSpan.FromDays(30)))
        {
            throw new ArgumentOutOfRangeException(Parameter, DrainOnCloseTimeout,
                "PCacheVfsOptions.DrainOnCloseTimeout must be zero to 30 days, or infinite.");
        }

        if (CacheDirectory is not null && !Directory.Exists(CacheDirectory))
        {
            throw new DirectoryNotFoundException($"The folder for cache files, '{CacheDirectory}', doesn't exist.");
        }

        ArgumentNullException.ThrowIfNull(Region, Parameter);
        ArgumentException.ThrowIfNullOrEmpty(NativeLibrary, Parameter);
        if (Region.ReadOnly)
        {
            throw new ArgumentException(
                "PCacheVfsOptions.Region can't be read-only: a read-only database is opened so by itself.", Parameter);
        }
    }
}
