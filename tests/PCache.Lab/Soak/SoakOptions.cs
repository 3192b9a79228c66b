using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Lab.Soak;

/// <summary>What the cache of a soak lies on.</summary>
internal enum SoakRegion
{
    /// <summary>Memory, where a drain is a fence.</summary>
    Memory,

    /// <summary>Memory whose drains are the flushes' business alone, as with msync.</summary>
    MemoryDrainedByFlushes,

    /// <summary>An ordinary file.</summary>
    PageCache,

    /// <summary>An ordinary file with msync.</summary>
    PowerSafe,

    /// <summary>A file that is taken for persistent memory.</summary>
    Assumed,
}

/// <summary>Settings of a soak. Immutable.</summary>
internal sealed record SoakOptions
{
    public int Seed { get; init; } = 1;

    /// <summary>How long the threads run; what is checked afterwards comes on top.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Most writes that are watched; the run ends when they are used up. About 50 bytes of memory each.
    /// </summary>
    public int MaxWrites { get; init; } = 400_000;

    /// <summary>Threads that write the shared sectors.</summary>
    public int Writers { get; init; } = 3;

    /// <summary>Threads that read them.</summary>
    public int Readers { get; init; } = 3;

    /// <summary>Threads with a range of their own, in which every byte is known.</summary>
    public int Lanes { get; init; } = 2;

    /// <summary>Segments of 64 KiB; 5 are hardly more than the log needs, so that the cache is always full.</summary>
    public int Segments { get; init; } = 6;

    public bool PayloadCrc { get; init; } = true;

    public SoakRegion Region { get; init; }

    /// <summary>Block size of the backing.</summary>
    public int BlockSize { get; init; } = 1;

    /// <summary>Whether the device grows while it runs.</summary>
    public bool Growth { get; init; } = true;

    /// <summary>Whether it also shrinks.</summary>
    public bool Shrink { get; init; }

    /// <summary>Whether the lanes discard before they write.</summary>
    public bool Discard { get; init; }

    /// <summary>One call of the backing in this many fails; 0: none.</summary>
    public int FailEvery { get; init; }

    /// <summary>Percentage of operations that are asynchronous; of those some are cancelled.</summary>
    public int AsyncPercent { get; init; } = 40;

    /// <summary>
    /// Whether the process is "killed" at random moments: what it would leave is opened and checked while the threads
    /// go on.
    /// </summary>
    public bool Kills { get; init; } = true;

    /// <summary>Where files go, for regions that are files; null: a temporary directory.</summary>
    public string? Directory { get; init; }

    /// <summary>No operation ended for this long: the run hangs.</summary>
    public TimeSpan HangLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Called now and then with what has happened so far.</summary>
    public Action<SoakReport>? OnProgress { get; init; }
}

/// <summary>What a soak did.</summary>
internal sealed record SoakReport
{
    public long Writes { get; init; }

    public long Reads { get; init; }

    public long LaneOperations { get; init; }

    public long Flushes { get; init; }

    public long Drains { get; init; }

    public long LengthChanges { get; init; }

    public long Kills { get; init; }

    public long Failures { get; init; }

    public long Cancelled { get; init; }

    public long SpaceWaits { get; init; }

    public long SegmentsReclaimed { get; init; }

    public long WritebackBytes { get; init; }
}

/// <summary>The region of a soak, and what it lies on.</summary>
internal sealed class SoakPlace : IDisposable
{
    private readonly string? _folder;
    private readonly string? _path;
    private readonly SoakOptions _options;
    private readonly WorldGate _gate;
    private readonly long _length;
    private PmemRegion _inner;

    public SoakPlace(SoakOptions options, WorldGate gate, long length)
    {
        _options = options;
        _gate = gate;
        _length = length;
        if (options.Region is not (SoakRegion.Memory or SoakRegion.MemoryDrainedByFlushes))
        {
            _folder = Path.Combine(options.Directory ?? Path.GetTempPath(), "pcache-soak-" + Path.GetRandomFileName());
            Directory.CreateDirectory(_folder);
            _path = Path.Combine(_folder, "cache");
        }

        _inner = Open();
        Region = Wrap();
    }

    public StoppableRegion Region { get; private set; }

    /// <summary>Closes and opens the file again; memory stays as it is.</summary>
    public void Reopen()
    {
        if (_path is not null)
        {
            _inner.Dispose();
            _inner = Open();
            Region = Wrap();
        }
    }

    public void Dispose()
    {
        _inner.Dispose();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private PmemRegion Open() => _options.Region switch
    {
        SoakRegion.PageCache => PmemFile.OpenOrCreate(_path!, _length),
        SoakRegion.PowerSafe => PmemFile.OpenOrCreate(_path!, _length, new PmemFileOptions { PowerSafe = true }),
        SoakRegion.Assumed => PmemFile.OpenOrCreate(_path!, _length,
            new PmemFileOptions { Persistence = Persistence.Assumed }),
        _ => PmemMemory.Allocate(_length),
    };

    private StoppableRegion Wrap() =>
        new(_inner, _gate, _options.Region == SoakRegion.MemoryDrainedByFlushes ? false : null);
}
