using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// What callers ask for: opens, reads, writes, lengths, flushes.
internal static partial class MutantTable
{
    private static Mutant[] Requests =>
    [
        new("PublishIgnoresTruncation", Pieces, "offset + room.LengthBytes > Length", "false", "TruncationRaceTests"),
        new("PartIgnoresTruncation", Pieces, "offset + data.Length > length", "false", "TruncationRaceTests"),
        new("MergedSectorKeepsWhatIsBeyondTheEnd", Pieces, "content[valid..].Clear();", "")
        {
            Equivalent = "the truncation that is still to come drops the cache's copy of its last sector",
        },
        new(
            "BatchIgnoresTruncation", Batches,
            "piece.Offset + piece.Room.LengthBytes > length",
            "false",
            "TruncationRaceTests"),
        new("CutPiecesOfABatchForgotten", Batches, "WriteAnew(pieces[firstCut..], writes);", "", "TruncationRaceTests"),
        new(
            "PublishedPieceOfABatchReturned", Batches,
            "piece.Room = default;",
            "",
            "TruncationRaceTests", "PendingKeysTests"),
        new("CutPieceOfABatchKept", Batches, "«_heads.Return(in room);»", "", "TruncationRaceTests"),
        new(
            "OverwriteWhateverTheVersion", Direct,
            "shard.Gate.TryEnterUnchanged(place.Version)",
            "shard.Gate.TryEnter()",
            "TruncationRaceTests"),
        new(
            "LatchForgetsTheVersion", Latch,
            "TryEnterUnchanged(long version) => «Interlocked.CompareExchange(ref _version, version + 1, version) "
            + "== version»;",
            "TryEnter()",
            "TruncationRaceTests", "LatchTests"),
        new("OverwriteIgnoresTheLength", Direct, "offset + length <= Length", "true")
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
        new("OverwriteRelievesNobody", Direct, "_log.Relieve(shard.Id);", "", "PendingKeysTests"),
        new("OverwriteKeyFromTheLastUse", Direct, "key.Flags = 0;", "", "DirectWriteTests"),
        new("OverwriteOfTheWrongPage", Direct, "(inStripe & (length - 1)) == 0", "true", "DirectWriteTests"),
        new(
            "OverwriteOfAnyLength", Direct,
            "(wholePage || length == SectorSize)",
            "(wholePage || length >= SectorSize)",
            "DirectWriteTests"),
        new(
            "PublishRelievesNobody", Pieces,
            "return WriteStep.Again;\n            }\n\n            relieve = «PublishLocked(shard, stripe, "
            + "MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, crc, flags))»;",
            "!PublishLocked(shard, stripe, MakeExtent((int)(offset & (StripeSize - 1)) / SectorSize, in room, "
            + "crc, flags)) && false",
            "PendingKeysTests"),
        new("BatchRelievesNobody", Batches, "_log.Relieve(shard.Id);", "", "PendingKeysTests"),
        new(
            "GrowthsCountedAfterTheFlush", Flushing,
            "_backing.Flush();\n            NoteGrowthsFlushed(«growths»);",
            "Volatile.Read(ref _growths)",
            "GrowthDurabilityTests"),
        new(
            "GrowthsCountedAfterTheFlushAsync", Flushing,
            "await _backing.FlushAsync(cancellationToken).ConfigureAwait(false);\n            "
            + "NoteGrowthsFlushed(«growths»);",
            "Volatile.Read(ref _growths)",
            "GrowthDurabilityTests"),
        new(
            "GrowthNotFlushedByAFlush", Flushing,
            "private bool GrowthUnflushed => «Volatile.Read(ref _growths) != Volatile.Read(ref _growthsFlushed)»;",
            "false",
            "GrowthDurabilityTests"),
        new(
            "GrowthNotCounted", Lengths,
            "_backing.SetLength(length);\n        «Interlocked.Increment(ref _growths);»",
            "",
            "GrowthDurabilityTests"),
        new(
            "GrowthNotCountedAsync", Lengths,
            "await _backing.SetLengthAsync(length, cancellationToken).ConfigureAwait(false);\n        "
            + "«Interlocked.Increment(ref _growths);»",
            "",
            "GrowthDurabilityTests"),
        new(
            "KeysDurableBeforeTheLength", Lengths,
            "if (_region.IsPowerSafe)\n        {\n            «_backing.Flush();»",
            "",
            "GrowthDurabilityTests"),
        new(
            "KeysDurableBeforeTheLengthAsync", Lengths,
            "if (_region.IsPowerSafe)\n        {\n            «await "
            + "_backing.FlushAsync(CancellationToken.None).ConfigureAwait(false);»",
            "",
            "GrowthDurabilityTests"),
        new(
            "CutNotFlushed", Lengths,
            "_backing.SetLength(length);\n        «_backing.Flush();»",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutNotFlushedAsync", Lengths,
            "await _backing.SetLengthAsync(length, CancellationToken.None).ConfigureAwait(false);\n        "
            + "«await _backing.FlushAsync(CancellationToken.None).ConfigureAwait(false);»",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutNotBound", Lengths,
            "«BindShorter(length);»\n        _backing.SetLength(length);",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutNotBoundAsync", Lengths,
            "«BindShorter(length);»\n        await _backing",
            "",
            "TruncationDurabilityTests"),
        new(
            "CutKeysPending", Lengths,
            "«_log.AppendAll();»\n\n        // From the moment",
            "",
            "TruncationRaceTests", "TruncationDurabilityTests"),
        new("CutRangesDiscarded", Lengths, "_discards.TruncateTo(length / SectorSize);", "", "TruncationRaceTests"),
        new(
            "LastSectorKeepsItsCleanCopy", Lengths,
            "shard.Stripes.Find(stripe)?.RemoveWhere(sector, sector + 1, ref clean);",
            "",
            "TruncationDurabilityTests"),
        new(
            "MissOvertakenByATruncationFills", Lengths,
            "index.RemoveWhere(sector, sector + 1, ref placeholders);",
            "",
            "TruncationDurabilityTests"),
        new("WriteBackStaysCut", Lengths, "_writeback.EndsAt = long.MaxValue;", "", "TruncationRaceTests"),
        new(
            "MissLeavesBytesBeyondTheEnd", MissOperation,
            "Math.Min(bytes, _validLength)",
            "bytes",
            "MissOperationTests"),
        new(
            "MissTakesTheBackingsEndForTheDevices", MissOperation,
            "deviceLength - ReadOffset",
            "backingLength - ReadOffset",
            "MissOperationTests"),
        new("MissIsNeverCut", MissOperation, "_validLength < _readLength", "false", "MissOperationTests"),
        new("CutMissFills", Misses, "!miss.IsCut", "true", "TruncationTests", "TruncationRaceTests"),
        new(
            "FailedMissKeepsItsRooms", Misses,
            "foreach ((PayloadRoom room, _) in miss.Rooms)\n        {\n            «_heads.Return(in room);»",
            "",
            "MissRoomTests"),
        new(
            "OvertakenFillKeepsItsRoom", Misses,
            "if (keys == 0)\n            {\n                «_heads.Return(in room);»",
            "",
            "MissRoomTests"),
        new("SplitFillTakesOneReference", Misses, "_segments.AddReference(room.Segment);", "", "MissRoomTests"),
        new(
            "SplitFillHasTheWholesChecksum", Misses,
            "part.PayloadCrc = _payloadCrc ? Crc32C.HashToUInt32(miss.Data.Slice((part.Start - miss.Start) * "
            + "SectorSize, part.Length * SectorSize)) : 0;",
            "",
            "MissRoomTests"),
        new(
            "FailedMissLeavesItsPlaceholders", Misses,
            "if (miss.HasPlaceholders)\n        {\n            using (miss.Shard.Gate.Hold())\n            {\n   "
            + "             «RemovePlaceholders(miss);»",
            "",
            "MissRoomTests"),
        new("OpenDoesNotFlushTheLength", Opening, "_backing.Flush();", "", "GrowthDurabilityTests"),
        new(
            "OpenDoesNotFlushWhatItFinds", Opening,
            "_region.FlushRange(0, _region.LengthBytes);",
            "",
            "SecondOwnerTests"),
        new("OpenClearsNoHeads", Opening, "Segments.ClearFreeHeads();", "", "LeftoverKsetTests"),
        new(
            "OpenLeavesTheOlderKeyTail", Opening,
            "Positions.WriteKeyTail(Positions.KeyTail, both: true);",
            "",
            "KeyTailReplicaTests"),
        new(
            "NoSecondLookAtTheGeneration", Reading,
            "Volatile.ReadBarrier();\n        if («IsDead(in extent)»)",
            "false",
            "SegmentReuseTests"),
        new("ReadsNotVerified", Reading, "!verify || PayloadFits(in extent)", "true", "DamagedPayloadTests"),
    ];
}
