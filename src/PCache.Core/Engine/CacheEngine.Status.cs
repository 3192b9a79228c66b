using System.Diagnostics;
using PCache.Core.Diagnostics;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>State, settings, drain.</summary>
internal sealed partial class CacheEngine
{
    private readonly SteadyLock _settingsLock = new();

    public PCacheStatus GetStatus()
    {
        int token = _gate.Enter();
        try
        {
            PCacheState state = State;
            ExtensionBlock? block = _media.Extension;
            return new PCacheStatus
            {
                IsLinuxGeometry = _media.Geometry.IsLinux,
                SegmentSizeBytes = _media.Geometry.SegmentSize,
                SegmentCount = _segments.Count,
                SegmentsUsed = _segments.UsedCount,
                GcThresholdPercent = Volatile.Read(ref _gcPercent),
                PayloadCrc = _payloadCrc,
                KeyHead = _positions.KeyHead.Position,
                DirtyTail = _positions.DirtyTail.Position,
                KeyTail = _positions.KeyTail.Position,
                Length = Length,
                DirtyBytes = _dirty.Bytes,
                DirtyKeys = _dirty.Keys,
                PendingKeys = _log?.PendingCount ?? 0,
                State = state,
                IsReadOnly = _options.ReadOnly,
                Persistence = _region.Persistence,
                IsPowerSafe = _region.IsPowerSafe,
                WritebackPaused = _maintenance?.Paused ?? true,
                WritebackError = _maintenance?.Error,
                WritebackFailures = _maintenance?.Failures ?? 0,
                DamagedRanges = _damage.Ranges(),
                HitBytes = _counters.Sum(DeviceCounter.HitBytes),
                MissBytes = _counters.Sum(DeviceCounter.MissBytes),
                WrittenBytes = _counters.Sum(DeviceCounter.WrittenBytes),
                WritebackBytes = _writeback?.WrittenBytes ?? 0,
                SpaceWaits = _counters.Sum(DeviceCounter.SpaceWaits),
                SegmentsReclaimed = _collector?.Reclaimed ?? 0,
                Label = block is { } b ? ExtensionBlocks.GetLabel(in b) : string.Empty,
                CacheId = block?.CacheId.ToGuid() ?? Guid.Empty,
                BackingLength = block is { BackingLength: > 0 } bound ? (long)bound.BackingLength : null,
                BackingIdentity = block?.BackingIdentity.ToGuid() ?? Guid.Empty,
                BackingCheck = Report.BackingCheck,
            };
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    public void SetPaused(bool paused)
    {
        int token = EnterWritable();
        try
        {
            _maintenance.Paused = paused;
            _monitor.Look();
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    /// <summary>Changes the GC threshold, durably, also across opens.</summary>
    public void SetGcThreshold(int percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, CacheFlags.MaxGcPercent);
        int token = EnterWritable();
        try
        {
            using (_settingsLock.Hold())
            {
                CacheInfoWriter.SetGcPercent(_region, _media, percent);
                Volatile.Write(ref _gcPercent, percent);
            }
        }
        finally
        {
            _gate.Exit(token);
        }

        _maintenance.NoteUrgentWork();
    }

    public void SetLabel(string label)
    {
        ArgumentNullException.ThrowIfNull(label);
        int token = EnterWritable();
        try
        {
            using (_settingsLock.Hold())
            {
                ExtensionBlocks.SetLabel(_region, _media, label);
            }
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    public void AbandonDamaged(long offset, long length)
    {
        CheckRange(offset, length);
        int token = EnterWritable();
        try
        {
            _log.AppendAll();
            Volatile.Write(ref _fillFrom, _positions.KeyHead.Distance);
            _damage.Abandon(offset, length);
            _maintenance.RecheckDamage();
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    public TimeSpan RunMaintenanceStep()
    {
        int token = EnterWritable();
        try
        {
            ThrowIfInsideStep(blocking: true);
            return _maintenance.IsManual
                ? _maintenance.StepGuarded()
                : throw new InvalidOperationException("The device has a maintenance thread of its own (see PCacheOptions.Maintenance).");
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    /// <summary>Writes back everything that was written before the call.</summary>
    public void Drain(IProgress<DrainProgress>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int token = EnterWritable();
        DrainWatch watch = BeginDrain();
        try
        {
            ThrowIfInsideStep(blocking: true);
            CheckBeforeDrain();
            FlushLog();
            Task done = _maintenance.Ask(_positions.KeyHead.Distance, collect: false, Reporter(progress));
            try
            {
                while (_maintenance.IsManual && !done.IsCompleted)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    _maintenance.StepInline(done);
                }

                done.WaitAsync(cancellationToken).GetAwaiter().GetResult();
            }
            catch (PCacheException e) when (e.InnerException is PCacheStorageChangedException change)
            {
                throw Again(change);
            }
            finally
            {
                _maintenance.Withdraw(done);
            }

            FinishDrain(progress);
            Messages.Drained(_diagnostics.Logger, _diagnostics.CacheId, (long)_clock.GetElapsedTime(watch.Begun).TotalMilliseconds);
        }
        catch (Exception e) when (PCacheActivities.Fail(watch.Activity, e))
        {
            throw;
        }
        finally
        {
            EndDrain(in watch);
            _gate.Exit(token);
        }
    }

    /// <inheritdoc cref="Drain"/>
    public async Task DrainAsync(IProgress<DrainProgress>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int token = EnterWritableShared();
        DrainWatch watch = BeginDrain();
        try
        {
            ThrowIfInsideStep(blocking: false);
            CheckBeforeDrain();
            await FlushLogAsync(cancellationToken).ConfigureAwait(false);
            Task done = _maintenance.Ask(_positions.KeyHead.Distance, collect: false, Reporter(progress));
            try
            {
                await AwaitAsync(done, cancellationToken).ConfigureAwait(false);
            }
            catch (PCacheException e) when (e.InnerException is PCacheStorageChangedException change)
            {
                throw Again(change);
            }
            finally
            {
                _maintenance.Withdraw(done);
            }

            FinishDrain(progress);
            Messages.Drained(_diagnostics.Logger, _diagnostics.CacheId, (long)_clock.GetElapsedTime(watch.Begun).TotalMilliseconds);
        }
        catch (Exception e) when (PCacheActivities.Fail(watch.Activity, e))
        {
            throw;
        }
        finally
        {
            EndDrain(in watch);
            _gate.Exit(token);
        }
    }

    private DrainWatch BeginDrain() => new(PCacheActivities.StartDrain(_dirty.Bytes), _clock.GetTimestamp());

    private void EndDrain(in DrainWatch watch)
    {
        _diagnostics.End(PCacheMeter.DrainDuration, watch.Begun);
        watch.Activity?.SetTag("pcache.cache.id", _diagnostics.CacheId.ToString());
        PCacheActivities.End(watch.Activity);
    }

    private Action? Reporter(IProgress<DrainProgress>? progress) => progress is null ? null : () => progress.Report(Progress());

    private DrainProgress Progress() => new(_writeback.WrittenBytes, _dirty.Bytes, _dirty.Keys);

    private void FinishDrain(IProgress<DrainProgress>? progress)
    {
        progress?.Report(Progress());
        IReadOnlyList<DeviceRange> damaged = _damage.Ranges();
        if (damaged.Count > 0)
        {
            throw new PCacheDamagedDataException(damaged[0].Offset, damaged[0].LengthBytes);
        }

        CheckAfterDrain();
    }

    /// <summary>What a drain is measured with.</summary>
    private readonly record struct DrainWatch(Activity? Activity, long Begun);
}
