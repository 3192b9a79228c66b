using PCache.Core.Files;

namespace PCache.Core.Engine;

/// <summary>
/// Watching what the cache stands on. Keeps true: the backing is at least as long as the device at every moment (a growth lengthens the backing first, a truncation publishes
/// the shorter length first), so a shorter one is somebody else's doing, and a failure, never an end behind which zeros lie; a backing that isn't the file under its name any more is written by nobody,
/// so that what is dirty stays in the cache; whatever is found is found anew each time, so all goes on by itself once the storage is whole again.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>A flush has the files looked at when the last look is as old as this.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private int _lengthChanges;
    private long _storageLookedAt;
    private volatile PCacheStorageChangedException? _backingChange;
    private volatile PCacheStorageChangedException? _cacheFileChange;

    /// <summary>Whether the last look found something wrong.</summary>
    private bool StorageIsInTrouble => _backingChange is not null || _cacheFileChange is not null;

    /// <summary>Whether it is time for another look.</summary>
    private bool StorageLookIsDue => _clock.GetElapsedTime(Volatile.Read(ref _storageLookedAt)) >= LookEvery;

    /// <summary>Publishes a length: of a growth after the backing has it, of a truncation before it is cut.</summary>
    private void ChangeLength(long length)
    {
        Volatile.Write(ref _length, length);
        Interlocked.Increment(ref _lengthChanges);
    }

    /// <summary>The backing's length, which is at least the device's.</summary>
    /// <exception cref="PCacheStorageChangedException">It is shorter.</exception>
    private long CheckBackingLength() => FindShorterBacking(out long length) is { } change ? throw Note(change) : length;

    /// <summary>Throws if the backing is shorter, or isn't the file under its name any more.</summary>
    private void CheckBacking()
    {
        if ((FindOtherBacking() ?? FindShorterBacking(out _)) is { } change)
        {
            throw Note(change);
        }

        Forget();
    }

    /// <summary>Looks at backing and cache file; what is found shows in the state.</summary>
    /// <returns>What is wrong: of the backing first; null: nothing.</returns>
    private PCacheStorageChangedException? LookAtStorage()
    {
        Volatile.Write(ref _storageLookedAt, _clock.GetTimestamp());
        (PCacheStorageChangedException? backingBefore, PCacheStorageChangedException? fileBefore) = (_backingChange, _cacheFileChange);
        Refresh();
        if ((_backingChange is null) != (backingBefore is null) || (_cacheFileChange is null) != (fileBefore is null))
        {
            _monitor.LookSoon();
        }

        return _backingChange ?? _cacheFileChange;
    }

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

    /// <summary>What was found wrong is looked at anew before the state tells it.</summary>
    private void RefreshStorageTrouble()
    {
        if (StorageIsInTrouble)
        {
            Refresh();
        }
    }

    /// <summary>Before a drain: one that can't get anywhere fails at once. What the cache's own file has become keeps nobody from saving what is in it.</summary>
    private void CheckBeforeDrain()
    {
        LookAtStorage();
        if (_backingChange is { } change)
        {
            throw change;
        }
    }

    private void CheckAfterDrain()
    {
        if (LookAtStorage() is { } change)
        {
            throw change;
        }
    }

    /// <summary>Takes what the backing gave for a miss. False: the device's length has changed meanwhile, look again.</summary>
    private bool IsWhole(MissOperation miss, int bytes)
    {
        miss.SetRead(bytes);
        if (bytes >= miss.ExpectedBytes)
        {
            return true;
        }

        if (miss.LengthChanges != Volatile.Read(ref _lengthChanges))
        {
            return false;
        }

        CheckBackingLength();
        long end = miss.ReadOffset + miss.ExpectedBytes;
        throw Note(Shorter($"Of the bytes {miss.ReadOffset} to {end - 1} the backing returned {bytes}, although it is meant to have {Length} in all."));
    }

    private PCacheStorageChangedException? FindShorterBacking(out long length)
    {
        while (true)
        {
            int changes = Volatile.Read(ref _lengthChanges);
            long wanted = Length;
            length = _backing.Length;
            if (length >= wanted)
            {
                return null;
            }

            // The two were read one after the other: a truncation may have come in between.
            if (changes == Volatile.Read(ref _lengthChanges))
            {
                return Shorter($"The backing has {length} bytes, the device {wanted}: somebody else has cut it.");
            }
        }
    }

    private PCacheStorageChangedException Shorter(string what) =>
        new(StorageChange.Shorter, isCacheFile: false, BackingPath, $"{what} Nothing dirty is lost: it stays in the cache and is written back once the backing is whole again.");

    private string? BackingPath => (_backing as IBackingFile)?.FilePath;

    private PCacheStorageChangedException? FindOtherBacking() =>
        _backing is not IBackingFile file || file.LookAtFile() is var change && change == StorageChange.None ? null
        : new(
            change,
            isCacheFile: false,
            file.FilePath,
            $"The backing is no longer {Named(file.FilePath)}: {Told(change)}. Nothing more is written to it, and what is dirty stays in the cache; put it back under its name, or close the cache and open it with the right backing.");

    private PCacheStorageChangedException? FindOtherCacheFile() =>
        _region.LookAtFile() is var change && change == StorageChange.None ? null
        : new(
            change,
            isCacheFile: true,
            _region.WatchedPath,
            change == StorageChange.Shorter
                ? $"The cache file {Named(_region.WatchedPath)} has become shorter: somebody else has cut it. Drain what is dirty and close the cache: an access to what is missing ends the process."
                : $"The cache file is no longer {Named(_region.WatchedPath)}: {Told(change)}. It goes with the close, and all that is dirty in it: drain it, or put it back under its name.");

    private static string Named(string? path) => path is null ? "under any name" : $"\"{SafeText.Of(path)}\"";

    private static string Told(StorageChange change) => change == StorageChange.Replaced ? "another file is there now" : "nothing is there now";

    /// <summary>At the end of a close: whoever closes the cache learns of it too.</summary>
    private void CheckAtClose()
    {
        if (LookAtStorage() is { } change)
        {
            throw change;
        }
    }

    /// <summary>The same for another caller.</summary>
    private static PCacheStorageChangedException Again(PCacheStorageChangedException change) => new(change.Change, change.IsCacheFile, change.Path, change.Message);

    private PCacheStorageChangedException Note(PCacheStorageChangedException change)
    {
        if (_backingChange is null)
        {
            _backingChange = change;
            _monitor.LookSoon();
        }

        return change;
    }

    private void Forget()
    {
        if (_backingChange is not null)
        {
            _backingChange = null;
            _monitor.LookSoon();
        }
    }
}
