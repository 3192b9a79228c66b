using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Ways in which caches of this kind have failed, by class; see docs/testing-rules.md.
internal static partial class RuleTable
{
    private static RuleRow[] ClassesTwo =>
    [
        new(
            "FileNotLocked", "Class 19",
            "a file is opened while its previous owner still writes",
            Model,
            [
                new(
                    FileOpening,
                    """
                    PmemFileOptions options, ref FileMaking made)
                    {
                        «»switch (FileLock.TryTake
                    """,
                    "return;"),
                new(
                    FileOpening,
                    "FileShare share = «options.ReadOnly ? FileShare.Read : FileShare.None»;",
                    "FileShare.ReadWrite"),
                new(
                    FileOpening,
                    "FileShare share = «OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None»;",
                    "FileShare.ReadWrite"),
            ]),
        new(
            "RetryWithoutDelay", "Class 21",
            "a failing backing is tried again at once, for ever",
            Liveness,
            [new(RetryDelay, "TimeSpan delay = «_next»;", "TimeSpan.Zero")]),
        new(
            "RetryDelayWithoutLimit", "Class 21",
            "the delay doubles without limit",
            Liveness,
            [new(RetryDelay, "_next = «_next * 2 < Longest» ?", "true")]),
        new(
            "RetryNeverRearmed", "Class 21",
            "after a failure write-back never tries again",
            Liveness,
            [
                new(
                    RetryDelay,
                    "_until = «clock.GetTimestamp() + (long)(delay.TotalSeconds * clock.TimestampFrequency)»;",
                    "long.MaxValue"),
            ]),
        new(
            "FailureHidden", "Class 21",
            "the status doesn't tell that write-back fails",
            Faults,
            [new(Trouble, "_error = error;", "_error = null;")]),
        new(
            "FreedWithoutWaking", "Class 22",
            "room comes free, and none of those who wait for it is woken",
            Liveness,
            [new(SpaceQueue, "if («_count > 0»)", "false")]),
        new(
            "LeaverWakesNone", "Class 22",
            "a waiter that leaves the queue doesn't wake the next",
            Liveness,
            [
                new(
                    SpaceQueue,
                    """
                    break;
                    }

                    «_head?.Signal();»
                    """,
                    ""),
            ]),
        new(
            "WaitersLastInFirstOut", "Class 22",
            "the last to come is served first",
            Liveness,
            [
                new(
                    SpaceQueue,
                    "«»if (_tail is null)",
                    """
                    waiter.Next = _head;
                    Volatile.Write(ref _head, waiter);
                    _tail ??= waiter;
                    _count++;
                    return;
                    """),
            ]),
        new(
            "QueueJumped", "Class 22",
            "a newcomer takes the room that others wait for",
            Liveness,
            [
                new(
                    SpaceQueue,
                    """
                    private bool MayTakeBesides(SpaceWaiter? turn, int bytes)
                    {
                        «»return
                    """,
                    "return true;"),
            ]),
        new(
            "DrainNeverGivesUp", "Class 23",
            "a drain in front of a failing backing never ends",
            Liveness,
            [new(Trouble, "GivesUp => «Failures >= FailuresBeforeGivingUp»;", "false")]),
        new(
            "CloseHangsWithBacking", "Class 23",
            "a close waits for a hanging backing without limit",
            Liveness,
            [
                new(
                    Closing,
                    "bool released = «close.Wait(parts.Gate.Drained)» ||",
                    "Uninterrupted.Wait(parts.Gate.Drained, Timeout.InfiniteTimeSpan)"),
            ]),
        new(
            "WritebackIgnoresBlockSize", "Class 24",
            "write-back writes parts of the backing's blocks",
            Model,
            [new(Worker, "int blockSize = «Math.Max(1, _backing.BlockSize)»;", "1")]),
        new(
            "MissIgnoresBlockSize", "Class 24",
            "a miss reads parts of the backing's blocks",
            Model,
            [new(BackingReads, "miss.Prepare(«(int)blockSize»,", "1")]),
        new(
            "WritebackPastTheEnd", "Class 24",
            "write-back goes past the end of the backing",
            Model,
            [new(Worker, "_plan.Build(blockSize, «backingEnd», ", "long.MaxValue")]),
        new(
            "BackingIdentityIgnored", "Class 25",
            "an open doesn't compare the backing's identity",
            Images,
            [
                new(BackingChecks, "if («identity != Guid.Empty && identity != _options.BackingIdentity»)", "false"),
            ]),
        new(
            "BackingLengthIgnored", "Class 25",
            "an open doesn't compare the backing's length",
            Images,
            [new(BackingChecks, "if («block.BackingLength == 0»)", "true")]),
        new(
            "BackingNotBound", "Class 25",
            "an open doesn't bind an image that has no backing yet",
            Images,
            [new(Opening, "options.RebindBacking || «media.Extension is not { BackingLength: > 0 }»)", "false")]),
        new(
            "FingerprintNotCompared", "Class 25",
            "an open doesn't compare the backing's content",
            Images,
            [
                new(BackingChecks, "if («_options.BackingFingerprintBlocks == 0» || _options.RebindBacking)", "true"),
            ]),
        new(
            "FingerprintKept", "Class 25",
            "a writable open leaves the fingerprint on the medium",
            Crashes,
            [
                new(
                    Opening,
                    """
                    where nothing was written back.
                    «recognition.KeepFingerprint(log.IsEmpty);»
                    """,
                    ""),
            ]),
        new(
            "FingerprintClearedOnce", "Class 25",
            "a writable open removes the fingerprint from one replica only",
            Crashes,
            [
                new(
                    Fingerprints,
                    """
                    block.Fingerprint = record;
                    «WriteTwice(region, media, block);»
                    """,
                    """
                    if (kind == OpenFingerprintKind)
                    {
                        WriteOnce(region, media, block);
                    }
                    else
                    {
                        WriteTwice(region, media, block);
                    }
                    """),
                new(Fingerprints, "&& «older.Fingerprint.Kind == 0» &&", "true"),
                new(
                    Fingerprints,
                    """
                    block.Fingerprint = default;
                    «WriteTwice(region, media, block);»
                    """,
                    "WriteOnce(region, media, block);"),
            ]),
        new(
            "FingerprintStateIgnored", "Class 25",
            "a fingerprint counts although another writer has used the cache since",
            Images,
            [new(Fingerprints, "&& «record.State == cacheState»", "true")]),
        new(
            "FingerprintSequenceIgnored", "Class 25",
            "a fingerprint counts although a writer that doesn't know it has bound the cache anew since",
            Images,
            [new(Fingerprints, "&& «record.Sequence == state.Sequence»", "true")]),
        new(
            "FingerprintBeforeFlush", "Class 25",
            "the fingerprint is made before the backing is flushed",
            Crashes,
            [new(EngineFingerprint, "backing.Flush();", "")]),
        new(
            "FingerprintOfFailedBacking", "Class 25",
            "a close makes a fingerprint of a backing that failed",
            Faults,
            [new(EngineFingerprint, "|| «maintenance.Trouble.Error is not null»", "false")]),
        new(
            "MissTakesWaitersRoom", "Class 26",
            "a miss fills the cache while writes wait for room",
            Liveness,
            [new(Misses, "if («!roomIsWanted» && TakeRooms(miss))", "true")]),
        new(
            "DeadExtentsNeverSwept", "Class 27",
            "what a reclaimed segment leaves in the index stays there",
            Model,
            [new(Collector, "OweSweep(sweepMore ? Math.Max(1, _segments.UsedCount) : _segments.Count);", "")]),
        new(
            "EmptyStripesKept", "Class 27",
            "stripes without extents stay in the index",
            Model,
            [new(Collector, "shard.Stripes.RemoveIfEmpty(stripe);", "")]),
        new(
            "DirtyCounterNeverFalls", "Class 28",
            "write-back doesn't take what it wrote from the dirty count",
            Model,
            [new(Worker, "_parts.Dirty.Remove(_passedKeys, _passedBytes);", "")]),
        new(
            "UsedCountNeverFalls", "Class 28",
            "a freed segment still counts as used",
            Model,
            [
                new(
                    SegmentFreeing,
                    """
                    «_usedCount--;»
                    if (_reserve.Count
                    """,
                    ""),
            ]),
    ];
}
