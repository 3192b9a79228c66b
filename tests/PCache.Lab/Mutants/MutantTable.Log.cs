using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// The log: appending, positions, segments.
internal static partial class MutantTable
{
    private static Mutant[] Log =>
    [
        new(
            "BarrierLostAtLink",
            LogAppending,
            "_positions.AdvanceHead(new LogPosition(next, 0), MediaConstants.KsetHeaderSize);",
            "_barrierPending = false; _positions.AdvanceHead(new LogPosition(next, 0), MediaConstants.KsetHeaderSize);",
            "LogBarrierTests"),
        new("NothingCountsAsAppendedBehindABarrier", LogAppending, "_appendedSinceBarrier = true;", "", "LogBarrierTests"),
        new(
            "EveryKsetIsABarrier", LogAppending,
            "«_barrierPending = false;»\n        _appendedSinceBarrier = true;",
            "",
            "LogBarrierTests"),
        new("KsetRoomNotGivenBack", LogAppending, "Room.Used(keys, ksetBytes);", "", "LogRoomTests"),
        new(
            "LinkForgetsTheRoomOfTheHead", LogRoom,
            "(refilledSegments * (long)_segmentBytes) - HeadRoom(headOffset)",
            "refilledSegments * (long)_segmentBytes",
            "LogRoomTests"),
        new(
            "LinkForgetsTheRefilledReserve", LogRoom,
            "(refilledSegments * (long)_segmentBytes) - HeadRoom(headOffset)",
            "0L - HeadRoom(headOffset)",
            "LogRoomTests"),
        new(
            "LinkHasNoLength", LogAppending,
            "_positions.AdvanceHead(new LogPosition(next, 0), «MediaConstants.KsetHeaderSize»);",
            "0",
            "LogRoomTests", "LogBarrierTests"),
        new(
            "UnreserveGivesBackTooLittle", LogRoom,
            "public void Unreserve(int keys) => Interlocked.Add(ref _availableBytes, «(long)keys * "
            + "WorstCaseKeyBytes»);",
            "(long)keys * 8",
            "LogRoomTests"),
        new(
            "FailedAppendIsOverlooked", LogWriter,
            "_taken.Count > 0 ? TimeSpan.MaxValue : null",
            "null",
            "PendingKeysTests"),
        new(
            "OlderDirtyTailCountsAsLatestAfterOpen", LogPositions,
            "_dirtyTailOlder = keyTail;",
            "_dirtyTailOlder = dirtyTail;",
            "TailReplicaTests"),
        new(
            "OlderDirtyTailMovesAlong", LogPositions,
            "_dirtyTailOlder = _dirtyTail;",
            "_dirtyTailOlder = point;",
            "TailReplicaTests"),
        new(
            "OlderKeyTailMovesAlong", LogPositions,
            "_keyTailOlder = both ? point : _keyTail;",
            "_keyTailOlder = point;",
            "TailReplicaTests"),
        new(
            "SecondKeyTailNotWritten", LogPositions,
            "if («both»)",
            "false",
            "TailReplicaTests"),
        new(
            "LogSegmentNotRaisedWhenTaken", NextSegment,
            "segments.RaiseIfNeeded(segment);",
            "",
            "SegmentReuseTests", "NextLogSegmentTests"),
        new(
            "NextSegmentReadyTooEarly", NextSegment,
            "_zeroedBytes == segments.DataSize",
            "_zeroedBytes >= segments.DataSize / 2",
            "NextLogSegmentTests"),
        new(
            "TakenSegmentStaysReady", NextSegment,
            "_segment = -1;\n            «_ready = -1;»",
            "",
            "NextLogSegmentTests"),
        new(
            "ZeroingGoesOnInAnotherSegment", NextSegment,
            "_segment = segment;\n            «_zeroedBytes = 0;»",
            "",
            "NextLogSegmentTests"),
        new("FreeSegmentsNotRaisedAfterOpen", SegmentTable, "_raiseBeforeUse[i] = true;", "", "SegmentReuseTests"),
        new(
            "DataSegmentNotRaisedWhenTaken", SegmentTable,
            "«RaiseIfNeeded(segment);»\n        }\n        catch",
            "",
            "SegmentReuseTests"),
        new(
            "FailedSegmentLost", SegmentTable,
            "_usedCount--;\n                «_free.Enqueue(segment);»",
            "",
            "SegmentCountTests"),
        new(
            "FailedSegmentCountsAsUsed", SegmentTable,
            "«_usedCount--;»\n                _free.Enqueue(segment);",
            "",
            "SegmentCountTests"),
        new(
            "FailedReclaimForgotten", SegmentFreeing,
            "«_unreferenced.Enqueue(segment);»\n            }\n\n            throw;",
            "",
            "SegmentCountTests"),
        new(
            "ReclaimedHeadNotCleared", SegmentFreeing,
            "RaiseGeneration(segment);\n            «ClearHead(segment);»",
            "",
            "LeftoverKsetTests"),
        new(
            "LinkRefillsUncounted", SegmentTable,
            "_reserve.Enqueue(more);\n                «refilled++;»",
            "",
            "LogRoomTests"),
        new(
            "LogSegmentNotCounted", SegmentTable,
            "«_usedCount++;»\n            while (_reserve",
            "",
            "SegmentCountTests"),
        new(
            "LogSegmentNotCountedAtOpen", SegmentTable,
            "_uses[segment] = SegmentUse.Log;\n            «_usedCount++;»\n        }\n    }",
            "",
            "SegmentCountTests"),
        new(
            "HeadTakesAKeyForNothing", DataHeads,
            "room = new PayloadRoom(head.Segment, head.Next, wantedBytes);\n                «head.Keys--;»",
            "",
            "DataHeadsTests", "LogRoomTests"),
        new(
            "RefusedPieceKeepsItsKey", DataHeads,
            "if (room.LengthBytes == 0)\n            {\n                «_keyRoom.Unreserve(1);»",
            "",
            "DataHeadsTests", "LogRoomTests"),
        new(
            "ReturnedPieceKeepsItsKey", DataHeads,
            "_segments.DropReference(room.Segment);\n        «_keyRoom.Unreserve(1);»",
            "",
            "DataHeadsTests", "LogRoomTests"),
        new(
            "ReturnedPieceKeepsItsReference", DataHeads,
            "«_segments.DropReference(room.Segment);»\n        _keyRoom.Unreserve(1);",
            "",
            "DataHeadsTests", "LogRoomTests"),
        new("RetiredHeadKeepsAReference", DataHeads, "head.References + 1", "head.References", "LogRoomTests"),
        new("ZeroPayloadNotFlushed", DataHeads, "_region.FlushRange(at, made.LengthBytes);", "", "ZeroPayloadTests"),
        new("ZeroPayloadNotWritten", DataHeads, "_region.WriteZeros(at, made.LengthBytes);", "", "ZeroPayloadTests"),
    ];
}
