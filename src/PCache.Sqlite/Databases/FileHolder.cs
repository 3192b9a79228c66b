using PCache.Sqlite.Files;

namespace PCache.Sqlite.Databases;

/// <summary>SQLite's exclusive lock on a database's plain file; its disposal ends it.</summary>
internal interface IFileGuard : IDisposable
{
    /// <summary>Whether the file's name leads to another file now.</summary>
    bool HasMoved { get; }
}

/// <summary>
/// Cache, plain files and lock of a database. Keeps true: they are closed in this order, whatever fails; the lock
/// ends last.
/// </summary>
internal sealed class FileHolder(CacheSearch search) : IDatabaseHolder
{
    public CacheSearch Search { get; } = search;

    public CacheFile? Cache { get; set; }

    public CompositeBacking? Backing { get; set; }

    public DirectoryFileStore? Store { get; set; }

    public IFileGuard? Guard { get; set; }

    public bool HasMoved => Store?.HasMoved ?? false;

    public bool IsGone => Store?.Facts?.Links == 0;

    public void LeaveDirty() => Backing!.KeepsExactLengths = true;

    public void RemoveCache()
    {
        if (Cache is not null)
        {
            // The mark first: it promises a cache that has something.
            Search.DeleteMark(Cache.Status.CacheId, Store?.Facts);
            Cache.Delete();
        }
    }

    public void Release(bool drained)
    {
        try
        {
            try
            {
                // On Unix while region and plain files still are open and locked: afterwards, another process may
                // have a new cache under this name.
                if (drained && !OperatingSystem.IsWindows())
                {
                    RemoveCache();
                }
                else if (!drained)
                {
                    Backing?.Keeper?.Finish();
                }
            }
            finally
            {
                Cache?.Dispose();
            }

            if (drained && OperatingSystem.IsWindows())
            {
                RemoveCache();
            }
        }
        finally
        {
            try
            {
                Backing?.Dispose();
            }
            finally
            {
                Guard?.Dispose();
            }
        }
    }
}
