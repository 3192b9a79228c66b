using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PCache.Core.Files;

namespace PCache.Core.Diagnostics;

/// <summary>
/// What one device tells: log messages, errors and durations as they happen, and figures when the meter asks for them.
/// </summary>
/// <remarks>
/// Keeps true: nothing here throws, whatever loggers and listeners do; messages that could repeat without end are
/// limited; nothing is done that has no listener. Holds the probe, not the other way round, so that a forgotten
/// device can be garbage. Any thread.
/// </remarks>
internal sealed class DeviceDiagnostics
{
    /// <summary>No moment: there is no listener.</summary>
    public const long NotMeasured = long.MinValue;

    private static readonly TimeSpan MessageInterval = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _clock;
    private readonly Dictionary<string, OccurrenceLimit> _limits = [];
    private IDeviceProbe? _probe;

    public DeviceDiagnostics(ILoggerFactory? loggers, TimeProvider clock)
    {
        Logger = loggers is null
            ? NullLogger.Instance
            : new GuardedLogger(loggers.CreateLogger(PCacheDiagnostics.LogCategory));
        _clock = clock;
        foreach (string kind in ErrorKind.All)
        {
            _limits[kind] = new OccurrenceLimit(clock, MessageInterval);
        }
    }

    /// <summary>Where messages go.</summary>
    public ILogger Logger { get; }

    /// <summary>UUID of the cache; empty if the image has none.</summary>
    public Guid CacheId { get; private set; }

    /// <summary>The attributes of every measurement.</summary>
    public KeyValuePair<string, object?>[] Attributes { get; private set; } = [];

    /// <summary>From now on the meter tells of the device.</summary>
    public void Start(IDeviceProbe probe, Guid cacheId, string label)
    {
        CacheId = cacheId;
        Attributes = label.Length == 0
            ? [new("pcache.cache.id", cacheId.ToString())]
            : [new("pcache.cache.id", cacheId.ToString()), new("pcache.cache.label", SafeText.Of(label))];
        Volatile.Write(ref _probe, probe);
        PCacheMeter.Add(this);
    }

    /// <summary>The device is closed.</summary>
    public void Stop()
    {
        PCacheMeter.Remove(this);
        Volatile.Write(ref _probe, null);
    }

    /// <summary>Takes a look at the device.</summary>
    public bool TryRead(out DeviceSnapshot snapshot)
    {
        snapshot = default;
        return Volatile.Read(ref _probe) is { } probe && probe.TryRead(out snapshot);
    }

    /// <summary>A moment to measure from; <see cref="NotMeasured"/> if there is no listener.</summary>
    public long Begin(Histogram<double> histogram) => histogram.Enabled ? _clock.GetTimestamp() : NotMeasured;

    /// <summary>Records the time since <see cref="Begin"/>.</summary>
    public void End(Histogram<double> histogram, long begun)
    {
        if (begun != NotMeasured)
        {
            PCacheMeter.Record(histogram, _clock.GetElapsedTime(begun).TotalSeconds, Attributes);
        }
    }

    /// <summary>Counts an error without a message of its own.</summary>
    public void CountError(string kind)
    {
        if (PCacheMeter.Errors.Enabled)
        {
            PCacheMeter.CountError([.. Attributes, new KeyValuePair<string, object?>("error.type", kind)]);
        }
    }

    /// <summary>
    /// For exception filters around a call of the backing's reads, and nothing else: counts and logs what went wrong
    /// there, and never catches.
    /// </summary>
    public bool NoteReadFailure(Exception error)
    {
        if (error is not (ObjectDisposedException or OperationCanceledException))
        {
            CountError(ErrorKind.BackingRead);
            if (Allow(ErrorKind.BackingRead, out long suppressed))
            {
                Messages.BackingReadFailed(Logger, error, CacheId, suppressed);
            }
        }

        return false;
    }

    /// <summary>Dirty data that doesn't fit its checksum was met.</summary>
    public void NoteDamage(long offset, long lengthBytes)
    {
        CountError(ErrorKind.DamagedData);
        if (Allow(ErrorKind.DamagedData, out long suppressed))
        {
            Messages.DamagedData(Logger, CacheId, offset, offset + lengthBytes - 1, suppressed);
        }
    }

    /// <summary>For exception filters around waits for room: counts and logs, and never catches.</summary>
    public bool NoteNoRoom(PCacheFullException error)
    {
        CountError(ErrorKind.NoRoom);
        if (Allow(ErrorKind.NoRoom, out long suppressed))
        {
            Messages.NoRoom(Logger, error, CacheId, suppressed);
        }

        return false;
    }

    /// <summary>A flush of the medium failed.</summary>
    public void NoteFlushFailure(Exception error)
    {
        CountError(ErrorKind.Medium);
        if (Allow(ErrorKind.Medium, out long suppressed))
        {
            Messages.FlushFailed(Logger, error, CacheId, suppressed);
        }
    }

    /// <summary>A step of the maintenance failed.</summary>
    public void NoteMaintenanceFailure(Exception error, string kind, int failures, TimeSpan retry)
    {
        CountError(kind);
        if (Allow(kind, out long suppressed))
        {
            Messages.MaintenanceFailed(Logger, error, CacheId, failures, (long)retry.TotalMilliseconds, suppressed);
        }
    }

    /// <summary>
    /// Logs a change of state: as a warning if an operator should look, at debug level between clean and dirty.
    /// </summary>
    public void NoteState(PCacheState previous, PCacheState current)
    {
        bool trouble = IsTrouble(current);
        if (trouble)
        {
            Messages.NeedsAttention(Logger, CacheId, current);
        }
        else if (IsTrouble(previous))
        {
            Messages.Recovered(Logger, CacheId, current);
        }
        else
        {
            Messages.ConditionChanged(Logger, CacheId, current.Condition);
        }
    }

    private static bool IsTrouble(PCacheState state) => state.Condition == PCacheCondition.Degraded
        || state.Stall is not (WritebackStall.None or WritebackStall.Paused);

    private bool Allow(string kind, out long suppressed) => _limits[kind].Allow(out suppressed);
}
