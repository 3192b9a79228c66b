using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Sqlite.Files;
using PCache.Sqlite.Native;

namespace PCache.Sqlite.Databases;

/// <summary>
/// Databases in the file system, with their caches in files.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A database is used only under the exclusive lock of the default VFS on its plain file, taken before anything else is looked at: so neither a plain SQLite nor another
/// process with this VFS is in between. It is given up last.</item>
/// <item>A cache file appears under its name only when it is whole.</item>
/// <item>A cache without dirty data is never used again: plain SQLite may have changed the database since. It is made anew.</item>
/// <item>Who can't read the database can't read its cache.</item>
/// <item>A cache whose database is gone isn't used for a new one of that name.</item>
/// </list>
/// </remarks>
internal sealed class FileDatabaseSource(PCacheVfsOptions options, DefaultVfs defaultVfs) : IDatabaseSource
{
    private const int DefaultSegmentBytes = 1 << 20;
    private const int SmallSegmentBytes = 64 << 10;
    private const long SmallCacheBytes = 32L << 20;

    public bool HasCache(string path) => File.Exists(CachePaths.Of(path, options.CacheDirectory));

    public Database Open(string path, DatabaseMode mode)
    {
        string cachePath = CachePaths.Of(path, options.CacheDirectory);
        bool exists = File.Exists(path);
        if (!exists && File.Exists(cachePath))
        {
            throw new IOException($"'{cachePath}' is the cache of a database that is gone. Put '{path}' back, or delete the cache file and lose what is in it.");
        }

        if (!exists && mode != DatabaseMode.Create)
        {
            throw new FileNotFoundException($"There is no database '{path}'.", path);
        }

        return mode == DatabaseMode.ReadOnly ? OpenReadOnly(path, cachePath) : OpenWritable(path, cachePath);
    }

    private Database OpenWritable(string path, string cachePath)
    {
        var holder = new Holder(cachePath);
        try
        {
            holder.Guard = defaultVfs.LockFile(path);
            var backing = new CompositeBacking(new DirectoryFileStore(path, readOnly: false));
            holder.Backing = backing;
            PCacheDevice device = OpenCache(path, cachePath, holder, backing);
            try
            {
                return new Database(path, new CachedFiles(device), device, holder, isReadOnly: false, options.DrainOnClose);
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

    private PCacheDevice OpenCache(string path, string cachePath, Holder holder, CompositeBacking backing)
    {
        if (File.Exists(cachePath))
        {
            holder.Region = PmemFile.Open(cachePath, options.Region);
            if (!CacheImage.ReadStatus(holder.Region).IsClean)
            {
                return PCacheDevice.Open(holder.Region, backing, CacheOptions(path)); // refuses plain files that were changed meanwhile
            }

            holder.Region.Dispose();
            holder.Region = null;
            File.Delete(cachePath);
        }

        CreateCache(path, cachePath, backing);
        holder.Region = PmemFile.Open(cachePath, options.Region);
        return PCacheDevice.Open(holder.Region, backing, CacheOptions(path));
    }

    private void CreateCache(string path, string cachePath, CompositeBacking backing)
    {
        string newPath = Path.ChangeExtension(cachePath, CachePaths.NewExtension);
        File.Delete(newPath); // of a creation that was killed
        try
        {
            using (PmemRegion region = PmemFile.Create(newPath, options.CacheLengthBytes, options.Region))
            {
                FileModes.Copy(path, newPath);
                PCacheDevice.Create(region, backing, CacheOptions(path)).Dispose();
            }

            File.Move(newPath, cachePath);
        }
        catch (UnauthorizedAccessException e)
        {
            // Not the database's own trouble: without this it would be opened without a cache, and nobody would know.
            throw new IOException($"The cache file '{newPath}' can't be made. Give PCacheVfsOptions.CacheDirectory a folder that can be written.", e);
        }
        catch
        {
            File.Delete(newPath);
            throw;
        }

        UnixFolder.Sync(Path.GetDirectoryName(cachePath)!);
        if (options.CacheDirectory is not null)
        {
            UnixFolder.Sync(Path.GetDirectoryName(path)!); // a new database: its cache is refused if a power cut takes its name away
        }
    }

    private Database OpenReadOnly(string path, string cachePath)
    {
        var holder = new Holder(cachePath);
        try
        {
            var backing = new CompositeBacking(new DirectoryFileStore(path, readOnly: true)) { CanWrite = false };
            holder.Backing = backing;
            holder.Region = PmemFile.Open(cachePath, options.Region with { ReadOnly = true, PowerSafe = false });
            PCacheDevice device = PCacheDevice.Open(holder.Region, backing, CacheOptions(path) with { ReadOnly = true });
            return new Database(path, new CachedFiles(device), device, holder, isReadOnly: true, drainOnClose: false);
        }
        catch
        {
            holder.Release(drained: false);
            throw;
        }
    }

    private PCacheOptions CacheOptions(string path)
    {
        var settings = new PCacheOptions
        {
            SegmentSizeBytes = options.CacheLengthBytes < SmallCacheBytes ? SmallSegmentBytes : DefaultSegmentBytes,
            Label = "sqlite",
        };
        settings = options.ConfigureCache?.Invoke(path, settings) ?? settings;
        return settings with { ReadOnly = false, LeaveRegionOpen = true, LeaveBackingOpen = true, DrainOnDispose = false };
    }

    /// <summary>Region, plain files and lock of a database.</summary>
    private sealed class Holder(string cachePath) : IDatabaseHolder
    {
        public PmemRegion? Region { get; set; }

        public CompositeBacking? Backing { get; set; }

        public IDisposable? Guard { get; set; }

        public void LeaveDirty() => Backing!.KeepsExactLengths = true;

        public void Release(bool drained)
        {
            try
            {
                try
                {
                    // On Unix while region and plain files still are open and locked: afterwards, another process may have a new cache under this name.
                    if (drained && !OperatingSystem.IsWindows())
                    {
                        File.Delete(cachePath);
                    }
                }
                finally
                {
                    Region?.Dispose();
                }

                if (drained && OperatingSystem.IsWindows())
                {
                    File.Delete(cachePath);
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
}
