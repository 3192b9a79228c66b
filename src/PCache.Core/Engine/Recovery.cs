using System.Runtime.CompilerServices;
using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Writeback;

namespace PCache.Core.Engine;

/// <summary>
/// Opening: loads and validates the medium, replays the log into a fresh index, checks the backing; then, for a writable open only, makes the medium ready.
/// </summary>
/// <remarks>
/// Keeps true: nothing on the medium is changed before everything was validated and consented to; a read-only open changes nothing at all. The first store
/// of a writable open zeroes the log's end, durably, so that nobody ever follows what was rejected. No replica of the key tail names a free segment before one
/// is used. The identity of the backing is durable before the first dirty key can be.
/// </remarks>
internal sealed partial class Recovery : IReplaySink
{
    /// <summary>One thread reads about as fast as this many can insert.</summary>
    private const int MaxHelpers = 8;

    /// <summary>Keys between two looks at the index's memory: a few megabytes of it.</summary>
    private const int KeysPerMeasure = 1 << 18;

    private readonly PmemRegion _region;
    private readonly IBlockDevice _backing;
    private readonly PCacheOptions _options;

    private readonly OpenMonitor _monitor;
    private readonly ReplayIndexer _indexer;
    private long _distance;
    private int _lastSize;
    private bool _comparable;
    private BackingRecord _record;
    private ReplicaState _recordReplicas;
    private readonly RecentKeys _writtenBack = new(4096);
    private readonly RecentKeys _filled = new(1024);
    private long _dirtyTailDistance = -1;
    private int _keysUnmeasured;
    private long _dirtyKeys;
    private long _dirtyBytes;

    private Recovery(PmemRegion region, IBlockDevice backing, PCacheOptions options, MediaState media, OpenMonitor monitor)
    {
        _region = region;
        _backing = backing;
        _options = options;
        _monitor = monitor;
        Media = media;
        Index = new ShardedIndex(options.Chance.Cores);
        Memory = new IndexMemory(Index, options.MaxIndexMemoryBytes);
        _indexer = new ReplayIndexer(Index, Helpers(options), options.ReplayBatchKeys);
    }

    public MediaState Media { get; }

    public ShardedIndex Index { get; }

    public IndexMemory Memory { get; }

    public DirtyCounters Dirty { get; } = new();

    public SegmentTable Segments { get; private set; } = null!;

    public LogPositions Positions { get; private set; } = null!;

    public RecoveryReport Report { get; private set; } = null!;

    public uint LastSequence { get; private set; }

    public int ReservedSegments { get; private set; }

    /// <summary>Runs the whole of it.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing on the medium was changed.</exception>
    public static Recovery Run(PmemRegion region, IBlockDevice backing, PCacheOptions options, CancellationToken cancellationToken)
    {
        long started = options.TimeProvider.GetTimestamp();

        var monitor = new OpenMonitor(options, cancellationToken);
        monitor.Begin(OpenStage.Loading);
        MediaState media = MediaLoader.Load(region, monitor.Loaded);
        if (options.PayloadCrc is bool wanted && wanted != media.Flags.PayloadCrc)
        {
            throw new PCacheException($"The cache was made with payload checksums {(media.Flags.PayloadCrc ? "on" : "off")}; the options ask for the opposite. Leave the option unset to take the image as it is.");
        }

        var recovery = new Recovery(region, backing, options, media, monitor);
        try
        {
            IndexMemory.CheckCapacity(options.MaxIndexMemoryBytes, media.ChainLength, media.Geometry.DataSize);
            recovery.CheckBinding();
            recovery._record = BackingRecord.Read(region, media.Extension?.CacheId.ToGuid() ?? Guid.Empty, out recovery._recordReplicas);
            monitor.Begin(OpenStage.Replaying);
            recovery.Replay(started);
            recovery.CheckContent(cancellationToken);
            if (!options.ReadOnly)
            {
                monitor.Begin(OpenStage.Preparing);
                recovery.MakeReady();
            }
        }
        catch
        {
            recovery.Index.Dispose();
            throw;
        }

        monitor.Begin(OpenStage.Done);
        return recovery;
    }

    void IReplaySink.OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
    {
        int keys = header.IsLast ? 0 : (int)header.KeyCount;
        _distance += _lastSize;
        _lastSize = MediaConstants.KsetHeaderSize + (keys * MediaConstants.KeySize);
        if (atOrAfterDirtyTail && _dirtyTailDistance < 0)
        {
            _dirtyTailDistance = _distance;
        }

        _comparable = _record.SinceSequence == 0 || (header.Sequence != 0 && SequenceTracker.Distance(_record.SinceSequence, header.Sequence) - 1 < int.MaxValue);
        _keysUnmeasured += keys;
        if (_keysUnmeasured >= KeysPerMeasure)
        {
            _keysUnmeasured = 0;
            Memory.CheckReplayed();
        }

        _monitor.Replayed(_distance + _lastSize, keys);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void IReplaySink.OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
    {
        bool dirty = atOrAfterDirtyTail && !key.IsClean;
        if (state == KeyState.Dead)
        {
            // Its data has been written back; what it overlaps is older than that.
            _indexer.Add(in key, ReplayAction.Remove);
            return;
        }

        _indexer.Add(in key, dirty ? ReplayAction.InsertDirty : ReplayAction.InsertClean);
        if (!dirty && _comparable)
        {
            (key.IsClean ? _filled : _writtenBack).Add(in key);
        }

        if (dirty)
        {
            _dirtyKeys++;
            _dirtyBytes += key.Length;
        }
    }

    /// <summary>Threads that help to fill the index. None where the device is to do the same thing each time: by hand, or with made-up chance.</summary>
    private static int Helpers(PCacheOptions options) =>
        options.ReplayHelpers
        ?? (options.Maintenance == MaintenanceMode.Manual || !ReferenceEquals(options.Chance, Chance.Machine) ? 0 : Math.Min(options.Chance.Cores - 1, MaxHelpers));

    private void Replay(long started)
    {
        ReplayResult result;
        using (_indexer)
        {
            result = LogReplay.Run(_region, Media, this, _backing.Length);
            _indexer.Complete();
        }

        Memory.CheckReplayed();

        Dirty.Add(_dirtyKeys, _dirtyBytes);
        if (result.LostKeys > 0 && !_options.ReadOnly && !_options.AcceptLostWrites)
        {
            throw new PCacheLostWritesException($"{result.LostKeys} writes that were not yet written back are lost: whoever wrote this image reused their segments. Open it for reading to save the rest, or accept the loss explicitly.");
        }

        _distance += _lastSize;
        _monitor.FoundEnd(_distance);
        Segments = new SegmentTable(_region, Media.Geometry, Media.Chain, Media.Generations, Media.GenerationReplicas, Math.Clamp(_options.LogReserveSegments, 1, Math.Max(1, Media.ChainLength - 2)));
        foreach (int segment in result.LogSegments)
        {
            Segments.MarkLog(segment);
        }

        for (int i = 0; i < Segments.Count; i++)
        {
            Segments.SetReferences(i, result.Use.References[i]);
        }

        ReservedSegments = Segments.BuildPools();
        var head = new LogPoint(result.KeyHead, _distance);
        Positions = new LogPositions(
            _region,
            Media.KeyTailReplicas,
            Media.DirtyTailReplicas,
            keyTail: new LogPoint(Media.KeyTail, 0),
            dirtyTail: new LogPoint(Media.DirtyTail, _dirtyTailDistance < 0 ? _distance : _dirtyTailDistance),
            keyHead: head);
        LastSequence = result.LastSequence != 0 ? result.LastSequence : _options.Chance.NextSequence();
        Report = new RecoveryReport
        {
            Ksets = result.Ksets,
            LiveKeys = result.LiveKeys,
            DeadKeys = result.DeadKeys,
            LostKeys = result.LostKeys,
            LogEnd = result.End,
            KeyHead = result.KeyHead,
            BackingCheck = BackingCheck.NoFingerprint,
            Elapsed = _options.TimeProvider.GetElapsedTime(started),
        };
    }

    private void MakeReady()
    {
        // A process that was killed leaves stores that its successor sees and a power cut still takes back (they were never flushed). Whatever is built on
        // them from here on comes after them: the log, and the length of a backing that had just grown.
        _region.FlushRange(0, _region.LengthBytes);
        _region.Drain();
        if (_backing.CanResize)
        {
            _backing.Flush();
        }

        // From here on the backing may change: what it was is what it has to be only where nothing was written back.
        KeepFingerprint();

        // First of all: nobody may ever follow what stands behind the log's end.
        LogPosition head = Positions.KeyHead.Position;
        long at = Segments.DataOffset(head.Segment) + head.Offset;
        int behind = Segments.DataSize - head.Offset;
        RegionZeroing.Zero(_region, at, Math.Min(behind, MediaConstants.KsetHeaderSize));
        RegionZeroing.Zero(_region, at, behind);

        // A crash may have left the older replica of the key tail in a segment that counts as free now and is about to be used again: falling back to it
        // must not be harmful.
        Positions.WriteKeyTail(Positions.KeyTail, both: true);
        Segments.ClearFreeHeads();
        ReplicaRepair.Run(_region, Media);

        // An image that isn't bound yet (Linux made it, or the command without a backing) is bound now, before the first dirty key.
        if (_options.RebindBacking || Media.Extension is not { BackingLength: > 0 })
        {
            ExtensionBlocks.Bind(_region, Media, _backing.Length, _options.BackingIdentity, _backing.CanResize);
        }

        KeepRecord();

        if (_options.GcThresholdPercent is int percent && percent != Media.Flags.GcPercent)
        {
            CacheInfoWriter.SetGcPercent(_region, Media, percent);
        }
    }
}
