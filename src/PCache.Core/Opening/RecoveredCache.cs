using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Writeback;

namespace PCache.Core.Opening;

/// <summary>
/// What an open has found, and made ready where the cache is writable: everything that an engine is composed from.
/// </summary>
internal sealed record RecoveredCache
{
    /// <summary>What stands on the medium, and the index made of it.</summary>
    public required FoundExtents Extents { get; init; }

    /// <summary>
    /// How long the device is by what isn't written back, in bytes; the backing may be longer. 0: that doesn't say.
    /// </summary>
    public required long LengthInLog { get; init; }

    /// <summary>Number of the last kset.</summary>
    public required uint LastSequence { get; init; }

    /// <summary>Segments in the log's reserve.</summary>
    public required int ReservedSegments { get; init; }

    /// <summary>Tells the maintenance of work; the segments have it already.</summary>
    public required WorkSignal Work { get; init; }

    /// <summary>Places that write-back wrote last before this open.</summary>
    public required IReadOnlyList<long> RecentPlaces { get; init; }

    /// <summary>What is durably known of the backing.</summary>
    public required BackingRecord BackingRecord { get; init; }

    /// <summary>Where that stands.</summary>
    public required ReplicaState BackingRecordReplicas { get; init; }

    /// <summary>How consistent write-back keeps the backing; null: the open is read-only.</summary>
    public required CheckpointSettings? Checkpoints { get; init; }

    /// <summary>What is told of the open.</summary>
    public required RecoveryReport Report { get; init; }
}
