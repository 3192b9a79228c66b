using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// The ways that an operation goes when nothing has to be waited for: a hit, a direct write, a merge, a batch.
internal static partial class RuleTable
{
    private static RuleRow[] HotPaths =>
    [
        new(
            "DirectPlaceNotChecked", "Direct writes",
            "a direct write takes the place that it found without the lock, though the lock was held since",
            Concurrency,
            [
                new(
                    Direct,
                    """
                    kept = peeked && shard.Gate.TryEnterUnchanged(place.Version)
                        ? Overwrite(shard, in place, stripe, offset, in room, crc)
                        : _writer.TryPublish(offset, in room, crc, ExtentFlags.None);
                    """,
                    """
                    if (peeked)
                    {
                        shard.Gate.Enter();
                        kept = Overwrite(shard, in place, stripe, offset, in room, crc);
                    }
                    else
                    {
                        kept = _writer.TryPublish(offset, in room, crc, ExtentFlags.None);
                    }
                    """),
            ]),
        new(
            "DirectRoomNotReturned", "Direct writes",
            "a direct write that fails keeps its room",
            Faults,
            [
                new(
                    Direct,
                    """
                    if («!kept»)
                    {
                        _heads.Return(in room);
                    """,
                    "false"),
            ]),
        new(
            "DirectKeyOfNextSector", "Direct writes",
            "the key of a direct write names the sector behind its payload",
            Model,
            [new(Direct, "key.SegmentOffset = «(uint)room.Offset»;", "(uint)room.Offset + SectorSize")]),
        new(
            "DirectKeyWithoutChecksum", "Direct writes",
            "the key of a direct write has no checksum",
            Model,
            [new(Direct, "key.PayloadCrc = «crc»;", "0u")]),
        new(
            "DirectKeyOfOtherGeneration", "Direct writes",
            "the key of a direct write has the generation before its segment's",
            Model,
            [new(Direct, "key.Generation = «generation»;", "generation - 1")]),
        new(
            "DirectKeyClean", "Direct writes",
            "the key of a direct write is logged as clean",
            Model,
            [new(Direct, "key.Flags = «0»;", "CacheKey.CleanFlag")]),
        new(
            "DirectWriteNotCounted", "Direct writes",
            "a direct write isn't counted as dirty",
            Model,
            [new(Direct, "_dirty.Add(room.LengthBytes);", "")]),
        new(
            "DirectWriteDiscarded", "Direct writes",
            "a direct write leaves its range in the queue of discards",
            Model,
            [new(Direct, "_discards.Rewritten(stripe, sector, sector + sectors);", "")]),
        new(
            "HitNotCheckedAfterCopy", "Hits",
            "a hit doesn't look at the generation again after the copy",
            Concurrency,
            [
                new(
                    Extents,
                    """
                    Volatile.ReadBarrier();
                    if («IsDead(in extent)»)
                    """,
                    "false"),
            ]),
        new(
            "HitChecksumIgnored", "Hits",
            "a hit returns payload that doesn't fit its checksum",
            Faults,
            [new(Extents, "bool fits = !verify || «PayloadFits(in extent)»;", "true")]),
        new(
            "IndexLatchNotChecked", "Hits",
            "what was read of the index without the lock counts though the lock was held since",
            Concurrency,
            [
                new(
                    Peeking,
                    """
                    found = slot;
                    GC.KeepAlive(this);
                    return «gate.IsUnchangedSince(version)»;
                    """,
                    "true"),
            ]),
        new(
            "MergedSectorOfOtherDevice", "Merges",
            "a partial write merges with the sector that this thread stored last, though on another device",
            Model,
            [new(MergedSector, "if («_device != device» || _place != place", "false")]),
        new(
            "MergedSectorOfOtherGeneration", "Merges",
            "a partial write merges with the sector that this thread stored last, though its place was used again",
            Model,
            [new(MergedSector, "|| «_generation != generation»)", "false")]),
        new(
            "BatchOrderReversed", "Batches",
            "the pieces of a batch enter index and log from the last on",
            Model,
            [
                new(
                    Groups,
                    """
                    DrainPayload();
                    «»ulong left
                    """,
                    "pieces.Reverse();"),
            ]),
        new(
            "BatchRoomReturned", "Batches",
            "a batch gives the room of its pieces back though their keys own it",
            Model,
            [new(Groups, "piece.Room = default;", "")]),
        new(
            "BatchKeyWithoutChecksum", "Batches",
            "the keys of a batch have no checksum",
            Model,
            [new(Groups, "in piece.Room, «piece.Crc», ExtentFlags.None", "0u")]),
    ];

    /// <summary>Moments at which a check may do something on the same thread.</summary>
    public static IReadOnlyList<Probe> Probes { get; } =
    [
        new("DirectPlaceFound", "a direct write has found its place without the lock", Direct, "«»if (!peeked)"),
        new("HitFound", "a hit has found its extent and is about to copy", Extents,
            "«»Region.CopyOut(PayloadAddress(in extent) + skipBytes, destination);"),
        new("PageFound", "a lookup without the lock has found a page's place", Peeking,
            "«»Slot slot = *place;\nint inPage"),
    ];
}
