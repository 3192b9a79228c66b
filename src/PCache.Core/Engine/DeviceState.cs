using Microsoft.Extensions.Logging;
using PCache.Core.Diagnostics;

namespace PCache.Core.Engine;

/// <summary>
/// The device's state, and what the meter reads. Keeps true: a state is computed from what the parts say at that moment, never from what was told before, but for the times; nothing is looked
/// at once the device is closed; a look waits for nobody but the shards' latches.
/// </summary>
internal sealed partial class CacheEngine : IDeviceProbe
{
    private readonly DeviceDiagnostics _diagnostics;
    private readonly StateMonitor _monitor;
    private volatile Exception? _mediumError;

    /// <summary>Told of changes of state, one at a time, on a thread of the pool.</summary>
    public Action<PCacheState, PCacheState>? StateChanged { get; set; }

    /// <summary>Whether somebody has subscribed to <see cref="StateChanged"/>, as far as the engine knows: its owner says.</summary>
    public Func<bool>? HasListeners { get; set; }

    /// <summary>The state now.</summary>
    /// <exception cref="ObjectDisposedException">The device is closed.</exception>
    public PCacheState State => _monitor.Look() ?? throw OperationGate.Disposed();

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

            _segments.CountUses(out int free, out int reserved, out int log, out int data, out int retired);
            long damaged = 0;
            foreach (DeviceRange range in _damage.Ranges())
            {
                damaged += range.LengthBytes;
            }

            snapshot = new DeviceSnapshot
            {
                Counters = _counters,
                WritebackBytes = _writeback?.WrittenBytes ?? 0,
                SegmentsReclaimed = _collector?.Reclaimed ?? 0,
                DirtyBytes = _dirty.Bytes,
                DirtyKeys = _dirty.Keys,
                DamagedBytes = damaged,
                PendingKeys = _log?.PendingCount ?? 0,
                LogBytes = _positions.KeyHead.Distance - _positions.KeyTail.Distance,
                IndexBytes = _index.UsedBytes,
                Waiters = _space.Count,
                FreeSegments = free,
                ReservedSegments = reserved,
                LogSegments = log,
                DataSegments = data,
                RetiredSegments = retired,
                State = state,
                StalledSeconds = state.StalledSince is { } since ? Math.Max(0, (_clock.GetUtcNow() - since).TotalSeconds) : 0,
            };
            return true;
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    private PCacheState? ReadState(PCacheState? before)
    {
        if (!_gate.TryEnter(out int token))
        {
            return null;
        }

        try
        {
            bool dirty = _dirty.Keys > 0;
            Exception? error = null;
            WritebackStall stall = _readOnly ? WritebackStall.None : _maintenance.Stall(dirty, out error);
            var degraded = Degradations.None;
            if (_damage.Ranges().Count > 0)
            {
                degraded |= Degradations.DamagedData;
            }

            if (_maintenance?.LogDamage is { } damage)
            {
                degraded |= Degradations.DamagedLog;
                error ??= damage;
            }

            if (_mediumError is { } medium)
            {
                degraded |= Degradations.MediumFailing;
                error ??= medium;
            }

            RefreshStorageTrouble();
            if (_backingChange is { } backing)
            {
                degraded |= Degradations.BackingChanged;
                error ??= backing;
            }

            if (_cacheFileChange is { } file)
            {
                degraded |= Degradations.CacheFileChanged;
                error ??= file;
            }

            if (!_readOnly && _options.CacheReads && !MayFill)
            {
                degraded |= Degradations.ReadsNotCached;
            }

            return new PCacheState
            {
                Condition = degraded != Degradations.None ? PCacheCondition.Degraded
                    : stall != WritebackStall.None ? PCacheCondition.WritebackStalled
                    : dirty ? PCacheCondition.Dirty
                    : PCacheCondition.Clean,
                IsReadOnly = _readOnly,
                Stall = stall,
                StalledSince = stall == WritebackStall.None ? null : before is { StalledSince: { } stalled } ? stalled : _clock.GetUtcNow(),
                Degradation = degraded,
                DegradedSince = degraded == Degradations.None ? null : before is { DegradedSince: { } since } ? since : _clock.GetUtcNow(),
                Error = error,
            };
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    private bool IsListenedTo => HasListeners?.Invoke() == true || _diagnostics.Logger.IsEnabled(LogLevel.Error);

    private void TellState(PCacheState before, PCacheState now)
    {
        try
        {
            _diagnostics.NoteState(before, now);
            StateChanged?.Invoke(before, now);
        }
        catch (Exception e)
        {
            Messages.HandlerFailed(_diagnostics.Logger, e, _diagnostics.CacheId);
        }
    }

    /// <summary>For exception filters: a flush of the medium failed. Never catches.</summary>
    private bool NoteFlushFailure(Exception error)
    {
        if (error is not (ObjectDisposedException or OperationCanceledException))
        {
            _mediumError = error;
            _diagnostics.NoteFlushFailure(error);
            _monitor.LookSoon();
        }

        return false;
    }

    private void NoteFlushed()
    {
        if (_mediumError is not null)
        {
            _mediumError = null;
            _monitor.LookSoon();
        }
    }

    /// <summary>Ends a read's accounts: what it gave, and whether it needed the backing.</summary>
    private void CountRead(int index, int bytes, bool missed)
    {
        _counters.Add(index, missed ? DeviceCounter.Misses : DeviceCounter.Hits, 1);
        _counters.Add(index, DeviceCounter.ReadBytes, bytes);
    }
}
