using PCache.Core.Diagnostics;
using PCache.Core.Files;
using PCache.Core.Pmem;
using PCache.Core.Store;

namespace PCache.Core.Upkeep;

/// <summary>
/// Watches what the cache stands on. Keeps true: the backing is at least as long as it was made, or found, as far as
/// the device reaches (write-back makes it longer, and says so; a truncation publishes the shorter length first), so a
/// shorter one was cut from outside, and is a failure, never an end behind which zeros lie; a backing that isn't the
/// file under its name any more isn't written, so that what is dirty stays in the cache; whatever is found is found
/// anew each time, so all goes on by itself once the storage is whole again. Any thread.
/// </summary>
internal sealed class StorageWatch(
    PmemRegion region, IBlockDevice backing, ExtentStore store, TimeProvider clock, StateMonitor monitor)
{
    /// <summary>A flush has the files looked at when the last look is as old as this.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private long _backingEnd = backing.Length;
    private long _lookedAt;
    private volatile PCacheStorageChangedException? _backingChange;
    private volatile PCacheStorageChangedException? _cacheFileChange;

    /// <summary>
    /// How long the backing was made, or found, in bytes: behind that lie zeros, where the device is longer. Changed
    /// by the maintenance, which lengthens the backing, and by a truncation, while the log tells of no length.
    /// </summary>
    public long BackingEnd
    {
        get => Volatile.Read(ref _backingEnd);
        set => Volatile.Write(ref _backingEnd, value);
    }

    /// <summary>How much of the device the backing has to have.</summary>
    public long SharedLength => Math.Min(store.Length, BackingEnd);

    /// <summary>What is wrong with the backing, as far as is known.</summary>
    public PCacheStorageChangedException? BackingChange => _backingChange;

    /// <summary>What is wrong with the cache's own file, as far as is known.</summary>
    public PCacheStorageChangedException? CacheFileChange => _cacheFileChange;

    /// <summary>Whether the last look found something wrong.</summary>
    public bool IsInTrouble => _backingChange is not null || _cacheFileChange is not null;

    /// <summary>Whether it is time for another look.</summary>
    public bool LookIsDue => clock.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= LookEvery;

    private string? BackingPath => (backing as IBackingFile)?.FilePath;

    /// <summary>The backing's length, which is at least what it was made.</summary>
    /// <exception cref="PCacheStorageChangedException">It is shorter.</exception>
    public long CheckLength() => FindShorterBacking(out long length) is { } change ? throw Note(change) : length;

    /// <summary>Throws if the backing is shorter, or isn't the file under its name any more.</summary>
    public void CheckBacking()
    {
        if ((FindOtherBacking() ?? FindShorterBacking(out _)) is { } change)
        {
            throw Note(change);
        }

        if (_backingChange is not null)
        {
            _backingChange = null;
            monitor.LookSoon();
        }
    }

    /// <summary>Looks at backing and cache file; what is found shows in the state.</summary>
    /// <returns>What is wrong: of the backing first; null: nothing.</returns>
    public PCacheStorageChangedException? Look()
    {
        Volatile.Write(ref _lookedAt, clock.GetTimestamp());
        (PCacheStorageChangedException? backingBefore, PCacheStorageChangedException? fileBefore) =
            (_backingChange, _cacheFileChange);
        Refresh();
        if ((_backingChange is null) != (backingBefore is null) || (_cacheFileChange is null) != (fileBefore is null))
        {
            monitor.LookSoon();
        }

        return _backingChange ?? _cacheFileChange;
    }

    /// <summary>What was found wrong is looked at anew, before the state tells it.</summary>
    public void RefreshTrouble()
    {
        if (IsInTrouble)
        {
            Refresh();
        }
    }

    /// <summary>
    /// Before a drain: one that can't get anywhere fails at once. What the cache's own file has become doesn't
    /// prevent saving what is in it.
    /// </summary>
    /// <exception cref="PCacheStorageChangedException">The backing can't be written.</exception>
    public void CheckBeforeDrain()
    {
        Look();
        if (_backingChange is { } change)
        {
            throw change;
        }
    }

    /// <summary>At the end of a drain or a close: its caller learns of whatever is wrong.</summary>
    /// <exception cref="PCacheStorageChangedException">Something is.</exception>
    public void CheckAll()
    {
        if (Look() is { } change)
        {
            throw change;
        }
    }

    /// <summary>The backing gave fewer bytes than it is meant to have.</summary>
    /// <returns>The exception to throw.</returns>
    /// <exception cref="PCacheStorageChangedException">The backing is shorter, by its own account.</exception>
    public PCacheStorageChangedException NoteShortRead(long offset, long end, int bytes)
    {
        CheckLength();
        return Note(Shorter(
            $"Of the bytes {offset} to {end - 1} the backing returned {bytes}, although it is meant to have "
            + $"{SharedLength} in all."));
    }

    /// <summary>The same for another caller.</summary>
    public static PCacheStorageChangedException Again(PCacheStorageChangedException change) =>
        new(change.Change, change.IsCacheFile, change.Path, change.Message);

    private static string Named(string? path) => path is null ? "under any name" : $"\"{SafeText.Of(path)}\"";

    private static string Told(StorageChange change) =>
        change == StorageChange.Replaced ? "another file is there now" : "nothing is there now";

    private void Refresh()
    {
        try
        {
            _backingChange = FindOtherBacking() ?? FindShorterBacking(out _);
            _cacheFileChange = FindOtherCacheFile();
        }
        catch (Exception)
        {
            // Whatever a backing may throw when it is asked: it isn't known to have changed, and what was known stays.
        }
    }

    private PCacheStorageChangedException? FindShorterBacking(out long length)
    {
        while (true)
        {
            int changes = store.LengthChanges;
            long wanted = SharedLength;
            length = backing.Length;
            if (length >= wanted)
            {
                return null;
            }

            // The two were read one after the other: a truncation may have come in between.
            if (changes == store.LengthChanges)
            {
                return Shorter($"The backing has {length} bytes, and had {wanted}: another program has cut it.");
            }
        }
    }

    private PCacheStorageChangedException Shorter(string what) => new(
        StorageChange.Shorter,
        isCacheFile: false,
        BackingPath,
        $"{what} Nothing dirty is lost: it stays in the cache and is written back once the backing is whole again.");

    private PCacheStorageChangedException? FindOtherBacking() =>
        backing is not IBackingFile file || file.LookAtFile() is var change && change == StorageChange.None ? null
        : new(
            change,
            isCacheFile: false,
            file.FilePath,
            $"The backing is no longer {Named(file.FilePath)}: {Told(change)}. Nothing more is written to it, and what "
            + $"is dirty stays in the cache; put it back under its name, or close the cache and open it with the right "
            + $"backing.");

    private PCacheStorageChangedException? FindOtherCacheFile() =>
        region.LookAtFile() is var change && change == StorageChange.None ? null
        : new(
            change,
            isCacheFile: true,
            region.WatchedPath,
            change == StorageChange.Shorter
                ? $"The cache file {Named(region.WatchedPath)} has become shorter: another program has cut it. Drain "
                    + $"what is dirty and close the cache: an access to what is missing ends the process."
                : $"The cache file is no longer {Named(region.WatchedPath)}: {Told(change)}. It goes with the close, "
                    + $"and all that is dirty in it: drain it, or put it back under its name.");

    private PCacheStorageChangedException Note(PCacheStorageChangedException change)
    {
        if (_backingChange is null)
        {
            _backingChange = change;
            monitor.LookSoon();
        }

        return change;
    }
}
