using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Pmem;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite;

/// <summary>A database's cache as it is found without the application. Immutable.</summary>
public sealed record PCacheDatabaseStatus
{
    /// <summary>Full path of the database.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// Full path of the cache file that the database needs; null: it needs none, its plain files are all there is.
    /// </summary>
    public required string? CachePath { get; init; }

    /// <summary>UUID of that cache; <see cref="Guid.Empty"/> without one.</summary>
    public Guid CacheId { get; init; }

    /// <summary>Distinct bytes in it that the plain files don't have.</summary>
    public long DirtyBytes { get; init; }

    /// <summary>
    /// What differs between the plain files and what the cache has left there, in words; null: nothing. With a
    /// difference, opening and draining are refused.
    /// </summary>
    public string? Mismatch { get; init; }
}

/// <summary>
/// Databases and their caches from outside, for operators: no SQLite and no registration is needed. All members may
/// be called from any number of threads.
/// </summary>
public static class PCacheDatabase
{
    /// <summary>Looks for the cache of a database that no process has open; changes nothing.</summary>
    /// <param name="path">Path of the database.</param>
    /// <param name="cacheDirectory">The application's <see cref="PCacheVfsOptions.CacheDirectory"/>; a cache
    /// elsewhere is found without it by its mark.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="FileNotFoundException">There is no such database.</exception>
    /// <exception cref="PCacheInUseException">It is in use.</exception>
    /// <exception cref="IOException">A cache is missing, can't be read, or isn't to be trusted.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    public static PCacheDatabaseStatus GetStatus(string path, string? cacheDirectory = null)
    {
        path = RealPath(path);
        var search = new CacheSearch(path, cacheDirectory);
        Require(path, search);
        using var store = new DirectoryFileStore(path, readOnly: true);
        using CacheFile? cache = search.Find(store.Facts, new PmemFileOptions { ReadOnly = true });
        if (cache is null)
        {
            return new PCacheDatabaseStatus { Path = path, CachePath = null };
        }

        string? mismatch = null;
        try
        {
            FileDatabaseSource.RequireOwnFiles(path, store, cache, search);
        }
        catch (PCacheBackingMismatchException e)
        {
            mismatch = e.Message;
        }

        return new PCacheDatabaseStatus
        {
            Path = path,
            CachePath = cache.Path,
            CacheId = cache.Status.CacheId,
            DirtyBytes = cache.Status.DirtyBytes,
            Mismatch = mismatch
        };
    }

    /// <summary>
    /// Writes everything that a database's cache has to its plain files, and removes the cache: afterwards there is
    /// an ordinary database and nothing else. Interrupted, it can be done again.
    /// </summary>
    /// <param name="path">Path of the database, which no process may have open.</param>
    /// <param name="cacheDirectory">The application's <see cref="PCacheVfsOptions.CacheDirectory"/>; a cache
    /// elsewhere is found without it by its mark.</param>
    /// <param name="acceptChangedFiles">Consent to write over plain files that were changed, restored or replaced
    /// since the cache was used: the result may be a mixture.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Ends it; what isn't written stays in the cache.</param>
    /// <returns>The status of before.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="FileNotFoundException">There is no such database.</exception>
    /// <exception cref="PCacheBackingMismatchException">The plain files aren't what the cache has left
    /// there.</exception>
    /// <exception cref="PCacheInUseException">The database is in use.</exception>
    /// <exception cref="IOException">A cache is missing or isn't to be trusted, or the storage failed; nothing is
    /// lost.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    public static PCacheDatabaseStatus Drain(
        string path, string? cacheDirectory = null, bool acceptChangedFiles = false,
        IProgress<DrainProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        path = RealPath(path);
        Require(path, new CacheSearch(path, cacheDirectory));
        var options = new PCacheVfsOptions
        {
            CacheDirectory = cacheDirectory,
            ConfigureCache = (_, settings) =>
                settings with { RebindBacking = acceptChangedFiles, CacheReads = false, StartWritebackPaused = true },
        };
        var source = new FileDatabaseSource(options, file => new FileRangeGuard(file));
        if (source.OpenIfNeeded(path) is not { } database)
        {
            return new PCacheDatabaseStatus { Path = path, CachePath = null };
        }

        PCacheStatus before = database.Device!.GetStatus();
        var status = new PCacheDatabaseStatus
        {
            Path = path,
            CachePath = ((FileHolder)database.Holder).Cache!.Path,
            CacheId = before.CacheId,
            DirtyBytes = before.DirtyBytes
        };
        try
        {
            database.Drain(progress, cancellationToken);
        }
        catch
        {
            database.CloseDirty();
            throw;
        }

        database.Close();
        return status;
    }

    private static void Require(string path, CacheSearch search)
    {
        if (!File.Exists(path))
        {
            throw search.FindName() is { } name
                ? new FileNotFoundException($"There is no database '{SafeText.Of(path)}', but '{SafeText.Of(name)}' is "
                    + $"its cache, or says where that is. Put the database back.", path)
                : new FileNotFoundException($"There is no database '{SafeText.Of(path)}'.", path);
        }
    }

    private static string RealPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = Path.GetFullPath(path);
        return File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
    }
}
