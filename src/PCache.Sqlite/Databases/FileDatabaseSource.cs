using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PCache.Core;
using PCache.Core.Files;
using PCache.Sqlite.Files;
using PCache.Sqlite.Recognition;

namespace PCache.Sqlite.Databases;

/// <summary>
/// Databases in the file system, with their caches in files.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A database is used only under SQLite's exclusive lock on its plain file, taken before anything else is
/// looked at: so neither a plain SQLite nor another process with this VFS is in between. It is given up last. The
/// file that is locked is the one that is used.</item>
/// <item>A cache file appears under its name only when it is whole; the mark of one in another folder is durable
/// before the cache has anything.</item>
/// <item>A cache without dirty data is never used again: plain SQLite may have changed the database since. It is made
/// anew.</item>
/// <item>Who can't read the database can't read its cache, at no moment; and who can't write the database can't have
/// written the cache.</item>
/// <item>A cache is used only for the plain files that it has left, as its record knows them; a cache whose database
/// is gone isn't used for a new one of that name.</item>
/// </list>
/// </remarks>
internal sealed class FileDatabaseSource(PCacheVfsOptions options, Func<string, IFileGuard> lockFile) : IDatabaseSource
{
    private const int DefaultSegmentBytes = 1 << 20;
    private const int SmallSegmentBytes = 64 << 10;
    private const long SmallCacheBytes = 32L << 20;

    private readonly SlowCacheWarning _warning = new(options);

    public bool HasCache(string path) => Search(path).FindName() is not null;

    public Database Open(string path, DatabaseMode mode)
    {
        bool exists = File.Exists(path);
        if (!exists && Search(path).FindName() is { } name)
        {
            throw new IOException(
                $"'{SafeText.Of(name)}' is the cache of a database that is gone, or says where that is. Put "
                + $"'{SafeText.Of(path)}' back, or delete the cache file and lose what is in it.");
        }

        if (!exists && mode != DatabaseMode.Create)
        {
            throw new FileNotFoundException($"There is no database '{SafeText.Of(path)}'.", path);
        }

        return mode == DatabaseMode.ReadOnly ? OpenReadOnly(path) : OpenWritable(path, mayCreate: true)!;
    }

    /// <summary>
    /// Opens a database that has a cache with something in it; null: there is none, or it was clean, and is removed.
    /// </summary>
    public Database? OpenIfNeeded(string path) => OpenWritable(path, mayCreate: false);

    private Database? OpenWritable(string path, bool mayCreate)
    {
        var holder = new FileHolder(Search(path));
        try
        {
            holder.Guard = lockFile(path);
            DirectoryFileStore store = OpenFiles(path, holder, readOnly: false);
            if (store.HasMoved || holder.Guard.HasMoved)
            {
                throw new IOException($"'{SafeText.Of(path)}' was replaced while it was being opened. Open it again.");
            }

            store.Claim();
            PCacheOptions settings = CacheOptions(path);
            holder.Cache = holder.Search.Find(store.Facts, options.Region);
            if (holder.Cache is null && !mayCreate)
            {
                holder.Release(drained: false);
                return null;
            }

            PCacheDevice device = OpenCache(path, holder, store.Facts, settings);
            try
            {
                ILogger logger = (options.LoggerFactory ?? NullLoggerFactory.Instance).CreateLogger("PCache.Sqlite");
                // Where write-back may stop between any two flushes, each of SQLite's synchronisations has to be one.
                bool isSequential = options.BackingConsistency != BackingConsistency.EachFlush;
                return new Database(
                    path, new CachedFiles(device, isSequential), device, holder, isReadOnly: false,
                    options.DrainOnClose,
                    new CloseDrain(options.DrainOnCloseTimeout, logger));
            }
            catch
            {
                device.Dispose();
                throw;
            }
        }
        catch
        {
            holder.Release(drained: false);
            throw;
        }
    }

    /// <summary>Opens the plain files, and refuses at once what couldn't be written back.</summary>
    private DirectoryFileStore OpenFiles(string path, FileHolder holder, bool readOnly)
    {
        var store = new DirectoryFileStore(path, readOnly);
        holder.Store = store;
        holder.Backing = new CompositeBacking(store)
        {
            CanWrite = !readOnly,
            TakesWindows = options.BackingConsistency == BackingConsistency.Checkpoint,
        };
        for (int i = 0; i < FileSlots.Count; i++)
        {
            _ = store.Exists((FileSlot)i);
        }

        return store;
    }

    private PCacheDevice OpenCache(string path, FileHolder holder, FileFacts? database, PCacheOptions settings)
    {
        CacheFile? cache = holder.Cache;
        if (cache is null)
        {
            holder.Cache = cache = CreateCache(path, holder, database, settings);
        }
        else
        {
            if (!settings.RebindBacking)
            {
                RequireOwnFiles(path, holder.Store!, cache, holder.Search);
            }

            if (cache.HasRoom)
            {
                if (cache.Record is { IsWindow: true })
                {
                    WindowJournal.TakeBack(holder.Store!);
                }

                holder.Backing!.RedoTo = cache.Record?.RedoTo ?? 0;
                holder.Backing.TakesWindows |= holder.Backing.RedoTo != 0; // one that was begun is done again whole
                holder.Backing.Keeper = new RecordKeeper(
                    cache.Region, holder.Store!, cache.Status.CacheId, path, cache.Record?.Sequence ?? 0,
                    holder.Backing.RedoTo);
            }
        }

        if (cache.Path != holder.Search.Beside && holder.Search.TryReadMark(database) is null)
        {
            WriteMark(new CacheMark(cache.Path, cache.Status.CacheId, path), holder.Search.MarkPath, database);
        }

        _warning.Look(path, cache.Path, database);
        // refuses plain files that don't fit what is clean in the cache
        return PCacheDevice.Open(cache.Region, holder.Backing!, settings);
    }

    private static void WriteMark(CacheMark mark, string path, FileFacts? database)
    {
        try
        {
            mark.Write(path, database);
        }
        catch (UnauthorizedAccessException e)
        {
            // As with the cache itself: it would be opened without one.
            throw new IOException($"'{SafeText.Of(path)}', which says where the cache is, can't be made: the "
                + $"database's folder has to be writable.", e);
        }
    }

    /// <summary>Throws where the plain files aren't those that the cache has left.</summary>
    public static void RequireOwnFiles(string path, IFileStore store, CacheFile cache, CacheSearch search)
    {
        if (cache.Record is { } record && record.CacheId == cache.Status.CacheId)
        {
            Comparison.Require(record, store, path, cache.Path, mayBeCopied: cache.Path == search.Beside);
        }
        else if (cache.Status.BackingFingerprint is null)
        {
            throw new PCacheBackingMismatchException(
                BackingMismatchReason.Unknown,
                $"The cache '{SafeText.Of(cache.Path)}' doesn't know which plain files it belongs to (an older version "
                + $"made it, and it wasn't closed in good order), so it can't be told whether "
                + $"'{SafeText.Of(path)}' was changed since. If it wasn't, go on with 'pcache sqlite drain "
                + $"--any-backing' or PCacheOptions.RebindBacking.");
        }
    }

    private CacheFile CreateCache(string path, FileHolder holder, FileFacts? database, PCacheOptions settings)
    {
        CacheFile? cache = null;
        string cachePath = holder.Search.Own;
        try
        {
            long length = FilesRecord.LengthWithRoom(
                options.CacheLengthBytes, settings.SegmentSizeBytes ?? PCacheOptions.LinuxSegmentSizeBytes);
            cache = CacheFile.Create(
                cachePath, database, length, options.Region, region =>
                    PCacheDevice.Create(region, holder.Backing!, settings with { OpenProgress = null }).Dispose());
            holder.Backing!.Keeper = new RecordKeeper(
                cache.Region, holder.Store!, cache.Status.CacheId, path, lastSequence: 0);
            if (OperatingSystem.IsWindows())
            {
                cache.Dispose(); // an open file can't be renamed there
                cache.MoveTo(cachePath);
                cache = CacheFile.TryOpen(cachePath, database, options.Region)!;
                holder.Backing.Keeper = new RecordKeeper(
                    cache.Region, holder.Store!, cache.Status.CacheId, path, lastSequence: 1);
            }
            else
            {
                cache.MoveTo(cachePath);
            }
        }
        catch (UnauthorizedAccessException e)
        {
            // Not the database's own trouble: without this it would be opened without a cache, unnoticed.
            Abandon();
            throw new IOException($"The cache file '{SafeText.Of(cachePath)}' can't be made. Give "
                + $"PCacheVfsOptions.CacheDirectory a folder that can be written.", e);
        }
        catch
        {
            Abandon();
            throw;
        }

        UnixFolder.Sync(Path.GetDirectoryName(cachePath)!);
        if (holder.Search.NeedsMark)
        {
            // a new database: its cache is refused if a power cut takes its name away
            UnixFolder.Sync(Path.GetDirectoryName(path)!);
        }

        return cache;

        void Abandon()
        {
            holder.Backing!.Keeper = null;
            cache?.Delete();
            cache?.Dispose();
        }
    }

    private Database OpenReadOnly(string path)
    {
        var holder = new FileHolder(Search(path));
        try
        {
            DirectoryFileStore store = OpenFiles(path, holder, readOnly: true);
            store.Claim();
            holder.Cache = holder.Search.Find(store.Facts, options.Region with { ReadOnly = true, PowerSafe = false });
            if (holder.Cache is not { } cache)
            {
                // A clean cache says nothing: plain SQLite may have been there since.
                return new Database(path, new DirectFiles(store), null, holder, isReadOnly: true, drainOnClose: false);
            }

            PCacheOptions settings = CacheOptions(path) with { ReadOnly = true };
            if (!settings.RebindBacking)
            {
                RequireOwnFiles(path, holder.Store!, cache, holder.Search);
            }

            holder.Backing!.HidesJournal = cache.Record is { IsWindow: true };
            PCacheDevice device = PCacheDevice.Open(cache.Region, holder.Backing, settings);
            return new Database(path, new CachedFiles(device), device, holder, isReadOnly: true, drainOnClose: false);
        }
        catch
        {
            holder.Release(drained: false);
            throw;
        }
    }

    private CacheSearch Search(string path) => new(path, options.CacheDirectory);

    private PCacheOptions CacheOptions(string path)
    {
        var settings = new PCacheOptions
        {
            SegmentSizeBytes = options.CacheLengthBytes < SmallCacheBytes ? SmallSegmentBytes : DefaultSegmentBytes,
            Label = "sqlite",
            LoggerFactory = options.LoggerFactory,
        };
        settings = options.ConfigureCache?.Invoke(path, settings) ?? settings;
        return CompositeBacking.Fit(
            settings) with
        {
            ReadOnly = false,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            DrainOnDispose = false,

            // Plain SQLite has to find sound files at any moment, and knows nothing of a journal that isn't its own.
            BackingConsistency = BackingConsistency.EachFlush,
        };
    }
}
