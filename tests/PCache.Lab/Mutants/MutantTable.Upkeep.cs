using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Write-back, collection, maintenance, the queue for room, discards.
internal static partial class MutantTable
{
    private static Mutant[] Upkeep =>
    [
        new("LeavingTailNotReplaced", SpaceQueue, "_tail = before;", "", "SpaceQueueModelTests"),
        new("LeavingTailEndsTheQueue", SpaceQueue, "_tail = before;", "_tail = null;", "SpaceQueueModelTests"),
        new("LeaverStillWantsRoom", SpaceQueue, "_wantedBytes -= waiter.WantedBytes;", "", "SpaceQueueModelTests"),
        new("LeaverInTheMiddleStays", SpaceQueue, "before.Next = waiter.Next;", "", "SpaceQueueModelTests"),
        new(
            "ReleasedRoomOutlivesTheQueue", SpaceQueue,
            "Interlocked.Exchange(ref _releasedBytes, 0);",
            "",
            "SpaceQueueTests", "SpaceQueueModelTests"),
        new("SpareRoomOutlivesTheQueue", SpaceQueue, "_spareBytes = 0;", "", "SpaceQueueTests", "SpaceQueueModelTests"),
        new(
            "FailureReachesTheFirstOnly", SpaceQueue,
            "at.Fail(failure);",
            "if (ReferenceEquals(at, _head)) { at.Fail(failure); }",
            "SpaceQueueModelTests"),
        new("DamagedKeysPassedBeforeTheyAreFlushed", Relogging, "_parts.Log.Flush();", "", "DamagedRelogTests"),
        new(
            "RelogTakesNoReference", Relogging,
            "_parts.Segments.AddReference((int)piece.Segment);",
            "",
            "DamagedRelogTests"),
        new("RelogCountsNothing", Relogging, "_parts.Dirty.Add(anew.Length);", "", "DamagedRelogTests"),
        new("RelogNeedsOrdinaryRoom", Relogging, "anew: «true»", "false", "DamagedRelogTests"),
        new("CutPieceLoggedWithTheWholeKeysIdentity", Relogging, "index.Insert(in piece);", "", "DamagedRelogTests"),
        new(
            "WritebackIgnoresTheCut", Worker,
            "Math.Min(backingEnd, EndsAt)",
            "backingEnd",
            "TruncationRaceTests"),
        new(
            "OneStripesKeysMarkedInAnother", Worker,
            "KeyExtents.StripeOf(in _written[entries[i]]) == stripe",
            "true",
            "MarkCleanTests"),
        new("KeysOfAGroupNotMarkedClean", Worker, "MarkClean(index, in _written[entries[i]]);", "", "MarkCleanTests"),
        new("AsyncWriteErrorIgnored", BackingWriter, "task.GetAwaiter().GetResult();", "", "BackingWriterFillTests"),
        new(
            "HelpersErrorIgnored", BackingWriter,
            "catch (Exception e)\n        {\n            «_failure ??= e;»\n        }",
            "",
            "BackingWriterTests"),
        new(
            "ShortFillTaken", BackingWriter,
            "if («have < data.Length && run.Offset + have < _backing.Length»)",
            "have < 0",
            "BackingWriterFillTests"),
        new(
            "RunWithoutFill", BackingWriter,
            "_backing.Read(run.Offset, data)",
            "data.Length",
            "BackingWriterFillTests"),
        new(
            "PieceCopiedToTheRunsBeginning", BackingWriter,
            "data[(int)(piece.Offset - run.Offset)..]",
            "data",
            "BackingWriterFillTests"),
        new(
            "RunGoesBeyondItsLimit", Plan,
            "_runLimit = _runStart + shape.MaxRunBytes;",
            "_runLimit = _runStart + (2 * shape.MaxRunBytes);",
            "WritebackPlanTests", "WritebackPlanModelTests"),
        new(
            "NeighboursInTheRegionAlone", Plan,
            "start == lastEnd && source == last.Source + last.LengthBytes",
            "source == last.Source + last.LengthBytes",
            "BackingWriterFillTests"),
        new(
            "OldestOnTop", PlanHeap,
            "_heap[parent] > entry",
            "_heap[parent] < entry",
            "WritebackPlanTests", "WritebackPlanModelTests"),
        new(
            "ReleasedLogSegmentGivesNoRoom", Collector,
            "_segments.ReleaseLog(segment)",
            "_segments.ReleaseLog(segment) && false",
            "LogRoomTests"),
        new(
            "ReclaimedSegmentGivesNoRoom", Collector,
            "_segments.Reclaim(segment)",
            "_segments.Reclaim(segment) && false",
            "LogRoomTests"),
        new("CollectedKeysKeepTheirReferences", Collector, "_dropped.Add((int)keys[i].Segment);", "", "LogRoomTests"),
        new(
            "LeftLogSegmentsKept", Collector,
            "_leftLogSegments.Add(at.Position.Segment);",
            "",
            "LogRoomTests", "SegmentCountTests"),
        new(
            "LogSegmentLeftByOneReplica", Collector,
            "both: forGood || «_leftLogSegments.Count > 0»",
            "false",
            "TailReplicaTests"),
        new(
            "RewrittenRangeDiscarded", ExtentWriter,
            "Discards.Rewritten(stripe, extent.Start, extent.End);",
            "",
            "DiscardOrderTests"),
        new(
            "OverwrittenRangeDiscarded", Direct,
            "_discards.Rewritten(stripe, sector, sector + sectors);",
            "",
            "DiscardOrderTests"),
        new("DiscardBeginsInAStrangersBlock", Forwarding, "(from + block - 1) & -block", "from & -block",
            "DiscardTests"),
        new(
            "DiscardEndsInAStrangersBlock", Forwarding,
            "to &= -block;",
            "to = (to + block - 1) & -block;",
            "DiscardTests"),
        new(
            "DiscardEndsInAStrangersSector", Discards,
            "Math.Min(offset + length, store.Length) / SectorSize",
            "(Math.Min(offset + length, store.Length) + SectorSize - 1) / SectorSize",
            "DiscardOrderTests"),
        new(
            "DiscardBeginsInAStrangersSector", Discards,
            "(offset + SectorSize - 1) / SectorSize",
            "offset / SectorSize",
            "DiscardOrderTests"),
        new(
            "DiscardDropsDirtyData", Ranges,
            "index.RemoveWhere(from, to, ref clean);",
            "index.Remove(from, to);",
            "DiscardOrderTests"),
        new("DiscardForwardedAtOnce", DiscardQueue, "distance <= dirtyTailDistance", "true", "DiscardQueueTests"),
        new(
            "RestBehindARewriteForgotten", DiscardQueue,
            "_ranges.Insert(i, (end, rangeEnd, distance));",
            "",
            "DiscardQueueTests"),
        new(
            "RestBeforeARewriteForgotten", DiscardQueue,
            "_ranges.Insert(i, (rangeFirst, first, distance));",
            "",
            "DiscardQueueTests"),
        new("TakenRangeStays", DiscardQueue, "_ranges[i] = (end, rangeEnd, distance);", "", "DiscardQueueTests"),
        new("ReachedIsNotTold", Asked, "request.OnReached?.Invoke();", "", "TruncationRaceTests"),
        new(
            "CollectionDoneWhenNothingIsLeftToWrite", Asked,
            "nothingLeft && !request.Collect",
            "nothingLeft",
            "TailReplicaTests", "TruncationRaceTests"),
        new(
            "CutGoesByWriteBackAlone", Asked,
            "(request.Collect ? collected : writtenBack)",
            "writtenBack",
            "TailReplicaTests"),
    ];
}
