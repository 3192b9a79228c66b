using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Ways in which caches of this kind have failed, by class; see docs/testing-rules.md.
internal static partial class RuleTable
{
    private static RuleRow[] ClassesOne =>
    [
        new(
            "LatestReplicaOverwritten", "Class 1",
            "the latest replica is written over",
            Crashes,
            [
                new(
                    Replicas,
                    "sbyte target = «(sbyte)(state.Latest == 0 ? 1 : 0)»;",
                    "Math.Max(state.Latest, (sbyte)0)"),
            ]),
        new(
            "ReplicaStateAdvancedFirst", "Class 1",
            """
            the replica to write next is advanced before the write: a failed write, and the next one goes over the latest
            """,
            Faults,
            [
                new(
                    Replicas,
                    "«»region.WriteDurably(offset + (target",
                    "(state.Latest, state.Sequence) = (target, sequence);"),
            ]),
        new(
            "ReplicaStrideIsSize", "Class 1",
            "the second replica's place is reckoned with the structure's size",
            Model,
            [new(Replicas, "region.WriteDurably(offset + (target * «(long)stride»)", "(long)Unsafe.SizeOf<T>()")]),
        new(
            "ReplicaSequenceKept", "Class 1",
            "a replica is written with the sequence of the one before",
            Model,
            [new(Replicas, "byte sequence = «(byte)(state.Sequence + 1)»;", "state.Sequence")]),
        new(
            "ReplicaSequenceDoesNotWrap", "Class 1",
            "sequences are compared without regard to their wrapping",
            Model,
            [new(Replicas, "bool later = «(sbyte)(seq1 - seq0) > 0»;", "seq1 > seq0")]),
        new(
            "FirstDirtyTailOverLatest", "Class 2",
            "the first dirty tail after an open goes over the latest replica",
            Crashes,
            [
                new(
                    LogPositions,
                    "«»_dirtyTailOlder = keyTail;",
                    "_dirtyTailReplicas.Latest = (sbyte)(1 - _dirtyTailReplicas.Latest);"),
            ]),
        new(
            "PayloadCrcBeforeGeneration", "Class 4",
            "an open checks the payload of dead keys",
            Images,
            [
                new(
                    LogReplay,
                    "«»_sink.OnKey(in key, state, _dirty);",
                    """
                    if (_media.Flags.PayloadCrc && global::PCache.Core.Primitives.Crc32C.HashToUInt32(
                        _region.ReadSpan(_media.DeviceOffset(new LogPosition((int)key.Segment, (int)key.SegmentOffset)), (int)key.Length)) != key.PayloadCrc)
                    {
                        throw new PCacheDamagedDataException((long)key.Offset, key.Length);
                    }
                    """),
            ]),
        new(
            "DeadKeysWrittenBack", "Class 4",
            "write-back writes the payload of dead keys",
            Images,
            [new(Collecting, "if («state == KeyState.Live» && !keys[i].IsClean)", "true")]),
        new(
            "DeadKeysSkipped", "Class 4",
            "a replay passes over dead keys, and older ones show again",
            Images,
            [new(ReplaySink, "_indexer.Add(in key, ReplayAction.Remove);", "")]),
        new(
            "DeadExtentsRead", "Class 4",
            "reads don't look at the generation",
            Model,
            [
                new(
                    Extents,
                    """
                    public bool IsDead(in Extent extent) => «(Segments.Generation((int)extent.Segment) & Extent.GenerationMask) != extent.Generation»;
                    """,
                    "false"),
            ]),
        new(
            "StaleBytesBeyondEnd", "Class 5",
            "what a used buffer held stands behind the end of the backing",
            Model,
            [new(MissOperation, "_buffer.AsSpan(0, _wholeLength)[Math.Min(bytes, _validLength)..].Clear();", "")]),
        new(
            "DirtyTailNotMetAccepted", "Class 7",
            "an image is opened whose dirty tail isn't on the way from the key tail",
            Images,
            [new(LogReplay, "if («!_dirty»)", "false")]),
        new(
            "BadReplicaFatal", "Class 8",
            "one damaged replica makes the structure unreadable",
            Faults,
            [new(Replicas, "if («!ok0 && !ok1»)", "(!ok0 && !ok1) || !((ok0 || blank0) && (ok1 || blank1))")]),
        new(
            "UnreadableReplicaFatal", "Class 8",
            "one replica that can't be read makes the open fail",
            Faults,
            [
                new(
                    Replicas,
                    """
                    catch (IOException)
                    {
                        «value = default;»
                    """,
                    "throw;"),
            ]),
        new(
            "BadGenerationsTakenForZero", "Class 8",
            "a generation without valid replica is taken for 0",
            Images,
            [
                new(
                    MediaLoader,
                    """
                    if («outcome is ReplicaOutcome.Blank or ReplicaOutcome.None»)
                    {
                        // Never taken for generation 0
                    """,
                    "false"),
            ]),
        new(
            "ZeroedSuperblockFormatted", "Class 9",
            "an open formats a device whose superblock is zero",
            Images,
            [
                new(
                    Opening,
                    "«»var monitor = new OpenMonitor(options, cancellationToken);",
                    """
                    if (!region.ReadSpan(MediaConstants.SuperblockOffset, MediaConstants.BlockSize).ContainsAnyExcept((byte)0))
                    {
                        DeviceSetup.Format(region, backing, options with { OverwriteExisting = true });
                    }
                    """),
            ]),
        new(
            "DamagedInfoTakenForNew", "Class 9",
            "a damaged cache info is taken for formatting that was not finished",
            Images,
            [
                new(
                    MediaLoader,
                    """
                    if («outcome == ReplicaOutcome.Blank»)
                    {
                        throw new PCacheNotFormattedException("Both
                    """,
                    "outcome is ReplicaOutcome.Blank or ReplicaOutcome.None"),
            ]),
        new(
            "ExistingOverwritten", "Class 9",
            "a create formats a device that holds something",
            Model,
            [new(DeviceSetup, "if («!options.OverwriteExisting && !IsBlank(region)»)", "false")]),
        new(
            "PayloadDamageUnloadable", "Class 10",
            "an open refuses an image with a damaged payload",
            Faults,
            [
                new(
                    LogReplay,
                    "«»_sink.OnKey(in key, state, _dirty);",
                    """
                    if (state == KeyState.Live && _media.Flags.PayloadCrc && global::PCache.Core.Primitives.Crc32C.HashToUInt32(
                        _region.ReadSpan(_media.DeviceOffset(new LogPosition((int)key.Segment, (int)key.SegmentOffset)), (int)key.Length)) != key.PayloadCrc)
                    {
                        throw new PCacheDamagedDataException((long)key.Offset, key.Length);
                    }
                    """),
            ]),
        new(
            "PayloadDamageStopsWriteback", "Class 10",
            "write-back doesn't get past a damaged payload",
            Liveness,
            [
                new(
                    Collecting,
                    """
                    «!_payloadCrc || Crc32C.HashToUInt32(_parts.Region.ReadSpan(SourceOf(in key), (int)key.Length)) == key.PayloadCrc»;
                    """,
                    """
                    !_payloadCrc || Crc32C.HashToUInt32(_parts.Region.ReadSpan(SourceOf(in key), (int)key.Length)) == key.PayloadCrc
                        ? true
                        : throw new PCacheDamagedDataException((long)key.Offset, key.Length)
                    """),
            ]),
        new(
            "PayloadDamageWrittenBack", "Class 10",
            "write-back doesn't check payloads",
            Faults,
            [
                new(
                    Collecting,
                    """
                    «!_payloadCrc || Crc32C.HashToUInt32(_parts.Region.ReadSpan(SourceOf(in key), (int)key.Length)) == key.PayloadCrc»;
                    """,
                    "true"),
            ]),
        new(
            "EverythingDirtyAfterOpen", "Class 11",
            "an open takes keys before the dirty tail for dirty",
            Model,
            [new(ReplaySink, "bool dirty = «atOrAfterDirtyTail && !key.IsClean»;", "!key.IsClean")]),
        new(
            "EverythingCleanAfterOpen", "Class 11",
            "an open takes dirty keys for clean",
            Model,
            [new(ReplaySink, "bool dirty = «atOrAfterDirtyTail && !key.IsClean»;", "false")]),
        new(
            "NewerMarkedClean", "Class 11",
            "write-back marks what was written meanwhile as clean",
            Model,
            [new(Worker, "«»if (!index.TryMarkPageClean(in extent))", "index.Insert(in extent);")]),
        new(
            "KeyOffset32Bits", "Class 13",
            "offsets on the backing are cut to 32 bits",
            Model,
            [
                new(
                    KeyExtents,
                    """
                    Offset = «(ulong)((stripe << ShardedIndex.StripeShift) + ((long)extent.Start * MediaConstants.SectorSize))»,
                    """,
                    """
                    (uint)((stripe << ShardedIndex.StripeShift) + ((long)extent.Start * MediaConstants.SectorSize))
                    """),
                new(Direct, "key.Offset = «(ulong)offset»;", "(uint)offset"),
            ]),
        new(
            "PercentNarrowed", "Class 13",
            "a percentage is cut to a byte before its range is checked",
            Model,
            [
                new(
                    Settings,
                    """
                    public void SetGcThreshold(int percent)
                    {
                        «»
                    """,
                    "percent = (byte)percent;"),
            ]),
        new(
            "KsetFillsSegment", "Class 13",
            "a kset takes the room that the last kset needs",
            Model,
            [new(LogAppending, "offset - («Headers» * MediaConstants.KsetHeaderSize)", "1")]),
        new(
            "KsetErrorTakenForNothing", "Class 14",
            "a kset that can't be read is nothing to write back",
            Faults,
            [
                new(
                    Worker,
                    """
                    public WritebackOutcome RunGroup(bool pressing, CancellationToken stop)
                    {
                        «»if
                    """,
                    """
                    try
                    {
                        ReadKset(_parts.Positions.DirtyTail);
                    }
                    catch (IOException)
                    {
                        return WritebackOutcome.Nothing;
                    }
                    """),
            ]),
        new(
            "BarriersIgnored", "Class 15",
            "a write-back group goes over barriers",
            Model,
            [new(Collecting, "bool barrier = «_reader.Header.IsBarrier»;", "false")]),
        new(
            "BarrierNotLogged", "Class 15",
            "a flush puts no barrier behind its writes",
            Model,
            [new(LogWriter, "if («_appendedSinceBarrier»)", "false")]),
        new(
            "UnnumberedBoundaryIgnored", "Class 15",
            "ksets without number don't count as barriers",
            Images,
            [new(Structures, "IsBarrier => «Sequence == 0» || HasBarrierFlag;", "false")]),
        new(
            "CloseDropsPendingKeys", "Class 16",
            "a close doesn't log what is pending",
            Model,
            [
                new(Saving, "Closing.Try(«FlushLogWithin», ref failure);", "() => { }"),
                new(Saving, "Closing.Try(«parts.Writer.Log.Flush», ref failure);", "() => { }"),
            ]),
        new(
            "CloseErrorIgnored", "Classes 16 and 23",
            "a close doesn't tell that its flush failed",
            Faults,
            [
                new(
                    Closing,
                    """
                    close.Begin(CloseStage.Done);
                    «»if (failure is IOException)
                    """,
                    "failure = null;"),
            ]),
    ];
}
