using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Rules 1 to 11: what orders what, in the order of docs/on-media-format.md.
internal static partial class RuleTable
{
    private static RuleRow[] OrderTwo =>
    [
        new(
            "KeyTailInOneReplica", "Rule 7",
            "a log segment is given up when only one replica of the key tail has left it",
            Model,
            [
                new(
                    Collector,
                    "_positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);",
                    "_positions.WriteKeyTail(at, both: false);"),
            ]),
        new(
            "ReferencesDroppedFirst", "Rule 7",
            "references are dropped before the key tail is durable",
            Faults,
            [
                new(
                    Collector,
                    "_positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);",
                    """
                    DropReferences();
                    _positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);
                    """),
            ]),
        new(
            "LogSegmentFreedFirst", "Rule 7",
            "a log segment is freed before the key tail is durable beyond it",
            Faults,
            [
                new(
                    Collector,
                    "_positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);",
                    """
                    ReleaseLogSegments();
                    _positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);
                    """),
            ]),
        new(
            "GenerationNotRaised", "Rule 7",
            "a segment is used again under its old generation",
            Model,
            [new(SegmentFreeing, "ulong generation = «_generations[segment] + 1»;", "_generations[segment]")]),
        new(
            "GenerationNotDurable", "Rule 7",
            "a raised generation isn't written to the medium",
            Model,
            [new(SegmentFreeing, "replica < «2»;", "0")]),
        new(
            "GenerationInOneReplica", "Rule 7",
            "a raised generation is written to one replica only",
            Model,
            [new(SegmentFreeing, "replica < «2»;", "1")]),
        new(
            "DeadKeysDropReferences", "Rule 8, class 4",
            "GC drops references for dead keys, which took none",
            Images,
            [
                new(
                    Collector,
                    """
                    if («_validator.Check(in keys[i], _reader.KeyDeviceOffset(i), _segments.Generations) == KeyState.Live»)
                    """,
                    "true"),
            ]),
        new(
            "DeadKeysTakeReferences", "Rule 8, class 4",
            "a replay counts references of dead keys",
            Images,
            [
                new(
                    LogReplay,
                    "_deadKeys++;",
                    """
                    _deadKeys++;
                    _use.AddReference((int)key.Segment);
                    """),
            ]),
        new(
            "SuperblockNotZeroedFirst", "Rule 9",
            "a format begins while the old superblock is still valid",
            Crashes,
            [
                new(
                    Formatter,
                    """
                    Zero(region, MediaConstants.SuperblockOffset + MagicOffset, sizeof(ulong));
                    EndStep(region);
                    Zero(region, MediaConstants.SuperblockOffset, MediaConstants.BlockSize);
                    """,
                    ""),
            ]),
        new(
            "SuperblockWrittenFirst", "Rule 9",
            "a format writes the superblock first",
            Crashes,
            [new(Formatter, "«»ZeroEverything(region, geometry);", "WriteSuperblock(region, geometry);")]),
        new(
            "CacheInfoBeforeTails", "Rule 9",
            """
            a format says "initialised" before segment infos, generations and tails are durable
            """,
            Crashes,
            [new(Formatter, "«»WriteSegments(region, geometry);", "WriteCacheInfo(region, geometry, p);")]),
        new(
            "ExtensionAfterSuperblock", "Rule 9",
            "a format writes the extension block, and so the bound identity, last",
            Crashes,
            [
                new(
                    Formatter,
                    """
                    PutBoth(region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, ref extension, first: 0);
                    """,
                    ""),
                new(
                    Formatter,
                    """
                    WriteCacheInfo(region, geometry, p);
                    WriteSuperblock(region, geometry);«»
                    """,
                    """
                    PutBoth(region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, ref extension, first: 0);
                    EndStep(region);
                    """),
            ]),
        new(
            "FormatUnderOneFence", "Rule 9",
            "the steps of a format aren't drained one after the other",
            Crashes,
            [new(Formatter, "EndStep(PmemRegion region) «=> region.Drain();»", "")]),
        new(
            "OldReplicasLeft", "Rule 9, class 5",
            "a format leaves the replicas that it doesn't write",
            Model,
            [
                new(
                    Formatter,
                    """
                    Zero(region, MediaConstants.ExtensionOffset, MediaConstants.BlockSize);
                    Zero(region, MediaConstants.CacheInfoOffset, MediaConstants.SegmentsOffset - MediaConstants.CacheInfoOffset);
                    """,
                    ""),
                new(Formatter, "Put(region, offset + ((1 - first) * (long)stride), ref value, 0);", ""),
            ]),
        new(
            "OldKsetsLeft", "Rule 9",
            "a format leaves the ksets of an earlier cache in the first log segment",
            Model,
            [
                new(Formatter, "MediaConstants.SegmentDataOffset + «MediaConstants.KsetHeaderSize»;", "0"),
                new(Formatter, "«id == 0» ? geometry.SegmentSize : head", "false"),
            ]),
        new(
            "DataTakesLogReserve", "Rule 10, class 20",
            "payload takes the log's reserve",
            Liveness,
            [
                new(
                    SegmentTable,
                    "if («!_free.TryDequeue(out segment)»)",
                    "!_free.TryDequeue(out segment) && !_reserve.TryDequeue(out segment)"),
            ]),
        new(
            "LogRoomNotReserved", "Rule 10, class 16",
            "keys are accepted for which the log has no room",
            Liveness,
            [new(LogRoom, "long least = «anew ? 0 : AnewBytes»;", "long.MinValue / 2")]),
        new(
            "WaitingWriteLeavesHole", "Rule 11, class 17",
            "while a write waits, readers see the backing's older data",
            Model,
            [
                new(
                    Waiting,
                    "write.Turn = rooms.Enter(Math.Max(1, data.Length - write.Done), out write.Timer);«»",
                    """
                    const int Shift = global::PCache.Core.Indexing.ShardedIndex.StripeShift;
                    for (long stripe = write.Offset >> Shift; stripe <= (write.Offset + data.Length - 1) >> Shift; stripe++)
                    {
                        global::PCache.Core.Indexing.IndexShard shard = store.Index.For(stripe);
                        using (shard.Gate.Hold())
                        {
                            if (shard.Stripes.Find(stripe) is { } index)
                            {
                                long from = System.Math.Max(0, (write.Offset - (stripe << Shift)) / 512);
                                long to = System.Math.Min(1 << (Shift - 9), (write.Offset + data.Length - (stripe << Shift) + 511) / 512);
                                index.Remove((int)from, (int)to);
                            }
                        }
                    }
                    """),
            ]),
        new(
            "FailedAppendForgotten", "Rule 11, classes 16 and 17",
            "keys whose append failed are forgotten",
            Faults,
            [
                new(
                    LogAppending,
                    """
                    private void TakeAll()
                    {
                        «»long
                    """,
                    "_taken.Remove(_taken.Count);"),
            ]),
    ];
}
