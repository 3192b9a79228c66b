namespace PCache.Sqlite.Databases;

/// <summary>
/// The open databases of a registration. Keeps true: a database is open exactly while it has leases; it is opened and
/// closed under its own entry's lock, so opening one never waits for the close of another; an open of a database that
/// is just closing waits, and opens it anew. A name that leads to another file now is another database: the open one
/// leaves the catalog, and ends with its last lease.
/// </summary>
internal sealed class DatabaseCatalog(IDatabaseSource source)
{
    private static readonly StringComparer PathComparer =
        OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    private readonly Dictionary<string, Entry> _entries = new(PathComparer); // also its lock

    /// <summary>Told of databases that were deleted, renamed or replaced while they were open.</summary>
    public Action<string, Exception>? Moved { get; set; }

    /// <summary>A lease of the database, which is opened if need be.</summary>
    public DatabaseLease Lease(string path, DatabaseMode mode) => TryLease(path, mode)!;

    /// <summary>A lease of a database that is open already; null if it isn't.</summary>
    public DatabaseLease? TryLease(string path) => TryLease(path, null);

    /// <summary>
    /// A lease of a database that is open, or has a cache lying about; else null: its plain files are all there is.
    /// </summary>
    public DatabaseLease? TryLeaseCached(string path) =>
        TryLease(path, null) ?? (source.HasCache(path) ? TryLease(path, DatabaseMode.Existing) : null);

    /// <summary>Whether a cache lies about, open or not.</summary>
    public bool HasCache(string path) => source.HasCache(path);

    public Database? FindOpen(string path)
    {
        lock (_entries)
        {
            return _entries.TryGetValue(path, out Entry? entry) ? entry.Database : null;
        }
    }

    public List<string> OpenPaths()
    {
        lock (_entries)
        {
            return [.. _entries.Values.Select(entry => entry.Database?.Path).OfType<string>()];
        }
    }

    internal void Release(Entry entry)
    {
        lock (entry)
        {
            if (--entry.Leases > 0)
            {
                return;
            }

            Database database = entry.Database!;
            bool hasMoved = !entry.IsRetired && database.HasMoved; // a retired one was told of already
            try
            {
                database.Close();
            }
            finally
            {
                Retire(database.Path, entry);
                if (hasMoved)
                {
                    Moved?.Invoke(database.Path, database.MovedError());
                }
            }
        }
    }

    private DatabaseLease? TryLease(string path, DatabaseMode? mode)
    {
        while (true)
        {
            Entry? entry;
            lock (_entries)
            {
                if (!_entries.TryGetValue(path, out entry))
                {
                    if (mode is null)
                    {
                        return null;
                    }

                    _entries.Add(path, entry = new Entry());
                }
            }

            lock (entry)
            {
                if (entry.IsRetired)
                {
                    continue;
                }

                if (mode is not null && entry.Database is { HasMoved: true } moved)
                {
                    moved.LeaveName(); // if this fails, the open does: another cache can't be there meanwhile
                    Forget(path, entry);
                    Moved?.Invoke(path, moved.MovedError());
                    continue;
                }

                if (entry.Database is null)
                {
                    if (mode is null)
                    {
                        return null;
                    }

                    try
                    {
                        entry.Database = source.Open(path, mode.Value);
                    }
                    catch
                    {
                        Retire(path, entry);
                        throw;
                    }
                }

                entry.Leases++;
                return new DatabaseLease(this, entry, entry.Database);
            }
        }
    }

    private void Retire(string path, Entry entry)
    {
        Forget(path, entry);
        entry.Database = null;
    }

    private void Forget(string path, Entry entry)
    {
        lock (_entries)
        {
            entry.IsRetired = true;
            if (_entries.TryGetValue(path, out Entry? present) && present == entry)
            {
                _ = _entries.Remove(path);
            }
        }
    }

    /// <summary>A path's place; its fields are used under its own lock.</summary>
    internal sealed class Entry
    {
        public Database? Database { get; set; }

        public int Leases { get; set; }

        public bool IsRetired { get; set; }
    }
}

/// <summary>The right to use an open database; its end may be the database's close.</summary>
internal sealed class DatabaseLease(DatabaseCatalog catalog, DatabaseCatalog.Entry entry, Database database)
    : IDisposable
{
    private int _ended;

    public Database Database { get; } = database;

    /// <summary>Another lease of the same.</summary>
    public DatabaseLease Share()
    {
        lock (entry)
        {
            entry.Leases++;
        }

        return new DatabaseLease(catalog, entry, Database);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            catalog.Release(entry);
        }
    }
}
