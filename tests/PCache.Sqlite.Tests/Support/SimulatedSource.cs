using PCache.Core;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Recognition;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Support;

/// <summary>
/// Databases on simulated memory in front of simulated files. Keeps true: nothing outlives what it was given;
/// maintenance runs on the test's thread only.
/// </summary>
internal sealed class SimulatedSource : IDatabaseSource
{
    private readonly Dictionary<string, (SimulatedPmem Region, SimulatedFileStore Store)> _media = [];

    /// <summary>A mistake in all databases.</summary>
    public CachedFilesDefect Defect { get; set; }

    /// <summary>Whether order alone is kept, without the flushes that the plain files need.</summary>
    public bool IsSequential { get; init; }

    /// <summary>Whether plain files are written in windows.</summary>
    public bool Windows { get; set; }

    /// <summary>A mistake in all windows.</summary>
    public WindowDefect WindowDefect { get; set; }

    /// <summary>Behind the database that was opened last.</summary>
    public CompositeBacking? LastBacking { get; private set; }

    public VirtualClock Clock { get; } = new();

    public void Add(string path, SimulatedPmem region, SimulatedFileStore store) =>
        _media.Add(Path.GetFullPath(path), (region, store));

    /// <summary>Forgets all media.</summary>
    public void Clear() => _media.Clear();

    public bool HasCache(string path) => _media.ContainsKey(path);

    public Database Open(string path, DatabaseMode mode)
    {
        if (!_media.TryGetValue(path, out (SimulatedPmem Region, SimulatedFileStore Store) media))
        {
            throw new FileNotFoundException("Not simulated.", path);
        }

        var options = new PCacheOptions
        {
            SegmentSizeBytes = 64 << 10,
            PayloadCrc = true,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = Clock,
            WritebackDelay = TimeSpan.FromMilliseconds(1),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        var backing = new CompositeBacking(media.Store) { TakesWindows = Windows, Defect = WindowDefect };
        LastBacking = backing;
        if (FilesRecord.TryRead(media.Region) is { } record)
        {
            // whatever a power cut leaves is never taken for another program's work
            Comparison.Require(record, media.Store, path, "simulated", mayBeCopied: false);
            if (record.IsWindow)
            {
                WindowJournal.TakeBack(media.Store);
            }

            backing.RedoTo = record.RedoTo;
            backing.Keeper = new RecordKeeper(
                media.Region, media.Store, record.CacheId, path, record.Sequence, record.RedoTo);
        }

        PCacheDevice device = PCacheDevice.OpenOrCreate(media.Region, backing, CompositeBacking.Fit(options));
        backing.Keeper ??= new RecordKeeper(media.Region, media.Store, device.GetStatus().CacheId, path,
            lastSequence: 0);
        return new Database(
            path, new CachedFiles(device, IsSequential, Defect), device, new NoHolder(), isReadOnly: false,
            drainOnClose: false);
    }

    private sealed class NoHolder : IDatabaseHolder
    {
        public void Release(bool drained)
        {
        }
    }
}
