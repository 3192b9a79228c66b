using System.Globalization;
using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// A machine: a disk, and if the test wants it a cache in front of it, with a clock of its own. Keeps true: every
/// call that can change what a crash leaves announces itself before, as a crash point; a test that starts the same
/// machine and makes the same calls sees the same points; no two machines of one history draw the same random
/// numbers.
/// </summary>
internal sealed class CrashMachine
{
    /// <summary>What happens at the last crash point.</summary>
    public const string TheEnd = "the end";

    private const string DrainOfCache = "a drain of the cache";
    private const string FlushOfDisk = "flush";
    private const int FirstSeed = 1; // a key has to hold for other seeds of the test too

    private readonly CrashTest _test;
    private readonly VirtualClock _clock = new();
    private readonly SimulatedDisk _disk;
    private readonly SimulatedPmem? _pmem;
    private readonly int _seed;
    private readonly Chance _chance;
    private PCacheDevice? _cache;

    public CrashMachine(CrashTest test)
        : this(
            test,
            new SimulatedDisk(
                test.DiskLength, new SimulatedDiskOptions { BlockSize = test.BlockSize, CanResize = test.CanResize }),
            MakePmem(test),
            FirstSeed)
    {
        if (_pmem is not null)
        {
            using PCacheDevice cache = PCacheDevice.Create(_pmem, _disk, CacheOptions);
        }
    }

    private CrashMachine(CrashTest test, SimulatedDisk disk, SimulatedPmem? pmem, int seed)
    {
        _seed = seed;
        _chance = Chance.FromSeed(seed, cores: 2);
        _test = test;
        _disk = disk;
        _pmem = pmem;
    }

    /// <summary>What happened here.</summary>
    public CrashTrace Trace { get; } = new();

    /// <summary>Crash points so far.</summary>
    public int Points { get; private set; }

    /// <summary>Called at each crash point with its number and what is about to happen.</summary>
    public Action<int, string>? AtPoint { get; set; }

    /// <summary>What callers did wrong with the disk.</summary>
    public IReadOnlyList<string> Violations => _disk.Violations;

    private PCacheOptions CacheOptions => MachineClock.On(_test.CacheOptions with
    {
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = _clock,
        LeaveRegionOpen = true,
        LeaveBackingOpen = true,
        WritebackConcurrency = 1,
        OverwriteExisting = false,
        ReadOnly = false,
    }, new Machine { Chance = _chance });

    /// <summary>A region for the machines of a test; null if it has no cache.</summary>
    public static SimulatedPmem? MakePmem(CrashTest test) =>
        test.Target == CrashTestTarget.Cache ? SimulatedPmem.Allocate(test.CacheLength) : null;

    /// <summary>Runs something without crash points, and makes all of it durable.</summary>
    public void Prepare(Action<IBlockDevice> setup)
    {
        _cache = _pmem is null ? null : PCacheDevice.Open(_pmem, _disk, CacheOptions);
        setup(new CrashDevice(_cache ?? (IBlockDevice)_disk, this, null));
        Close();
        _cache = null;
        _disk.Flush();
    }

    /// <summary>
    /// The device for the application: the cache, or else the disk. From here on there are crash points.
    /// </summary>
    public IBlockDevice Start()
    {
        _disk.BeforeCall = call =>
        {
            if (call.Operation != DiskOperation.Read)
            {
                Announce($"{(_pmem is null ? "" : "disk: ")}{Describe(call)}");
            }
        };
        if (_pmem is null)
        {
            return _disk;
        }

        _pmem.BeforeEvent = what =>
        {
            if (what == PmemEvent.Store)
            {
                Announce("a store into the cache");
                Trace.AddStore();
            }
            else if (what == PmemEvent.Drain)
            {
                Announce(DrainOfCache);
                Trace.AddDrain();
            }
        };
        return _cache = PCacheDevice.Open(_pmem, _disk, CacheOptions);
    }

    /// <summary>
    /// Whether what happens next makes something durable: the last moment at which all that came before it is open.
    /// </summary>
    public static bool IsBarrier(string what) => what is TheEnd or DrainOfCache
        || what.EndsWith(FlushOfDisk, StringComparison.Ordinal) || what.EndsWith(" FUA", StringComparison.Ordinal);

    /// <summary>After each call of the application: time goes on, and the cache does its work.</summary>
    public void Breathe()
    {
        if (_cache is null)
        {
            return;
        }

        _clock.Advance(_test.TimePerCall);
        for (int step = 0; step < 1000 && _cache.RunMaintenanceStep() == TimeSpan.Zero; step++)
        {
        }
    }

    /// <summary>The last crash point, when all is done; no more after it.</summary>
    public void End()
    {
        Announce(TheEnd);
        _disk.BeforeCall = null;
        _pmem?.BeforeEvent = null;
    }

    /// <summary>Closes the cache in good order.</summary>
    public void Close() => _cache?.Dispose();

    /// <summary>Releases the memory; nothing can be asked any more but the number of points and the trace.</summary>
    public void Release() => _pmem?.Dispose();

    /// <summary>How many versions each open item has: words, then sectors, then the length.</summary>
    public int[] OpenItems()
    {
        var counts = new List<int>();
        if (_pmem is not null)
        {
            foreach (ref readonly OpenWord word in _pmem.Open.All)
            {
                counts.Add(word.Count);
            }
        }

        counts.AddRange(_disk.OpenSectorVersions.Select(open => open.Versions));
        if (_disk.OpenLengths > 0)
        {
            counts.Add(_disk.OpenLengths);
        }

        return [.. counts];
    }

    /// <summary>The machine that a crash at this moment leaves.</summary>
    /// <param name="choice">What is left.</param>
    /// <param name="pmem">A region that the new machine may use; its content is lost.</param>
    /// <param name="settled">After a kill: whether all that it left is durable, as if it had been flushed before it
    /// was read.</param>
    public CrashMachine After(CrashChoice choice, SimulatedPmem? pmem, bool settled = false)
    {
        int seed = unchecked((_seed * 31) + Points); // another one for each life
        if (choice.IsKill)
        {
            pmem?.LoadKill(_pmem!);
            SimulatedDisk left = _disk.AfterKill();
            if (settled)
            {
                left.Flush();
                pmem?.FlushRange(0, pmem.LengthBytes);
                pmem?.Drain();
            }

            return new CrashMachine(_test, left, pmem, seed);
        }

        int words = _pmem?.OpenWordCount ?? 0;
        pmem?.LoadPowerCut(_pmem!, choice.Versions.AsSpan(0, words));
        int lengths = _disk.OpenLengths;
        int kept = lengths == 0 || choice.Versions[^1] == 0 ? 0 : lengths - choice.Versions[^1] + 1;
        int sectors = choice.Versions.Length - words - (lengths > 0 ? 1 : 0);
        SimulatedDisk disk = _disk.AfterPowerCut(choice.Versions.AsSpan(words, sectors), kept);
        return new CrashMachine(_test, disk, pmem, seed);
    }

    /// <summary>Says in words what a crash at this moment leaves.</summary>
    public IReadOnlyList<string> Describe(CrashChoice choice)
    {
        const int MostLines = 24;
        if (choice.IsKill)
        {
            return ["every call that was made; what wasn't flushed may still be lost later"];
        }

        string[] names = ItemNames();
        bool fromAll = choice.Lost <= choice.Kept;
        if (names.Length == 0)
        {
            return ["nothing was undecided"];
        }

        var lines = new List<string> { $"of {names.Length} undecided items all are "
            + $"{(fromAll ? "kept" : "lost")}{(choice.Size == 0 ? "" : " but:")}" };
        foreach ((int index, int version) in
            choice.Versions.Index().Where(item => item.Item != (fromAll ? 1 : 0)).Take(MostLines))
        {
            string which = version == 0 ? "lost"
                : version == 1 ? "kept"
                : $"the version {version - 1} before the newest";
            lines.Add($"{names[index]}: {which}");
        }

        return lines;
    }

    private string[] ItemNames()
    {
        var names = new List<string>();
        if (_pmem is not null)
        {
            foreach (ref readonly OpenWord word in _pmem.Open.All)
            {
                names.Add(string.Create(CultureInfo.InvariantCulture, $"cache, word at {word.Word * 8L}"));
            }
        }

        names.AddRange(
            _disk.OpenSectorVersions.Select(
                open => string.Create(
                    CultureInfo.InvariantCulture, $"disk, sector at {open.Sector * DiskState.SectorBytes}")));
        if (_disk.OpenLengths > 0)
        {
            names.Add("disk, changes of length");
        }

        return [.. names];
    }

    private static string Describe(DiskCall call) => call.Operation switch
    {
        DiskOperation.Flush => FlushOfDisk,
        DiskOperation.SetLength => string.Create(CultureInfo.InvariantCulture, $"set length {call.Offset}"),
        _ => string.Create(CultureInfo.InvariantCulture,
            $"{call.Operation} {call.Offset}+{call.LengthBytes}{CrashDevice.Fua(call.Durability)}"),
    };

    private void Announce(string what)
    {
        int point = Points++;
        AtPoint?.Invoke(point, what);
        if (_pmem is not null && what.StartsWith("disk: ", StringComparison.Ordinal))
        {
            Trace.Add("    " + what);
        }
    }
}
