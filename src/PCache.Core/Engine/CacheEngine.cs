using Microsoft.Extensions.ObjectPool;
using PCache.Core.Diagnostics;
using PCache.Core.Gc;
using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Writeback;

namespace PCache.Core.Engine;

/// <summary>
/// The cache at work: composes segments, log, index, write-back and GC into the paths of a block device, one file for each path.
/// </summary>
/// <remarks>
/// Keeps true, over all paths:
/// <list type="bullet">
/// <item>Lock order: length gate, log append lock, shard lock, data head lock, pool lock. The space queue's, the positions' and the discard queue's locks are leaves.</item>
/// <item>No backing I/O and no wait for room under any of these locks but the length gate.</item>
/// <item>An extent enters the index and its key the shard's pending list under one hold of the shard's lock.</item>
/// <item>Payload is stored and flushed before that; it is never overwritten in place afterwards.</item>
/// <item>Bytes of the last sector beyond the device's length are always stored as zeros, so that growth reveals nothing old.</item>
/// </list>
/// </remarks>
internal sealed partial class CacheEngine
{
    private const int SectorSize = MediaConstants.SectorSize;
    private const int StripeSize = MediaConstants.StripeSize;

    /// <summary>Largest piece that one read miss fetches.</summary>
    private const int MaxMissBytes = 1 << 20;

    private readonly PmemRegion _region;
    private readonly IBlockDevice _backing;
    private readonly PCacheOptions _options;
    private readonly TimeProvider _clock;
    private readonly MediaState _media;
    private readonly SegmentTable _segments;
    private readonly ShardedIndex _index;
    private readonly IndexMemory _memory;
    private readonly DamageRegistry _damage;
    private readonly bool _payloadCrc;
    private readonly bool _verifyReads;
    private readonly bool _readOnly;
    private readonly bool _drainIsCheap;
    private readonly bool _persistWrites;

    // What only a writable device has.
    private readonly DataHeads _heads = null!;
    private readonly LogWriter _log = null!;
    private readonly LogPositions _positions;
    private readonly WritebackWorker _writeback = null!;
    private readonly GarbageCollector _collector = null!;
    private readonly Maintenance _maintenance = null!;
    private readonly DiscardQueue _discards = new();
    private readonly DiscardRecord? _record;
    private readonly DirtyCounters _dirty;

    private readonly OperationGate _gate = new();
    private readonly SpaceQueue _space = new();
    private readonly AsyncGate _lengthGate = new();
    private readonly ObjectPool<MissOperation> _misses = new DefaultObjectPool<MissOperation>(new MissOperation.Policy(), 64);

    private readonly CounterSet _counters = new();

    private readonly long _deviceNumber = MergedSector.NewDevice();
    private long _length;
    private long _missIds;
    private long _fillFrom;
    private int _gcPercent;
    private long _growths;
    private long _growthsFlushed;
    private volatile bool _truncationPending;

    [ThreadStatic]
    private static ExtentBuffer? _threadPieces;

    /// <summary>Composes an engine from what <see cref="Recovery"/> found.</summary>
    public CacheEngine(PmemRegion region, IBlockDevice backing, PCacheOptions options, Recovery recovered, DeviceDiagnostics diagnostics)
    {
        _diagnostics = diagnostics;
        _monitor = new StateMonitor(ReadState, () => IsListenedTo, TellState);
        _region = region;
        _backing = backing;
        _options = options;
        _clock = options.TimeProvider;
        _media = recovered.Media;
        _segments = recovered.Segments;
        _index = recovered.Index;
        _memory = recovered.Memory;
        _dirty = recovered.Dirty;
        _positions = recovered.Positions;
        _payloadCrc = recovered.Media.Flags.PayloadCrc;
        _verifyReads = _payloadCrc && options.VerifyReads;
        _readOnly = options.ReadOnly;
        _drainIsCheap = region.DrainIsCheap;
        _persistWrites = options.PersistOn == PersistOn.Write;
        _gcPercent = recovered.Media.Flags.GcPercent;
        _length = backing.Length;
        _damage = new DamageRegistry(_index) { Found = _monitor.LookSoon };
        Report = recovered.Report;
        if (options.ReadOnly)
        {
            return;
        }

        _log = new LogWriter(region, _segments, _positions, _index.Locks, recovered.LastSequence, recovered.ReservedSegments, _clock);
        _heads = new DataHeads(region, _segments, _log, options.Chance);
        _log.ReturnReserved = _heads.ReturnReserved;
        var parts = new WritebackParts(region, _media, _segments, _positions, _index, _log, _damage, _dirty);
        _writeback = new WritebackWorker(parts, backing, options) { CheckLength = CheckBackingLength, CheckStorage = CheckBacking, NoteGroup = NoteGroup };
        _writeback.Recent.Restore(recovered.RecentPlaces);
        _record = recovered.Record;
        _collector = new GarbageCollector(region, _media, _segments, _positions, _log, _index);
        _maintenance = new Maintenance(this);

        // A writer that retires the last data head frees its segment itself, maybe after the last step that looked.
        _segments.Unreferenced = _maintenance.NoteUrgentWork;
        _heads.SegmentOpened = _maintenance.NoteSegmentOpened;

        // A busy log fills a segment in less time than the maintenance may sleep.
        _log.NextWanted = _maintenance.NoteUrgentWork;
    }

    /// <summary>The claim of the backing, given back at the release; a read-only device has none.</summary>
    public BackingClaim? Claim { get; init; }

    /// <summary>What the open found.</summary>
    public RecoveryReport Report { get; }

    /// <summary>Length of the device in bytes.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>What the region's stores are worth.</summary>
    public Persistence Persistence => _region.Persistence;

    /// <summary>Whether writing is allowed.</summary>
    public bool CanWrite => !_options.ReadOnly;

    /// <summary>Whether the device can change its length.</summary>
    public bool CanResize => !_options.ReadOnly && _backing.CanResize;

    /// <summary>The longest that the device can become, as far as is known, in bytes.</summary>
    public long MaxLengthBytes => Math.Min(MaxLength, _backing is Backing.CheckedBlockDevice own ? own.MaxLengthBytes : long.MaxValue);

    /// <summary>Starts the background thread, where the device has one, and lets the meter look.</summary>
    public void Start()
    {
        ExtensionBlock? block = _media.Extension;
        _diagnostics.Start(this, block?.CacheId.ToGuid() ?? Guid.Empty, block is { } b ? ExtensionBlocks.GetLabel(in b) : string.Empty);
        _monitor.Look();
        _maintenance?.Start();
    }

    /// <summary>For audits of a device at rest.</summary>
    internal SegmentTable Segments => _segments;

    /// <inheritdoc cref="Segments"/>
    internal ShardedIndex Index => _index;

    /// <inheritdoc cref="Segments"/>
    internal IndexMemory Memory => _memory;

    /// <inheritdoc cref="Segments"/>
    internal LogWriter Log => _log;

    /// <summary>Where the log ends.</summary>
    internal LogPosition KeyHead => _positions.KeyHead.Position;

    /// <inheritdoc cref="Segments"/>
    internal DirtyCounters Dirty => _dirty;

    /// <summary>What write-back has passed ends here.</summary>
    internal LogPosition DirtyTail => _positions.DirtyTail.Position;

    /// <inheritdoc cref="Segments"/>
    internal DataHeads Heads => _heads;

    private static ExtentBuffer ThreadPieces => _threadPieces ??= new ExtentBuffer();

    /// <summary>Throws if the device is closed.</summary>
    public void ThrowIfClosed()
    {
        if (_gate.IsClosed)
        {
            OperationGate.ThrowDisposed();
        }
    }

    /// <summary>Enters for an operation that ends on this thread.</summary>
    private int EnterWritable()
    {
        int token = _gate.Enter();
        if (_readOnly)
        {
            RefuseWriting(token);
        }

        return token;
    }

    /// <summary>Enters for an operation that may end on another thread.</summary>
    private int EnterWritableShared() => _gate.Share(EnterWritable());

    private void RefuseWriting(int token)
    {
        _gate.Exit(token);
        throw new NotSupportedException("The cache is open for reading only.");
    }

    private static void CheckOffset(long offset) => ArgumentOutOfRangeException.ThrowIfNegative(offset);

    private static void CheckRange(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (offset > long.MaxValue - length)
        {
            throw new ArgumentOutOfRangeException(nameof(length), length, "Offset plus length is beyond the range of 64 bits.");
        }
    }

    /// <summary>Device offset of an extent's first payload byte on the region.</summary>
    private long PayloadAddress(in Extent extent) => _segments.DataOffset((int)extent.Segment) + ((long)extent.PayloadSector * SectorSize);

    private bool IsDead(in Extent extent) => (_segments.Generation((int)extent.Segment) & Extent.GenerationMask) != extent.Generation;
}
