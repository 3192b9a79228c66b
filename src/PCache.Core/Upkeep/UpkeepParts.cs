using PCache.Core.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Writeback;

namespace PCache.Core.Upkeep;

/// <summary>What the maintenance of a writable device works with.</summary>
internal sealed record UpkeepParts
{
    /// <summary>What is cached.</summary>
    public required ExtentStore Store { get; init; }

    /// <summary>The writer's half of it.</summary>
    public required ExtentWriter Writer { get; init; }

    /// <summary>Writes groups back.</summary>
    public required WritebackWorker Writeback { get; init; }

    /// <summary>Gives segments back.</summary>
    public required GarbageCollector Collector { get; init; }

    /// <summary>Tells the backing of discards.</summary>
    public required DiscardForwarder Discards { get; init; }

    /// <summary>Writers that wait for room.</summary>
    public required SpaceQueue Space { get; init; }

    /// <summary>Watches backing and cache file.</summary>
    public required StorageWatch Storage { get; init; }

    /// <summary>When the cache counts as nearly full.</summary>
    public required SegmentAlarm Alarm { get; init; }

    /// <summary>Tells the thread of work.</summary>
    public required WorkSignal Work { get; init; }

    /// <summary>Operations in flight; the thread is one of them.</summary>
    public required OperationGate Gate { get; init; }

    /// <summary>Looks at the state.</summary>
    public required StateMonitor Monitor { get; init; }

    /// <summary>Messages and measurements.</summary>
    public required DeviceDiagnostics Diagnostics { get; init; }

    /// <summary>The device's settings.</summary>
    public required PCacheOptions Options { get; init; }

    /// <summary>Whether the open found keys whose payload is gone: they leave the log as soon as may be.</summary>
    public required bool HasDeadKeys { get; init; }
}
