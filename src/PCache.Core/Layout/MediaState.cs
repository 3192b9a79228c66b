namespace PCache.Core.Layout;

/// <summary>
/// Everything on the medium but the log, loaded and validated. Keeps true: every chain entry is a physical segment of
/// the device, named once; both tails lie inside a data area; arrays are as long as the chain. Filled by
/// <see cref="MediaLoader"/>; the code that writes a structure later advances its replica state here.
/// </summary>
internal sealed class MediaState
{
    public required Geometry Geometry { get; init; }

    /// <summary>The superblock's flags word, as stored.</summary>
    public required uint SuperblockFlags { get; init; }

    public required CacheInfo CacheInfo { get; set; }

    public required ReplicaState CacheInfoReplicas { get; set; }

    /// <summary>
    /// Whether only one replica of the cache info is valid. Without any, Linux takes the cache for a new one.
    /// </summary>
    public required bool CacheInfoInOneReplica { get; set; }

    /// <summary>Chain positions of segments whose info has lost the replica that links them to the next.</summary>
    public required IReadOnlyList<int> UnlinkedSegments { get; set; }

    public CacheFlags Flags => new(CacheInfo.Flags);

    /// <summary>Chain position (cache segment id) to physical segment.</summary>
    public required int[] Chain { get; init; }

    public int ChainLength => Chain.Length;

    /// <summary>
    /// Generation by chain position, as stored; 0 where it couldn't be read (only where findings are collected).
    /// </summary>
    public required ulong[] Generations { get; init; }

    /// <summary>
    /// Replica state of each generation; <see cref="ReplicaState.Latest"/> -1: couldn't be read (only where findings
    /// are collected).
    /// </summary>
    public required ReplicaState[] GenerationReplicas { get; init; }

    public required LogPosition KeyTail { get; init; }

    public required ReplicaState KeyTailReplicas { get; set; }

    /// <summary>The latest valid dirty tail.</summary>
    public required LogPosition DirtyTail { get; init; }

    /// <summary>
    /// The older valid replica of the dirty tail, beyond which GC never goes; the same as <see cref="DirtyTail"/> if
    /// only one is valid.
    /// </summary>
    public required LogPosition DirtyTailOlder { get; init; }

    public required ReplicaState DirtyTailReplicas { get; set; }

    /// <summary>The extension block; null if there is no valid one (an image that Linux formatted).</summary>
    public ExtensionBlock? Extension { get; set; }

    public ReplicaState ExtensionReplicas { get; set; }

    /// <summary>Whether a segment's generation could be read: always, unless findings are collected.</summary>
    public bool IsGenerationKnown(int segment) => GenerationReplicas[segment].Latest >= 0;

    /// <summary>Device offset of a byte of a cache segment's data area.</summary>
    public long DeviceOffset(LogPosition position) => Geometry.DataOffset(Chain[position.Segment]) + position.Offset;
}
