using PCache.Core.Primitives;

namespace PCache.Core.Diagnostics;

/// <summary>
/// What the meter reads from a device when a listener collects: one look, so that what belongs together fits together
/// as far as it can.
/// </summary>
internal readonly record struct DeviceSnapshot
{
    public required CounterSet Counters { get; init; }

    public required long WritebackBytes { get; init; }

    public required long SegmentsReclaimed { get; init; }

    public required long DirtyBytes { get; init; }

    public required long DirtyKeys { get; init; }

    public required long DamagedBytes { get; init; }

    public required long PendingKeys { get; init; }

    public required long LogBytes { get; init; }

    public required long IndexBytes { get; init; }

    public required int Waiters { get; init; }

    public required int FreeSegments { get; init; }

    public required int ReservedSegments { get; init; }

    public required int LogSegments { get; init; }

    public required int DataSegments { get; init; }

    public required int RetiredSegments { get; init; }

    public required PCacheState State { get; init; }

    public required long FlushesBehind { get; init; }

    public required double StalledSeconds { get; init; }
}

/// <summary>A device that the meter reads.</summary>
internal interface IDeviceProbe
{
    /// <summary>Takes a look. False: the device is closed.</summary>
    bool TryRead(out DeviceSnapshot snapshot);
}
