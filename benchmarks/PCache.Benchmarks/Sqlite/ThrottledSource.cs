// Keeps true: with a cache or without one, the same plain files of the same slowness are behind the same VFS.
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Recognition;

namespace PCache.Benchmarks.Sqlite;

/// <summary>Databases on throttled files.</summary>
internal sealed class ThrottledSource(bool cached, TimeSpan perCall, TimeSpan perSync) : IDatabaseSource
{
    private const long CacheBytes = 64 << 20;

    public bool HasCache(string path) => false;

    public Database Open(string path, DatabaseMode mode)
    {
        var store = new ThrottledFileStore(new DirectoryFileStore(path, readOnly: false), perCall, perSync);
        store.Create(FileSlot.Main);
        if (!cached)
        {
            return new Database(path, new DirectFiles(store), device: null, new Holder(store, null), isReadOnly: false,
                drainOnClose: false);
        }

        PmemRegion region = PmemFile.Create(path + ".pcache", CacheBytes);
        PCacheOptions options = CompositeBacking.Fit(
            new() { SegmentSizeBytes = 1 << 20, LeaveRegionOpen = true, LeaveBackingOpen = true });
        var backing = new CompositeBacking(store);
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        backing.Keeper = new RecordKeeper(region, store, device.GetStatus().CacheId, path, lastSequence: 0);
        return new Database(path, new CachedFiles(device), device, new Holder(store, region), isReadOnly: false,
            drainOnClose: false);
    }

    private sealed class Holder(IFileStore store, PmemRegion? region) : IDatabaseHolder
    {
        public void Release(bool drained)
        {
            region?.Dispose();
            store.Dispose();
        }
    }
}
