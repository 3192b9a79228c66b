using PCache.Core.Ksets;
using PCache.Core.Opening;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Store;
using PCache.Core.Upkeep;
using PCache.Core.Writeback;

namespace PCache.Core.Engine;

/// <summary>
/// What only a writable device has: the writer's half of the store, the maintenance, and the paths that change
/// something. Composes them; each has its own state. Any thread.
/// </summary>
internal sealed class WritableHalf : IUpkeepView
{
    private readonly EngineParts _parts;
    private readonly UpkeepParts _upkeep;
    private readonly Maintenance _maintenance;
    private readonly DeviceRecords _records;
    private readonly FillingMisses _misses;

    /// <param name="parts">What every device has.</param>
    /// <param name="found">What the open found.</param>
    public WritableHalf(EngineParts parts, RecoveredCache found)
    {
        _parts = parts;
        ExtentStore store = parts.Store;
        PCacheOptions options = parts.Options;
        WorkSignal work = found.Work;
        SegmentTable segments = store.Segments;
        LogPositions positions = store.Positions;

        _records = new DeviceRecords(store, found.BackingRecord, found.BackingRecordReplicas);
        var alarm = new SegmentAlarm(segments, _records, options.WritebackDelay, work);
        var room = new LogRoom(segments.DataSize, positions.KeyHead.Position.Offset, found.ReservedSegments);
        var log = new LogWriter(
            store.Region, segments, positions, store.Index.Locks, found.LastSequence, store.Length, room, work,
            options.TimeProvider);
        var heads = new DataHeads(
            store.Region, segments, room, Machine.Of(options.TimeProvider).Chance, alarm.SegmentOpened);
        Writer = new ExtentWriter(store, log, heads);
        _misses = new FillingMisses(store, Writer, options.CacheReads);

        var watch = new GroupWatch(parts.Storage, _records, parts.Backing.CanResize, options.TimeProvider);
        var writeback = new WritebackWorker(
            new WritebackParts(
                store.Region, store.Media, segments, positions, store.Index, log, store.Damage, store.Dirty),
            parts.Backing,
            options,
            watch,
            found.Checkpoints!);
        writeback.Recent.Restore(found.RecentPlaces);
        _upkeep = new UpkeepParts
        {
            Store = store,
            Writer = Writer,
            Writeback = writeback,
            Collector = new GarbageCollector(store.Region, store.Media, segments, positions, log, store.Index),
            Discards = new DiscardForwarder(store, Writer.Discards, _records, writeback.Recent, parts.Backing),
            Space = parts.Space,
            Storage = parts.Storage,
            Alarm = alarm,
            Work = work,
            Gate = parts.Gate,
            Monitor = parts.Monitor,
            Diagnostics = parts.Diagnostics,
            Options = options,
            HasDeadKeys = parts.Report.DeadKeys > 0,
        };
        _maintenance = new Maintenance(_upkeep);

        var rooms = new RoomWait(
            parts.Space, _maintenance, parts.Gate, work, store.Counters, parts.Diagnostics, options);
        BackingReads = new BackingReads(store, _misses, parts.Backing, parts.Storage, parts.Diagnostics);
        var pieces = new PieceWriter(store, Writer);
        var waiting = new WaitingWrites(store, pieces, BackingReads, parts.Space, rooms, parts.Diagnostics);
        Length = new DeviceLength(
            _upkeep, _maintenance, _records, new LoggedGrowth(store, Writer, parts.Space, rooms, waiting),
            parts.Backing);
        Flushes = new FlushPath(_upkeep);
        Drains = new DrainPath(_upkeep, _maintenance, Flushes);
        var shared = new WriteParts(store, Writer, parts.Space, parts.Gate, work, Length, Flushes);
        Writes = new WritePath(shared, new DirectWriter(store, Writer), waiting);
        Zeros = new ZeroPath(shared, Writes);
        Batches = new BatchPath(
            shared, new GroupWriter(store, Writer), Writes,
            new AtomicPath(
                shared, new AtomicWriter(store, Writer, pieces), BackingReads, rooms, parts.Diagnostics));
        Discards = new DiscardPath(shared, parts.Backing);
        Control = new DeviceControl(parts, _upkeep, _maintenance, _records, _misses);
        Saving = new SavingSteps(
            _upkeep,
            _maintenance,
            Drains,
            new ClosingFingerprint(_upkeep, _maintenance, Length, _records, parts.Backing));
    }

    /// <summary>The writer's half of the store.</summary>
    public ExtentWriter Writer { get; }

    /// <summary>Single writes.</summary>
    public WritePath Writes { get; }

    /// <summary>Writes of zeros.</summary>
    public ZeroPath Zeros { get; }

    /// <summary>Batches of writes.</summary>
    public BatchPath Batches { get; }

    /// <summary>Flushes.</summary>
    public FlushPath Flushes { get; }

    /// <summary>Discards.</summary>
    public DiscardPath Discards { get; }

    /// <summary>Changes of length.</summary>
    public DeviceLength Length { get; }

    /// <summary>Drains.</summary>
    public DrainPath Drains { get; }

    /// <summary>Reads of the backing that fill the cache.</summary>
    public BackingReads BackingReads { get; }

    /// <summary>What a close does.</summary>
    public ICloseSteps Saving { get; }

    /// <summary>Changes of settings.</summary>
    public DeviceControl Control { get; }

    /// <summary>How much of the segments may be in use before write-back and collection begin, in percent.</summary>
    public int GcPercent => _records.GcPercent;

    /// <inheritdoc/>
    public bool IsPaused => _maintenance.Paused;

    /// <inheritdoc/>
    public Exception? Error => _maintenance.Trouble.Error;

    /// <inheritdoc/>
    public int Failures => _maintenance.Trouble.Failures;

    /// <inheritdoc/>
    public Exception? LogDamage => _maintenance.Trouble.LogDamage;

    /// <inheritdoc/>
    public Exception? MediumError => Flushes.MediumError;

    /// <inheritdoc/>
    public bool ReadsAreNotCached => !_misses.MayFill;

    /// <inheritdoc/>
    public AtomicLimits AtomicLimits => Batches.Atomic.Limits;

    /// <inheritdoc/>
    public int PendingKeys => Writer.Log.PendingCount;

    /// <inheritdoc/>
    public long WrittenBytes => _upkeep.Writeback.WrittenBytes;

    /// <inheritdoc/>
    public long SegmentsReclaimed => _upkeep.Collector.Reclaimed;

    /// <inheritdoc/>
    public BackingConsistency Consistency => _upkeep.Writeback.Level;

    /// <inheritdoc/>
    public string? JournalName => _upkeep.Writeback.Journal?.Place.Name;

    /// <summary>For tests: flushes that write-back has made itself.</summary>
    public long ForcedBarriers => _upkeep.Writeback.ForcedBarriers;

    /// <inheritdoc/>
    public FlushMark LastFlush => Writer.Log.Marks.Last;

    /// <inheritdoc/>
    public FlushMark FlushOnBacking => _upkeep.Writeback.Passed;

    /// <inheritdoc/>
    public WritebackStall Stall(bool dirty, out Exception? error) => _maintenance.Stall(dirty, out error);

    /// <summary>Starts the background thread, where the device has one.</summary>
    public void Start() => _maintenance.Start();

    /// <summary>By hand: runs one maintenance step. Returns when the next one is wanted.</summary>
    public TimeSpan RunMaintenanceStep()
    {
        int token = _parts.Gate.Enter();
        try
        {
            _maintenance.ThrowIfInsideStep(blocking: true);
            return _maintenance.IsManual
                ? _maintenance.StepGuarded()
                : throw new InvalidOperationException(
                    "The device has a maintenance thread of its own (see PCacheOptions.Maintenance).");
        }
        finally
        {
            _parts.Gate.Exit(token);
        }
    }
}
