using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// What callers ask for: opens, reads, writes, lengths, flushes.
internal static partial class MutantTable
{
    private static Mutant[] Requests =>
    [
        new("PublishIgnoresTruncation", ExtentWriter, "offset + room.LengthBytes > _store.Length", "false",
            "TruncationRaceTests"),
        new("PartIgnoresTruncation", Pieces, "offset + data.Length > length", "false", "TruncationRaceTests"),
        new("MergedSectorKeepsWhatIsBeyondTheEnd", Pieces, "content[valid..].Clear();", "")
        {
            Equivalent = "the truncation that is still to come drops the cache's copy of its last sector",
        },
        new(
            "BatchIgnoresTruncation", Groups,
            "piece.Offset + piece.Room.LengthBytes > length",
            "false",
            "TruncationRaceTests"),
        new(
            "CutPiecesOfABatchForgotten", Batches,
            "group.Pieces.AsSpan(«firstCut..group.Count»)",
            "..0",
            "TruncationRaceTests"),
        new(
            "PublishedPieceOfABatchReturned", Groups,
            "piece.Room = default;",
            "",
            "TruncationRaceTests", "PendingKeysTests"),
        new("CutPieceOfABatchKept", Groups, "«writer.Heads.Return(in room);»", "", "TruncationRaceTests"),
        new(
            "OverwriteWhateverTheVersion", Direct,
            "shard.Gate.TryEnterUnchanged(place.Version)",
            "shard.Gate.TryEnter()",
            "TruncationRaceTests"),
        new(
            "LatchForgetsTheVersion", Latch,
            "if («Interlocked.CompareExchange(ref _version, version + 1, version) != version»)",
            "!TryTake()",
            "TruncationRaceTests", "LatchTests"),
        new("OverwriteIgnoresTheLength", Direct, "offset + length <= _store.Length", "true")
        {
            Equivalent = "a truncation drops what lies beyond and its last sector, so no place is found there",
        },
        new(
            "OverwriteUnderAnOlderGeneration", Direct,
            "_segments.Generation(room.Segment)",
            "_segments.Generation(room.Segment) - 1",
            "DirectWriteTests"),
        new("OverwriteNotCounted", Direct, "_dirty.Add(room.LengthBytes);", "", "DirectWriteTests"),
        new("FailedOverwriteKeepsItsRoom", Direct, "_heads.Return(in room);", "", "DirectWriteTests"),
        new("OverwriteRelievesNone", Direct, "_log.Relieve(shard.Id);", "", "PendingKeysTests"),
        new("OverwriteKeyFromTheLastUse", Direct, "key.Flags = 0;", "", "DirectWriteTests"),
        new("OverwriteOfTheWrongPage", Direct, "(inStripe & (length - 1)) == 0", "true", "DirectWriteTests"),
        new(
            "OverwriteOfAnyLength", Direct,
            "(wholePage || length == SectorSize)",
            "(wholePage || length >= SectorSize)",
            "DirectWriteTests"),
        new(
            "PublishRelievesNone", ExtentWriter,
            "relieve = «PublishLocked(shard, stripe, MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in "
                + "room, crc, flags))»;",
            "!PublishLocked(shard, stripe, MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, crc, "
                + "flags)) && false",
            "PendingKeysTests"),
        new("BatchRelievesNone", Groups, "writer.Log.Relieve(shard.Id);", "", "PendingKeysTests"),
        new("MarkAddsNoKey", Growth, "writer.PublishZerosBeyond(mark, in room);", "writer.Heads.Return(in room);",
            "GrowthDurabilityTests"),
        new(
            "UnloggedLengthAfterACut", Lengths,
            "_writer.Log.LimitUnloggedLength(length);",
            "",
            "LengthInLogTests"),
        new("FailedGrowthForgotten", WorkerLengths, "_watch.NoteGrown(length);", "", "LengthInLogTests"),
        new("LengthBeginsAnewUntold", Lengths, "_writer.Log.Length.Begin(length);", "", "LengthInLogTests"),
        new(
            "CutNotFlushed", Lengths,
            "«await FlushBackingAsync(async).ConfigureAwait(false);»\n        _upkeep.Storage.BackingEnd = length;",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutNotBound", Lengths,
            "_records.BindShorter(cut, _backing.CanResize);",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutKeysPending", Lengths,
            "_writer.Log.AppendAll();",
            "",
            "TruncationRaceTests", "TruncationDurabilityTests"),
        new("CutRangesDiscarded", Lengths, "_writer.Discards.TruncateTo(length / MediaConstants.SectorSize);", "",
            "TruncationRaceTests"),
        new(
            "LastSectorKeepsItsCleanCopy", Ranges,
            "shard.Stripes.Find(stripe)?.RemoveWhere(sector, sector + 1, ref clean);",
            "",
            "TruncationDurabilityTests"),
        new(
            "MissOvertakenByATruncationFills", Ranges,
            "index.RemoveWhere(sector, sector + 1, ref placeholders);",
            "",
            "TruncationDurabilityTests"),
        new("WriteBackStaysCut", Lengths, "_upkeep.Writeback.EndsAt = long.MaxValue;", "", "TruncationRaceTests"),
        new(
            "MissLeavesBytesBeyondTheEnd", MissOperation,
            "Math.Min(bytes, _validLength)",
            "bytes",
            "MissOperationTests"),
        new(
            "MissTakesTheBackingsEndForTheDevices", MissOperation,
            "end - ReadOffset",
            "backingLength - ReadOffset",
            "MissOperationTests"),
        new("MissIsNeverCut", MissOperation, "_validLength < _readLength", "false", "MissOperationTests"),
        new("CutMissFills", Misses, "!miss.IsCut", "true", "TruncationTests", "TruncationRaceTests"),
        new(
            "FailedMissKeepsItsRooms", Misses,
            "foreach ((PayloadRoom room, _) in miss.Rooms)\n        {\n            «writer.Heads.Return(in room);»",
            "",
            "MissRoomTests"),
        new(
            "OvertakenFillKeepsItsRoom", Misses,
            "ref relieve) == 0)\n            {\n                «writer.Heads.Return(in room);»",
            "",
            "MissRoomTests"),
        new("SplitFillTakesOneReference", Misses, "Store.Segments.AddReference((int)whole.Segment);", "",
            "MissRoomTests"),
        new(
            "SplitFillHasTheWholesChecksum", Misses,
            "«part.PayloadCrc = Store.PayloadCrc\n                    ? "
                + "Crc32C.HashToUInt32(miss.Data.Slice((part.Start - miss.Start) * SectorSize, part.Length * "
                + "SectorSize))\n                    : 0;»",
            "",
            "MissRoomTests"),
        new(
            "FailedMissLeavesItsPlaceholders", Misses,
            "if (miss.HasPlaceholders)\n        {\n            using (miss.Shard.Gate.Hold())\n            {\n   "
            + "             «RemovePlaceholders(miss);»",
            "",
            "MissRoomTests"),
        new("OpenDoesNotFlushTheLength", Opening, "backing.Flush();", "", "GrowthDurabilityTests"),
        new(
            "OpenDoesNotFlushWhatItFinds", Opening,
            "region.FlushRange(0, region.LengthBytes);",
            "",
            "SecondOwnerTests"),
        new("OpenClearsNoHeads", Opening, "segments.ClearFreeHeads();", "", "LeftoverKsetTests"),
        new(
            "OpenLeavesTheOlderKeyTail", Opening,
            "positions.WriteKeyTail(positions.KeyTail, both: true);",
            "",
            "KeyTailReplicaTests"),
        new(
            "NoSecondLookAtTheGeneration", Extents,
            "Volatile.ReadBarrier();\n        if («IsDead(in extent)»)",
            "false",
            "SegmentReuseTests"),
        new("ReadsNotVerified", Extents, "!verify || PayloadFits(in extent)", "true", "DamagedPayloadTests"),
    ];
}
