using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Core.Pmem;

namespace PCache.Sqlite.Databases;

/// <summary>
/// Finds the cache of a database, wherever it is: beside it, where the mark beside it says, or where a new one would
/// be. Keeps true: a database that has a cache with something in it is never opened without; of two such caches none
/// is chosen; only what is clean, and this database's, is deleted.
/// </summary>
internal sealed class CacheSearch(string databasePath, string? folder)
{
    /// <summary>Place of a cache that is beside its database.</summary>
    public string Beside { get; } = CachePaths.Of(databasePath, null);

    /// <summary>Place of the mark of a cache that is elsewhere.</summary>
    public string MarkPath { get; } = databasePath + CachePaths.MarkExtension;

    /// <summary>Where a new cache goes.</summary>
    public string Own { get; } = CachePaths.Of(databasePath, folder);

    /// <summary>Whether a new cache goes elsewhere, so that there has to be a mark.</summary>
    public bool NeedsMark => Own != Beside;

    /// <summary>What has a name that makes one look for a cache; null: nothing.</summary>
    public string? FindName() => Array.Find([Beside, MarkPath, Own], IsThere);

    /// <summary>
    /// The cache that has what the plain files don't; null: there is none. A writable search deletes those that are
    /// clean.
    /// </summary>
    /// <param name="database">Facts of the database's file.</param>
    /// <param name="options">How cache files are mapped.</param>
    /// <exception cref="IOException">It can't be told, or what is there can't be trusted.</exception>
    public CacheFile? Find(FileFacts? database, PmemFileOptions options)
    {
        CacheMark? mark = TryReadMark(database);
        mark = mark is null ? null : mark with { Cache = Resolve(mark) };
        CacheFile? found = null;
        try
        {
            foreach (string path in new[] { mark?.Cache, Beside, Own }.OfType<string>().Distinct())
            {
                CacheFile? cache = CacheFile.TryOpen(path, database, options);
                if (cache is null)
                {
                    _ = mark is null || path != mark.Cache ? 0 : throw Missing(mark);
                    continue;
                }

                if (mark is not null && path == mark.Cache && cache.Status.CacheId != mark.CacheId)
                {
                    cache.Dispose();
                    throw Missing(mark);
                }

                if (cache.IsNeeded && found is null)
                {
                    found = cache;
                    continue;
                }

                try
                {
                    if (cache.IsNeeded)
                    {
                        throw new IOException(
                            $"Two caches of '{Safe(databasePath)}' have what its plain files don't: "
                            + $"'{Safe(found!.Path)}' and '{Safe(cache.Path)}'. "
                            + "Move the one away that doesn't belong to it ('pcache status' tells of both).");
                    }

                    if (!options.ReadOnly)
                    {
                        Drop(cache, mark, database);
                    }
                }
                finally
                {
                    cache.Dispose();
                }
            }

            return found;
        }
        catch
        {
            found?.Dispose();
            throw;
        }
    }

    /// <summary>The mark beside the database; null: there is none.</summary>
    public CacheMark? TryReadMark(FileFacts? database)
    {
        using SafeFileHandle? file = CacheFile.TryOpenFile(MarkPath, database, FileAccess.Read);
        return file is null ? null : CacheMark.Read(file, MarkPath);
    }

    /// <summary>Removes the mark of a cache that isn't needed any more.</summary>
    public void DeleteMark(Guid cacheId, FileFacts? database)
    {
        if (IsThere(MarkPath) && TryReadMark(database)?.CacheId == cacheId)
        {
            File.Delete(MarkPath);
        }
    }

    /// <summary>
    /// Where the marked cache is: at its place, or, if the folder of caches is called otherwise now or the cache was
    /// moved to its database, there.
    /// </summary>
    private string Resolve(CacheMark mark)
    {
        string name = Path.GetFileName(mark.Cache);
        string?[] places =
        [
            mark.Cache,
            folder is null ? null : Path.Combine(Path.GetFullPath(folder), name),
            Path.Combine(Path.GetDirectoryName(databasePath)!, name),
        ];
        return Array.Find(places, place => place is not null && IsThere(place)) ?? mark.Cache;
    }

    private void Drop(CacheFile cache, CacheMark? mark, FileFacts? database)
    {
        if (mark?.CacheId == cache.Status.CacheId)
        {
            File.Delete(MarkPath);
        }

        bool isOurs = cache.Path == Beside || cache.Path == Own || database is null
            || cache.Record?.Database.Inode == database.Identity.Inode;
        if (isOurs)
        {
            cache.Delete();
        }
    }

    private IOException Missing(CacheMark mark) => new(
        $"'{Safe(MarkPath)}' says that the cache of '{Safe(databasePath)}' is '{Safe(mark.Cache)}' ({mark.CacheId}), "
        + $"and that one isn't there. It has commits that the plain files don't have: "
        + $"bring it back to that place. Only to lose them, delete '{Safe(MarkPath)}'.");

    private static bool IsThere(string path) =>
        OperatingSystem.IsLinux() ? FileFacts.TryOfPath(path, followLinks: false) is not null : Path.Exists(path);

    private static string Safe(string text) => SafeText.Of(text);
}
