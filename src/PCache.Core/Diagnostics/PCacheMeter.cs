using System.Diagnostics.Metrics;
using PCache.Core.Primitives;

namespace PCache.Core.Diagnostics;

/// <summary>
/// The meter of all devices of the process. Names and units follow OpenTelemetry's conventions; docs/observability.md
/// has them in a table that a test holds against this file.
/// </summary>
/// <remarks>
/// Keeps true: what happens often is only counted by the device itself, and read here when a listener collects; what
/// is recorded as it happens (durations, errors) is rare. Every measurement bears the device's attributes. A device
/// that is closed, or garbage, is no longer told of. What a listener throws stays with it. Any thread.
/// </remarks>
internal static class PCacheMeter
{
    private static readonly Meter Meter = new(
        PCacheDiagnostics.MeterName, typeof(PCacheMeter).Assembly.GetName().Version?.ToString(3));
    private static readonly SteadyLock DevicesLock = new();
    private static readonly List<WeakReference<DeviceDiagnostics>> Devices = [];

    /// <summary>Time of an open, by outcome.</summary>
    public static readonly Histogram<double> OpenDuration = Duration(
        "pcache.open.duration", "Time that opening or creating a cache took.");

    /// <summary>Time of a write-back group.</summary>
    public static readonly Histogram<double> WritebackDuration = Duration(
        "pcache.writeback.duration", "Time that one group of write-back took, flush of the backing included.");

    /// <summary>Time of a step of GC.</summary>
    public static readonly Histogram<double> GcDuration = Duration(
        "pcache.gc.duration", "Time that one step of garbage collection took.");

    /// <summary>Time of a drain.</summary>
    public static readonly Histogram<double> DrainDuration = Duration(
        "pcache.drain.duration", "Time that a drain took that was asked for.");

    /// <summary>Time that a write waited.</summary>
    public static readonly Histogram<double> SpaceWaitDuration = Duration(
        "pcache.space.wait.duration", "Time that an operation waited for room in the cache.");

    /// <summary>Errors by kind.</summary>
    public static readonly Counter<long> Errors = Meter.CreateCounter<long>(
        "pcache.errors", "{error}", "Errors met, by kind.");

    static PCacheMeter()
    {
        Count("pcache.io", "By", "Bytes that callers read and wrote.", "pcache.io.direction",
            ("read", s => s.Counters.Sum(DeviceCounter.ReadBytes)),
            ("write", s => s.Counters.Sum(DeviceCounter.WrittenBytes)));
        Count("pcache.operations", "{operation}", "Operations of callers.", "pcache.operation",
            ("read", s => s.Counters.Sum(DeviceCounter.Hits) + s.Counters.Sum(DeviceCounter.Misses)),
            ("write", s => s.Counters.Sum(DeviceCounter.Writes)),
            ("flush", s => s.Counters.Sum(DeviceCounter.Flushes)),
            ("discard", s => s.Counters.Sum(DeviceCounter.Discards)));
        Count("pcache.cache.reads", "{operation}", "Reads, by whether they needed the backing.", "pcache.cache.result",
            ("hit", s => s.Counters.Sum(DeviceCounter.Hits)), ("miss", s => s.Counters.Sum(DeviceCounter.Misses)));
        Count("pcache.cache.io", "By", "Bytes read, by where they came from.", "pcache.cache.result",
            ("hit", s => s.Counters.Sum(DeviceCounter.HitBytes)),
            ("miss", s => s.Counters.Sum(DeviceCounter.MissBytes)));
        Count(
            "pcache.cache.fills.skipped", "{operation}", "Read misses that didn't fill the cache, by reason.",
            "pcache.reason",
            ("no_room", s => s.Counters.Sum(DeviceCounter.FillsWithoutRoom)),
            ("suspended", s => s.Counters.Sum(DeviceCounter.FillsSuspended)));
        Count("pcache.writeback.io", "By", "Bytes written to the backing.", null, (null, s => s.WritebackBytes));
        Count("pcache.space.waits", "{operation}", "Operations that had to wait for room in the cache.", null,
            (null, s => s.Counters.Sum(DeviceCounter.SpaceWaits)));
        Count("pcache.segment.reclaimed", "{segment}", "Segments that garbage collection gave back.", null,
            (null, s => s.SegmentsReclaimed));
        Level("pcache.dirty.size", "By", "Payload that the backing doesn't have yet; overwrites count each time.", null,
            (null, s => s.DirtyBytes));
        Level("pcache.dirty.keys", "{key}", "Keys that the backing doesn't have yet.", null, (null, s => s.DirtyKeys));
        Level("pcache.backing.flushes_behind", "{flush}", "Flushes that the backing alone doesn't have yet.", null,
            (null, s => s.FlushesBehind));
        Level("pcache.pending.keys", "{key}", "Keys accepted but not yet logged.", null, (null, s => s.PendingKeys));
        Level("pcache.damaged.size", "By", "Dirty data that doesn't fit its checksum.", null,
            (null, s => s.DamagedBytes));
        Level("pcache.segment.count", "{segment}", "Segments, by what they are used for.", "pcache.segment.state",
            ("free", s => s.FreeSegments), ("reserved", s => s.ReservedSegments), ("log", s => s.LogSegments),
            ("data", s => s.DataSegments), ("retired", s => s.RetiredSegments));
        Level("pcache.log.size", "By", "Length of the log that a replay would read.", null, (null, s => s.LogBytes));
        Level("pcache.index.memory", "By", "Native memory in use for the index.", null, (null, s => s.IndexBytes));
        Level(
            "pcache.space.waiters", "{operation}", "Operations that wait for room now.", null, (null, s => s.Waiters));
        Level("pcache.condition", "1", "1 for the condition that the device is in, 0 for the others.", "pcache.state",
            ("clean", s => Is(s, PCacheCondition.Clean)), ("dirty", s => Is(s, PCacheCondition.Dirty)),
            ("writeback_stalled", s => Is(s, PCacheCondition.WritebackStalled)),
            ("degraded", s => Is(s, PCacheCondition.Degraded)));
        Meter.CreateObservableGauge(
            "pcache.writeback.stalled.time", () => Observe<double>(null, [(null, s => s.StalledSeconds)]), "s",
            "Time since write-back has stalled; 0 if it hasn't.");
    }

    /// <summary>Tells of a device from now on.</summary>
    public static void Add(DeviceDiagnostics device)
    {
        using (DevicesLock.Hold())
        {
            Devices.RemoveAll(static reference => !reference.TryGetTarget(out _));
            Devices.Add(new WeakReference<DeviceDiagnostics>(device));
        }
    }

    /// <summary>Tells of it no longer.</summary>
    public static void Remove(DeviceDiagnostics device)
    {
        using (DevicesLock.Hold())
        {
            Devices.RemoveAll(
                reference => !reference.TryGetTarget(out DeviceDiagnostics? target) || ReferenceEquals(target, device));
        }
    }

    /// <summary>Records; what a listener throws is ignored.</summary>
    public static void Record(
        Histogram<double> histogram, double value, params ReadOnlySpan<KeyValuePair<string, object?>> attributes)
    {
        try
        {
            histogram.Record(value, attributes);
        }
        catch (Exception)
        {
            // A listener's or logger's own failure can't be reported anywhere.
        }
    }

    /// <summary>Counts an error; what a listener throws is ignored.</summary>
    public static void CountError(ReadOnlySpan<KeyValuePair<string, object?>> attributes)
    {
        try
        {
            Errors.Add(1, attributes);
        }
        catch (Exception)
        {
            // A listener's or logger's own failure can't be reported anywhere.
        }
    }

    /// <summary>
    /// A histogram of times, with buckets of its own: a collector's usual ones are made for milliseconds, and would
    /// have nearly all of these in one.
    /// </summary>
    private static Histogram<double> Duration(string name, string description) => Meter.CreateHistogram(
        name, "s", description, tags: null, new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]
        });

    private static long Is(in DeviceSnapshot snapshot, PCacheCondition condition) =>
        snapshot.State.Condition == condition ? 1 : 0;

    private static void Count(string name, string unit, string description, string? attribute,
        params (string? Value, Func<DeviceSnapshot, long> Read)[] series) =>
        Meter.CreateObservableCounter(name, () => Observe(attribute, series), unit, description);

    private static void Level(string name, string unit, string description, string? attribute,
        params (string? Value, Func<DeviceSnapshot, long> Read)[] series) =>
        Meter.CreateObservableUpDownCounter(name, () => Observe(attribute, series), unit, description);

    private static List<Measurement<T>> Observe<T>(
        string? attribute, (string? Value, Func<DeviceSnapshot, T> Read)[] series)
        where T : struct
    {
        var measurements = new List<Measurement<T>>();
        foreach (DeviceDiagnostics device in Living())
        {
            if (!device.TryRead(out DeviceSnapshot snapshot))
            {
                continue;
            }

            foreach ((string? value, Func<DeviceSnapshot, T> read) in series)
            {
                measurements.Add(attribute is null
                    ? new Measurement<T>(read(snapshot), device.Attributes)
                    : new Measurement<T>(
                        read(snapshot), [.. device.Attributes, new KeyValuePair<string, object?>(attribute, value)]));
            }
        }

        return measurements;
    }

    private static List<DeviceDiagnostics> Living()
    {
        var living = new List<DeviceDiagnostics>();
        using (DevicesLock.Hold())
        {
            foreach (WeakReference<DeviceDiagnostics> reference in Devices)
            {
                if (reference.TryGetTarget(out DeviceDiagnostics? device))
                {
                    living.Add(device);
                }
            }
        }

        return living;
    }
}
