using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Rules 1 to 11: what orders what, in the order of docs/on-media-format.md.
internal static partial class RuleTable
{
    private static RuleRow[] OrderOne =>
    [
        new(
            "PayloadBeforeKset", "Rule 1",
            "a kset is stored before the payload that it names is durable",
            Crashes,
            [
                new(LogAppending, "«_region.Drain();» // the payload of everything taken", ""),
                new(LogBatches, "«_region.Drain();» // the payload of everything taken", ""),
                new(
                    DataHeads,
                    """
                    _region.FlushRange(at, made.LengthBytes);
                    «_region.Drain();»
                    """,
                    ""),
                new(
                    ExtentWriter,
                    """
                    public void DrainPayload()
                    {
                        if («_drainIsCheap»)
                    """,
                    "false"),
            ]),
        new(
            "PayloadNotFlushed", "Rule 1",
            "payload is stored and drained, but never flushed",
            Crashes,
            [new(ExtentWriter, "_region.FlushRange(address, «data.Length»);", "0")]),
        new(
            "LogSegmentNotZeroed", "Rule 2",
            "a segment that becomes a log segment isn't zeroed",
            Crashes,
            [
                new(
                    NextSegment,
                    "RegionZeroing.Zero(region, segments.DataOffset(segment) + _zeroedBytes, length);",
                    ""),
            ]),
        new(
            "ZeroingNotDrained", "Rules 2 and 3, class 3",
            """
            zeros and the kset behind which, or the link to where, they stand become durable under one fence
            """,
            Crashes,
            [new(RegionZeroing, "region.Drain();", "")]),
        new(
            "ZerosTakenForDurable", "Rule 2",
            "what reads as zero isn't flushed: the store that made it so may be undone",
            Crashes,
            [
                new(
                    RegionZeroing,
                    """
                    may not be durable yet.
                    «region.FlushRange(offset + done, n);»
                    """,
                    ""),
            ]),
        new(
            "LogEndNotZeroed", "Rule 2",
            "a writable open leaves what stands behind the log's end",
            Images,
            [
                new(Opening, "RegionZeroing.Zero(region, at, Math.Min(behind, MediaConstants.KsetHeaderSize));", ""),
                new(Opening, "RegionZeroing.Zero(region, at, behind);", ""),
            ]),
        new(
            "LogRestNotZeroed", "Rule 2",
            "a writable open zeroes 24 bytes behind the log's end, but not the rest of the segment",
            Images,
            [new(Opening, "RegionZeroing.Zero(region, at, behind);", "RegionZeroing.Zero(region, at, 0);")]),
        new(
            "LinkBeforeTargetZeroed", "Rule 3",
            "the last kset is durable before the segment that it links to is zeroed",
            Crashes,
            [
                new(LogWriter, "if («next < 0 || _next.IsReady(next)»)", "true"),
                new(LogBatches, "_next.Finish(next);", "_segments.RaiseIfNeeded(next);"),
                new(NextSegment, "Invariant.Holds(«taken == _ready», \"what becomes log", "taken == taken"),
                new(
                    LogAppending,
                    """
                    StoreHead(at, PrepareLink(next, KsetHeader.MakeFlags(last: true, barrier: false, sequence)));
                    """,
                    """
                    StoreHead(at, PrepareLink(next, KsetHeader.MakeFlags(last: true, barrier: false, sequence)));
                    RegionZeroing.Zero(_region, _segments.DataOffset(next), _segments.DataSize);
                    """),
            ]),
        new(
            "KsetBeforePredecessorDurable", "Rule 4",
            "all ksets of a batch, the first too, are stored under one drain",
            Crashes,
            [new(LogBatches, "«_region.Drain();» // the payload of everything taken", "")]),
        new(
            "FlushReturnsBeforeDrain", "Rule 4",
            "a kset is stored and flushed, but not drained when it is acknowledged",
            Crashes,
            [
                new(
                    LogAppending,
                    "_region.WriteDurably(place, bytes);",
                    """
                    _region.Write(place, bytes);
                    _region.FlushRange(place, bytes.Length);
                    """),
            ]),
        new(
            "FlushSkipsShards", "Rule 4",
            "a flush takes the pending keys of every second shard only",
            Model,
            [
                new(
                    LogAppending,
                    "Take(i, epoch);",
                    """
                    if (i % 2 == 0)
                    {
                        Take(i, epoch);
                    }
                    """),
            ]),
        new(
            "FlushJoinedTooEarly", "Rule 4",
            "a flush joins one that took its keys before this one's writes",
            Concurrency,
            [
                new(
                    LogWriter,
                    "_flushesCompleted = covers;",
                    "_flushesCompleted = Volatile.Read(ref _flushesRequested);"),
            ]),
        new(
            "ForceUnitAccessNotFlushed", "Rule 4",
            "a FUA write is acknowledged like any other",
            Model,
            [
                new(
                    Flushing,
                    "NeedsLog(WriteDurability durability) => «durability != WriteDurability.Normal» || _persistsWrites;",
                    "durability == WriteDurability.Persist"),
            ]),
        new(
            "KeyHeadAdvancedFirst", "Rule 4",
            "the key head is published before the kset is durable",
            Faults,
            [
                new(
                    LogAppending,
                    "«»StoreHead(at, PrepareFirst(keys,",
                    """
                    _positions.AdvanceHead(at with { Offset = at.Offset + KsetBytes(keys.Length) }, KsetBytes(keys.Length));
                    """),
                new(
                    LogAppending,
                    "_positions.AdvanceHead(next, «bytes»);",
                    "next == _positions.KeyHead.Position ? 0 : bytes"),
            ]),
        new(
            "KeysReversedInKset", "Rule 5",
            "keys are logged against the order in which they entered the index",
            Model,
            [
                new(
                    LogAppending,
                    "keys.CopyTo(stored);",
                    """
                    keys.CopyTo(stored);
                    stored.Reverse();
                    """),
            ]),
        new(
            "LaterKeysLoggedFirst", "Rule 5",
            "keys left by a failed append are logged behind later ones",
            Faults,
            [
                new(
                    TakenKeys,
                    "keys.CopyTo(_keys.AsSpan(_start + _count));",
                    """
                    _keys.AsSpan(_start, _count).CopyTo(_keys.AsSpan(_start + keys.Length));
                    keys.CopyTo(_keys.AsSpan(_start));
                    """),
            ]),
        new(
            "ShardLockReleasedBetween", "Rule 5",
            "the shard's lock is let go between the entry into the index and that into the pending list",
            Concurrency,
            [
                new(
                    ExtentWriter,
                    "Discards.Rewritten(stripe, extent.Start, extent.End);«»",
                    """
                    shard.Gate.Exit();
                    global::PCache.Core.Checked.Mutation.Between?.Invoke();
                    shard.Gate.Enter();
                    """),
                new(
                    Direct,
                    "«»ref CacheKey key = ref _log.NextKey",
                    """
                    shard.Gate.Exit();
                    global::PCache.Core.Checked.Mutation.Between?.Invoke();
                    shard.Gate.Enter();
                    """),
            ]),
        new(
            "WritebackOldestWins", "Rule 5",
            "of overlapping keys of one group write-back writes the oldest",
            Model,
            [
                new(
                    Plan,
                    """
                    «»for (int i = 0; i < _entryCount; i++)
                    {
                        _offsets[i]
                    """,
                    "_entries.AsSpan(0, _entryCount).Reverse();"),
                new(Worker, "«»int blockSize = Math", "_written.AsSpan(0, _plan.EntryCount).Reverse();"),
            ]),
        new(
            "MissReservesLate", "Rule 5, class 18",
            "a miss reserves its range after it has read the backing",
            Model,
            [
                new(
                    Misses,
                    "«»validSectors = stripe is null",
                    """
                    if (miss.HasPlaceholders)
                    {
                        stripe?.Insert(MakePlaceholder(new Extent { Start = (ushort)miss.Start, Length = (ushort)(miss.End - miss.Start) }, miss.Id));
                    }
                    """),
            ]),
        new(
            "LateFillHidesWrite", "Rule 5, class 18",
            "a miss puts what it read over what was written meanwhile",
            Model,
            [
                new(
                    Misses,
                    "index.ReplaceWhere(in whole, ref own, miss.Pieces);",
                    """
                    index.Insert(in whole);
                    miss.Pieces.Add(in whole);
                    """),
            ]),
        new(
            "LateFillLoggedWhole", "Rule 5, class 17",
            "a miss logs all that it read as clean, not only what it still owns",
            Model,
            [new(Misses, "if («part.Length» != whole.Length)", "(part = whole).Length")]),
        new(
            "MergeTakesOldSector", "Rule 5, class 18",
            """
            a write of a part of a sector merges with what the backing had, though the sector was written meanwhile
            """,
            Model,
            [
                new(Pieces, "if («!piece.IsPlaceholder»)", "!piece.IsPlaceholder && merge is null"),
                new(Pieces, "if (merge is null || «!merge.IsUntouched(in piece)»)", "false"),
            ]),
        new(
            "BackingNotFlushed", "Rule 6",
            "the dirty tail moves without a flush of the backing",
            Crashes,
            [new(Worker, "_backing.Flush();", "")]),
        new(
            "BackingFlushErrorIgnored", "Rule 6, class 14",
            "the dirty tail moves though the backing's flush failed",
            Faults,
            [
                new(
                    Worker,
                    "_backing.Flush();",
                    """
                    try
                    {
                        _backing.Flush();
                    }
                    catch (IOException)
                    {
                    }
                    """),
            ]),
        new(
            "DirtyTailBeforeFlush", "Rule 6",
            "the dirty tail moves before the backing is flushed",
            Faults,
            [new(Worker, "«»FlushBacking();", "_parts.Positions.WriteDirtyTail(end);")]),
        new(
            "CollectBeyondOlderDirtyTail", "Rule 7",
            "GC goes up to the later replica of the dirty tail",
            Model,
            [new(LogPositions, "return «_dirtyTailOlder»;", "_dirtyTail")]),
        new(
            "CollectDirtyKeys", "Rule 7, class 7",
            "GC goes beyond the dirty tail",
            Model,
            [new(LogPositions, "return «_dirtyTailOlder»;", "_keyHead")]),
        new(
            "KeyTailNotWritten", "Rule 7",
            "references are dropped and log segments freed though the key tail on the medium stays",
            Model,
            [
                new(
                    LogPositions,
                    """
                    «Write(MediaConstants.KeyTailOffset, point.Position, ref _keyTailReplicas);»
                    if
                    """,
                    ""),
                new(LogPositions, "if («both»)", "false"),
            ]),
    ];
}
