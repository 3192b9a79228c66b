using PCache.Core.Diagnostics;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// The device's state, its status, and what the meter reads. Keeps true: a state is computed from what the parts say
/// at that moment, never from what was told before, but for the times; nothing is looked at once the device is
/// closed; a look waits for the shards' latches only. Any thread.
/// </summary>
internal sealed class DeviceState : IDeviceProbe
{
    private readonly ExtentStore _store;
    private readonly IUpkeepView _upkeep;
    private readonly StorageWatch _storage;
    private readonly SpaceQueue _space;
    private readonly OperationGate _gate;
    private readonly StateMonitor _monitor;
    private readonly TimeProvider _clock;
    private readonly RecoveryReport _report;
    private readonly bool _readOnly;

    public DeviceState(EngineParts parts, IUpkeepView upkeep)
    {
        _store = parts.Store;
        _upkeep = upkeep;
        _storage = parts.Storage;
        _space = parts.Space;
        _gate = parts.Gate;
        _monitor = parts.Monitor;
        _clock = parts.Options.TimeProvider;
        _report = parts.Report;
        _readOnly = parts.Options.ReadOnly;
    }

    /// <summary>The state now.</summary>
    /// <exception cref="ObjectDisposedException">The device is closed.</exception>
    public PCacheState Now => _monitor.Look() ?? throw OperationGate.Disposed();

    /// <inheritdoc/>
    bool IDeviceProbe.TryRead(out DeviceSnapshot snapshot)
    {
        snapshot = default;
        if (!_gate.TryEnter(out int token))
        {
            return false;
        }

        try
        {
            if (_monitor.Look() is not { } state)
            {
                return false;
            }

            snapshot = TakeSnapshot(state);
            return true;
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    /// <summary>Everything that can be told. The caller is in an operation.</summary>
    public PCacheStatus GetStatus(int gcPercent)
    {
        ExtentStore store = _store;
        ExtensionBlock? block = store.Media.Extension;
        return new PCacheStatus
        {
            State = Now,
            IsLinuxGeometry = store.Media.Geometry.IsLinux,
            SegmentSizeBytes = store.Media.Geometry.SegmentSize,
            SegmentCount = store.Segments.Count,
            SegmentsUsed = store.Segments.UsedCount,
            GcThresholdPercent = gcPercent,
            PayloadCrc = store.PayloadCrc,
            KeyHead = store.Positions.KeyHead.Position,
            DirtyTail = store.Positions.DirtyTail.Position,
            KeyTail = store.Positions.KeyTail.Position,
            Length = store.Length,
            DirtyBytes = store.Dirty.Bytes,
            DirtyKeys = store.Dirty.Keys,
            PendingKeys = _upkeep.PendingKeys,
            AtomicBatchBytes = _upkeep.AtomicLimits.Bytes,
            AtomicBatchRanges = _upkeep.AtomicLimits.Ranges,
            IsReadOnly = _readOnly,
            Persistence = store.Region.Persistence,
            IsPowerSafe = store.Region.IsPowerSafe,
            WritebackPaused = _upkeep.IsPaused,
            WritebackError = _upkeep.Error,
            WritebackFailures = _upkeep.Failures,
            DamagedRanges = store.Damage.Ranges(),
            HitBytes = store.Counters.Sum(DeviceCounter.HitBytes),
            MissBytes = store.Counters.Sum(DeviceCounter.MissBytes),
            WrittenBytes = store.Counters.Sum(DeviceCounter.WrittenBytes),
            WritebackBytes = _upkeep.WrittenBytes,
            SpaceWaits = store.Counters.Sum(DeviceCounter.SpaceWaits),
            SegmentsReclaimed = _upkeep.SegmentsReclaimed,
            Label = block is { } b ? ExtensionBlocks.GetLabel(in b) : string.Empty,
            CacheId = block?.CacheId.ToGuid() ?? Guid.Empty,
            BackingLength = block is { BackingLength: > 0 } bound ? (long)bound.BackingLength : null,
            BackingIdentity = block?.BackingIdentity.ToGuid() ?? Guid.Empty,
            BackingCheck = _report.BackingCheck,
            BackingConsistency = _upkeep.Consistency,
            CheckpointJournal = _upkeep.JournalName,
            BackingAsOf = PointOf(_upkeep.FlushOnBacking),
            FlushesBehind = FlushesBehind,
        };
    }

    private long FlushesBehind => Math.Max(0, _upkeep.LastFlush.Number - _upkeep.FlushOnBacking.Number);

    private static FlushPoint PointOf(FlushMark mark) => new(mark.Number, mark.Number == 0 ? null : mark.Time);

    /// <summary>For the monitor: computes the state. Null: the device is closed.</summary>
    public PCacheState? Read(PCacheState? before)
    {
        if (!_gate.TryEnter(out int token))
        {
            return null;
        }

        try
        {
            bool dirty = _store.Dirty.Keys > 0;
            WritebackStall stall = _upkeep.Stall(dirty, out Exception? error);
            Degradations degraded = FindDegradations(ref error);
            DateTimeOffset now = _clock.GetUtcNow();
            return new PCacheState
            {
                Condition = degraded != Degradations.None ? PCacheCondition.Degraded
                    : stall != WritebackStall.None ? PCacheCondition.WritebackStalled
                    : dirty ? PCacheCondition.Dirty
                    : PCacheCondition.Clean,
                IsReadOnly = _readOnly,
                Stall = stall,
                StalledSince =
                    stall == WritebackStall.None ? null : before is { StalledSince: { } stalled } ? stalled : now,
                Degradation = degraded,
                DegradedSince =
                    degraded == Degradations.None ? null : before is { DegradedSince: { } since } ? since : now,
                Error = error,
            };
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    /// <summary>
    /// What is wrong besides write-back; the first of its errors becomes the state's, if that has none.
    /// </summary>
    private Degradations FindDegradations(ref Exception? error)
    {
        _storage.RefreshTrouble();
        Degradations found = Degradations.None;
        if (_store.Damage.Ranges().Count > 0)
        {
            found |= Degradations.DamagedData;
        }

        if (_upkeep.ReadsAreNotCached)
        {
            found |= Degradations.ReadsNotCached;
        }

        Note(_upkeep.LogDamage, Degradations.DamagedLog, ref found, ref error);
        Note(_upkeep.MediumError, Degradations.MediumFailing, ref found, ref error);
        Note(_storage.BackingChange, Degradations.BackingChanged, ref found, ref error);
        Note(_storage.CacheFileChange, Degradations.CacheFileChanged, ref found, ref error);
        return found;

        static void Note(Exception? trouble, Degradations kind, ref Degradations found, ref Exception? error)
        {
            if (trouble is not null)
            {
                found |= kind;
                error ??= trouble;
            }
        }
    }

    private DeviceSnapshot TakeSnapshot(PCacheState state)
    {
        _store.Segments.CountUses(out int free, out int reserved, out int log, out int data, out int retired);
        long damaged = 0;
        foreach (DeviceRange range in _store.Damage.Ranges())
        {
            damaged += range.LengthBytes;
        }

        return new DeviceSnapshot
        {
            Counters = _store.Counters,
            WritebackBytes = _upkeep.WrittenBytes,
            SegmentsReclaimed = _upkeep.SegmentsReclaimed,
            DirtyBytes = _store.Dirty.Bytes,
            DirtyKeys = _store.Dirty.Keys,
            DamagedBytes = damaged,
            PendingKeys = _upkeep.PendingKeys,
            LogBytes = _store.Positions.KeyHead.Distance - _store.Positions.KeyTail.Distance,
            IndexBytes = _store.Index.UsedBytes,
            Waiters = _space.Count,
            FreeSegments = free,
            ReservedSegments = reserved,
            LogSegments = log,
            DataSegments = data,
            RetiredSegments = retired,
            State = state,
            FlushesBehind = FlushesBehind,
            StalledSeconds =
                state.StalledSince is { } since ? Math.Max(0, (_clock.GetUtcNow() - since).TotalSeconds) : 0,
        };
    }
}
