namespace PCache.Core.Primitives;

/// <summary>What <see cref="RuleSwitch"/> can break; each is one line of the rules that the format's page and the page on testing list.</summary>
internal enum BrokenRule
{
    /// <summary>All rules hold.</summary>
    None = 0,

    /// <summary>Rule 1: the kset is stored before the payload that it names is durable.</summary>
    PayloadBeforeKset,

    /// <summary>Rule 1: payload is stored and drained, but never flushed.</summary>
    PayloadNotFlushed,

    /// <summary>Rule 2: a segment that becomes a log segment isn't zeroed.</summary>
    LogSegmentNotZeroed,

    /// <summary>Rules 2 and 3, class 3: zeros and the kset behind which, or the link to where, they stand become durable under one fence.</summary>
    ZeroingNotDrained,

    /// <summary>Rule 2: what reads as zero isn't flushed: the store that made it so may be undone.</summary>
    ZerosTakenForDurable,

    /// <summary>Rule 2: a writable open leaves what stands behind the log's end.</summary>
    LogEndNotZeroed,

    /// <summary>Rule 2: a writable open zeroes 24 bytes behind the log's end, but not the rest of the segment.</summary>
    LogRestNotZeroed,

    /// <summary>Rule 3: the last kset is durable before the segment that it links to is zeroed.</summary>
    LinkBeforeTargetZeroed,

    /// <summary>Rule 4: several ksets are stored under one drain.</summary>
    KsetBeforePredecessorDurable,

    /// <summary>Rule 4: a kset is stored and flushed, but not drained when it is acknowledged.</summary>
    FlushReturnsBeforeDrain,

    /// <summary>Rule 4: a flush takes the pending keys of every second shard only.</summary>
    FlushSkipsShards,

    /// <summary>Rule 4: a flush joins one that took its keys before this one's writes.</summary>
    FlushJoinedTooEarly,

    /// <summary>Rule 4: a FUA write is acknowledged like any other.</summary>
    ForceUnitAccessNotFlushed,

    /// <summary>Rule 4: the key head is published before the kset is durable.</summary>
    KeyHeadAdvancedFirst,

    /// <summary>Rule 5: keys are logged against the order in which they entered the index.</summary>
    KeysReversedInKset,

    /// <summary>Rule 5: keys left by a failed append are logged behind later ones.</summary>
    LaterKeysLoggedFirst,

    /// <summary>Rule 5: the shard's lock is let go between the entry into the index and that into the pending list.</summary>
    ShardLockReleasedBetween,

    /// <summary>Rule 5: of overlapping keys of one group write-back writes the oldest.</summary>
    WritebackOldestWins,

    /// <summary>Rule 5, class 18: a miss reserves its range after it has read the backing.</summary>
    MissReservesLate,

    /// <summary>Rule 5, class 18: a miss puts what it read over what was written meanwhile.</summary>
    LateFillHidesWrite,

    /// <summary>Rule 5, class 17: a miss logs all that it read as clean, not only what it still owns.</summary>
    LateFillLoggedWhole,

    /// <summary>Rule 5, class 18: a write of a part of a sector merges with what the backing had, though the sector was written meanwhile.</summary>
    MergeTakesOldSector,

    /// <summary>Rule 6: the dirty tail moves without a flush of the backing.</summary>
    BackingNotFlushed,

    /// <summary>Rule 6, class 14: the dirty tail moves though the backing's flush failed.</summary>
    BackingFlushErrorIgnored,

    /// <summary>Rule 6: the dirty tail moves before the backing is flushed.</summary>
    DirtyTailBeforeFlush,

    /// <summary>Rule 7: GC goes up to the later replica of the dirty tail.</summary>
    CollectBeyondOlderDirtyTail,

    /// <summary>Rule 7, class 7: GC goes beyond the dirty tail.</summary>
    CollectDirtyKeys,

    /// <summary>Rule 7: references are dropped and log segments freed though the key tail on the medium stays.</summary>
    KeyTailNotWritten,

    /// <summary>Rule 7: a log segment is given up when only one replica of the key tail has left it.</summary>
    KeyTailInOneReplica,

    /// <summary>Rule 7: references are dropped before the key tail is durable.</summary>
    ReferencesDroppedFirst,

    /// <summary>Rule 7: a log segment is freed before the key tail is durable beyond it.</summary>
    LogSegmentFreedFirst,

    /// <summary>Rule 7: a segment is used again under its old generation.</summary>
    GenerationNotRaised,

    /// <summary>Rule 7: a raised generation isn't written to the medium.</summary>
    GenerationNotDurable,

    /// <summary>Rule 7: a raised generation is written to one replica only.</summary>
    GenerationInOneReplica,

    /// <summary>Rule 8, class 4: GC drops references for dead keys, which took none.</summary>
    DeadKeysDropReferences,

    /// <summary>Rule 8, class 4: a replay counts references of dead keys.</summary>
    DeadKeysTakeReferences,

    /// <summary>Rule 9: a format begins while the old superblock is still valid.</summary>
    SuperblockNotZeroedFirst,

    /// <summary>Rule 9: a format writes the superblock first.</summary>
    SuperblockWrittenFirst,

    /// <summary>Rule 9: a format says "initialised" before segment infos, generations and tails are durable.</summary>
    CacheInfoBeforeTails,

    /// <summary>Rule 9: a format writes the extension block, and so the bound identity, last.</summary>
    ExtensionAfterSuperblock,

    /// <summary>Rule 9: the steps of a format aren't drained one after the other.</summary>
    FormatUnderOneFence,

    /// <summary>Rule 9, class 5: a format leaves the replicas that it doesn't write.</summary>
    OldReplicasLeft,

    /// <summary>Rule 9: a format leaves the ksets of an earlier cache in the first log segment.</summary>
    OldKsetsLeft,

    /// <summary>Rule 10, class 20: payload takes the log's reserve.</summary>
    DataTakesLogReserve,

    /// <summary>Rule 10, class 16: keys are accepted for which the log has no room.</summary>
    LogRoomNotReserved,

    /// <summary>Rule 11, class 17: while a write waits, readers see the backing's older data.</summary>
    WaitingWriteLeavesHole,

    /// <summary>Rule 11, classes 16 and 17: keys whose append failed are forgotten.</summary>
    FailedAppendForgotten,

    /// <summary>Class 1: the latest replica is written over.</summary>
    LatestReplicaOverwritten,

    /// <summary>Class 1: the replica to write next is advanced before the write: a failed write, and the next one goes over the latest.</summary>
    ReplicaStateAdvancedFirst,

    /// <summary>Class 1: the second replica's place is reckoned with the structure's size.</summary>
    ReplicaStrideIsSize,

    /// <summary>Class 1: a replica is written with the sequence of the one before.</summary>
    ReplicaSequenceKept,

    /// <summary>Class 1: sequences are compared without regard to their wrapping.</summary>
    ReplicaSequenceDoesNotWrap,

    /// <summary>Class 2: the first dirty tail after an open goes over the latest replica.</summary>
    FirstDirtyTailOverLatest,

    /// <summary>Class 4: an open checks the payload of dead keys.</summary>
    PayloadCrcBeforeGeneration,

    /// <summary>Class 4: write-back writes the payload of dead keys.</summary>
    DeadKeysWrittenBack,

    /// <summary>Class 4: a replay passes over dead keys, and older ones show again.</summary>
    DeadKeysSkipped,

    /// <summary>Class 4: reads don't look at the generation.</summary>
    DeadExtentsRead,

    /// <summary>Class 5: what a used buffer held stands behind the end of the backing.</summary>
    StaleBytesBeyondEnd,

    /// <summary>Class 7: an image is opened whose dirty tail isn't on the way from the key tail.</summary>
    DirtyTailNotMetAccepted,

    /// <summary>Class 8: one damaged replica makes the structure unreadable.</summary>
    BadReplicaFatal,

    /// <summary>Class 8: one replica that can't be read makes the open fail.</summary>
    UnreadableReplicaFatal,

    /// <summary>Class 8: a generation without valid replica is taken for 0.</summary>
    BadGenerationsTakenForZero,

    /// <summary>Class 9: an open formats a device whose superblock is zero.</summary>
    ZeroedSuperblockFormatted,

    /// <summary>Class 9: a damaged cache info is taken for formatting that was not finished.</summary>
    DamagedInfoTakenForNew,

    /// <summary>Class 9: a create formats a device that holds something.</summary>
    ExistingOverwritten,

    /// <summary>Class 10: an open refuses an image with a damaged payload.</summary>
    PayloadDamageUnloadable,

    /// <summary>Class 10: write-back doesn't get past a damaged payload.</summary>
    PayloadDamageStopsWriteback,

    /// <summary>Class 10: write-back doesn't check payloads.</summary>
    PayloadDamageWrittenBack,

    /// <summary>Class 11: an open takes keys before the dirty tail for dirty.</summary>
    EverythingDirtyAfterOpen,

    /// <summary>Class 11: an open takes dirty keys for clean.</summary>
    EverythingCleanAfterOpen,

    /// <summary>Class 11: write-back marks what was written meanwhile as clean.</summary>
    NewerMarkedClean,

    /// <summary>Class 13: offsets on the backing are cut to 32 bits.</summary>
    KeyOffset32Bits,

    /// <summary>Class 13: a percentage is cut to a byte before its range is checked.</summary>
    PercentNarrowed,

    /// <summary>Class 13: a kset takes the room that the last kset needs.</summary>
    KsetFillsSegment,

    /// <summary>Class 14: a kset that can't be read is nothing to write back.</summary>
    KsetErrorTakenForNothing,

    /// <summary>Class 15: a write-back group goes over barriers.</summary>
    BarriersIgnored,

    /// <summary>Class 15: a flush puts no barrier behind its writes.</summary>
    BarrierNotLogged,

    /// <summary>Class 15: ksets without number don't count as barriers.</summary>
    UnnumberedBoundaryIgnored,

    /// <summary>Class 16: a close doesn't log what is pending.</summary>
    CloseDropsPendingKeys,

    /// <summary>Classes 16 and 23: a close doesn't tell that its flush failed.</summary>
    CloseErrorIgnored,

    /// <summary>Class 19: a file is opened while its previous owner still writes.</summary>
    FileNotLocked,

    /// <summary>Class 21: a failing backing is tried again at once, for ever.</summary>
    RetryWithoutDelay,

    /// <summary>Class 21: the delay doubles without limit.</summary>
    RetryDelayWithoutLimit,

    /// <summary>Class 21: after a failure write-back never tries again.</summary>
    RetryNeverRearmed,

    /// <summary>Class 21: the status doesn't tell that write-back fails.</summary>
    FailureHidden,

    /// <summary>Class 22: room comes free, and nobody who waits for it is woken.</summary>
    FreedWithoutWaking,

    /// <summary>Class 22: whoever leaves the queue doesn't wake the next.</summary>
    LeaverWakesNobody,

    /// <summary>Class 22: the last to come is served first.</summary>
    WaitersLastInFirstOut,

    /// <summary>Class 22: a newcomer takes the room that others wait for.</summary>
    QueueJumped,

    /// <summary>Class 23: a drain in front of a failing backing never ends.</summary>
    DrainNeverGivesUp,

    /// <summary>Class 23: a close waits for a hanging backing without limit.</summary>
    CloseHangsWithBacking,

    /// <summary>Class 24: write-back writes parts of the backing's blocks.</summary>
    WritebackIgnoresBlockSize,

    /// <summary>Class 24: a miss reads parts of the backing's blocks.</summary>
    MissIgnoresBlockSize,

    /// <summary>Class 24: write-back goes past the end of the backing.</summary>
    WritebackPastTheEnd,

    /// <summary>Class 25: an open doesn't compare the backing's identity.</summary>
    BackingIdentityIgnored,

    /// <summary>Class 25: an open doesn't compare the backing's length.</summary>
    BackingLengthIgnored,

    /// <summary>Class 25: an open doesn't bind an image that has no backing yet.</summary>
    BackingNotBound,

    /// <summary>Class 25: an open doesn't compare the backing's content.</summary>
    FingerprintNotCompared,

    /// <summary>Class 25: a writable open leaves the fingerprint on the medium.</summary>
    FingerprintKept,

    /// <summary>Class 25: a writable open removes the fingerprint from one replica only.</summary>
    FingerprintClearedOnce,

    /// <summary>Class 25: a fingerprint counts although somebody else has used the cache since.</summary>
    FingerprintStateIgnored,

    /// <summary>Class 25: a fingerprint counts although somebody who doesn't know it has bound the cache anew since.</summary>
    FingerprintSequenceIgnored,

    /// <summary>Class 25: the fingerprint is made before the backing is flushed.</summary>
    FingerprintBeforeFlush,

    /// <summary>Class 25: a close makes a fingerprint of a backing that failed.</summary>
    FingerprintOfFailedBacking,

    /// <summary>Class 26: a miss fills the cache while writes wait for room.</summary>
    MissTakesWaitersRoom,

    /// <summary>Class 27: what a reclaimed segment leaves in the index stays there.</summary>
    DeadExtentsNeverSwept,

    /// <summary>Class 27: stripes without extents stay in the index.</summary>
    EmptyStripesKept,

    /// <summary>Class 28: write-back doesn't take what it wrote from the dirty count.</summary>
    DirtyCounterNeverFalls,

    /// <summary>Class 28: a freed segment still counts as used.</summary>
    UsedCountNeverFalls,

    // Single validations that are left out. The chain's cycle check isn't among them: a cycle has no end, so "has next" refuses it too.

    /// <summary>Validation: superblock: number of segments.</summary>
    ValidationSegmentCount,

    /// <summary>Validation: superblock: segment size.</summary>
    ValidationSegmentSize,

    /// <summary>Validation: superblock: byte order.</summary>
    ValidationByteOrder,

    /// <summary>Validation: superblock: checksum.</summary>
    ValidationSuperblockChecksum,

    /// <summary>Validation: checksum of a two-replica structure.</summary>
    ValidationReplicaChecksum,

    /// <summary>Validation: cache info: mode.</summary>
    ValidationMode,

    /// <summary>Validation: cache info: GC percent.</summary>
    ValidationGcPercent,

    /// <summary>Validation: chain length.</summary>
    ValidationChainLength,

    /// <summary>Validation: chain ids: below the superblock's number.</summary>
    ValidationChainId,

    /// <summary>Validation: "has next" on all but the last.</summary>
    ValidationChainEnd,

    /// <summary>Validation: segment type.</summary>
    ValidationSegmentType,

    /// <summary>Validation: positions: cache segment.</summary>
    ValidationTailSegment,

    /// <summary>Validation: positions: offset.</summary>
    ValidationTailOffset,

    /// <summary>Validation: extension block: backing length.</summary>
    ValidationBackingLength,

    /// <summary>Validation: the bound identity.</summary>
    ValidationBackingIdentity,

    /// <summary>Validation: the bound length.</summary>
    ValidationBoundLength,

    /// <summary>Validation: kset: at most 128 keys.</summary>
    ValidationKeyCount,

    /// <summary>Validation: kset: inside the data area.</summary>
    ValidationKsetBounds,

    /// <summary>Validation: kset: checksum.</summary>
    ValidationKsetChecksum,

    /// <summary>Validation: kset: sequence number.</summary>
    ValidationKsetNumber,

    /// <summary>Validation: kset: room for a last kset behind it.</summary>
    ValidationKsetRoomForLink,

    /// <summary>Validation: last kset: target below the chain length.</summary>
    ValidationLinkTarget,

    /// <summary>Validation: last kset: a segment that the log hasn't visited.</summary>
    ValidationLinkCycle,

    /// <summary>Validation: last kset: a segment without live payload.</summary>
    ValidationLinkIntoPayload,

    /// <summary>Validation: key: never empty.</summary>
    ValidationKeyEmpty,

    /// <summary>Validation: key: length.</summary>
    ValidationKeyLength,

    /// <summary>Validation: key: offset.</summary>
    ValidationKeyOffset,

    /// <summary>Validation: key: inside one stripe.</summary>
    ValidationKeyStripe,

    /// <summary>Validation: key: cache segment.</summary>
    ValidationKeySegment,

    /// <summary>Validation: key: generation at most its segment's.</summary>
    ValidationKeyGeneration,

    /// <summary>Validation: key: inside the backing.</summary>
    ValidationKeyEnd,

    /// <summary>Validation: live payload: inside the data area.</summary>
    ValidationPayloadBounds,

    /// <summary>Validation: live payload: in no log segment.</summary>
    ValidationPayloadInLog,

    /// <summary>Validation: the log's end: no later kset behind it.</summary>
    ValidationLogEnd,

    /// <summary>Validation: the dirty tail is met on the way.</summary>
    ValidationDirtyTailMet,

    /// <summary>Validation: lost writes need consent.</summary>
    ValidationLostWrites,

    /// <summary>Validation: a segment with the last generation isn't used again.</summary>
    ValidationLastGeneration,
}
