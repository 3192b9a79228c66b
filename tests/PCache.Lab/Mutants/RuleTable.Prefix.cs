using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Rule 4, continued: the log is a prefix of what was written, and a batch of ksets is in it as a whole or not at all.
internal static partial class RuleTable
{
    private const string BetweenShards = """
        Take(i, epoch);
        global::PCache.Core.Checked.Mutation.Between?.Invoke();
        """;

    private static RuleRow[] Prefix =>
    [
        new(
            "YoungKeysTaken", "Rule 4",
            "an append takes keys that were added after it had begun to take",
            Concurrency,
            [
                new(PendingKeys, "AsSpan(0, «_newest == epoch ? _older : _count»);", "_count"),
                new(LogAppending, "Take(i, epoch);", BetweenShards),
            ]),
        new(
            "EpochRaisedLate", "Rule 4",
            "an append takes the keys first and raises the epoch then",
            Concurrency,
            [
                new(LogAppending, "long epoch = «_epoch.Raise()»;", "_epoch.Current + 1"),
                new(LogAppending, "Take(i, epoch);", BetweenShards),
                new(
                    LogAppending,
                    """
                    TakeAll();
                    «»AppendTaken();
                    """,
                    "_epoch.Raise();"),
            ]),
        new(
            "LongListLoggedAlone", "Rule 4",
            "a long list of one shard is logged without what stands in the others",
            Crashes,
            [
                new(
                    LogWriter,
                    """
                    try
                    {
                        «AppendAllForPersists();»
                    """,
                    """
                    Take(shard, _epoch.Raise());
                    AppendTaken();
                    """),
            ]),
        new(
            "BatchFirstStoredFirst", "Rule 4",
            "the first kset of a batch is stored before the others",
            Crashes,
            [
                new(
                    LogBatches,
                    "int links = 0;«»",
                    """
                    StoreHead(first, Prepare(keys[..inFirst], KsetHeader.MakeFlags(last: false, _barrierPending, firstSequence)
                        | KsetHeader.BatchFlags(continues: false, goesOn: true)));
                    """),
            ]),
        new(
            "BatchInParts", "Rule 4",
            "what doesn't fit one kset is appended kset by kset",
            Crashes,
            [
                new(LogAppending, "if («keys < _taken.Count»)", "false"),
                new(LogAppending, "StoreKset(«_taken.All»);", "_taken.All[..keys]"),
                new(
                    LogAppending,
                    "_taken.Remove(«_taken.Count»);",
                    "keys"),
                new(
                    LogAppending,
                    """
                    TakeAll();
                    «AppendTaken();»
                    """,
                    """
                    while (_taken.Count > 0)
                    {
                        AppendTaken();
                    }
                    """),
            ]),
        new(
            "BatchFlagLeftOut", "Rule 4",
            "the ksets of a batch don't say that they continue it",
            Crashes,
            [new(Structures, "(«continues» ? ContinuesFlag : 0)", "false")]),
        new(
            "UnfinishedBatchTakenForDamage", "Rule 4",
            "what an interrupted append has left of a batch is taken for what a destroyed kset has left",
            Crashes,
            [new(LogEndProbe, "return «!unfinished»;", "true")]),
        new(
            "DamageTakenForUnfinishedBatch", "Rule 4",
            "whatever stands behind the log's end is taken for what an interrupted append has left",
            Faults,
            [new(LogEndProbe, "return «!unfinished»;", "false")]),
        new(
            "PartOfBatchTakenForTheWhole", "Rule 4",
            "a log that ends in the middle of a batch is taken for one that ends there",
            Faults,
            [new(LogReplay, "if (found is null && «_batchGoesOn»)", "false")]),
        new(
            "HeadNotCleared", "Rule 4",
            "what a failed append has left at the log's head stays while the next try stores the rest of its batch",
            Faults,
            [new(LogAppending, "if («_headMayHold»)", "false")]),
        new(
            "GroupEndsInsideBatch", "Rule 6",
            "a group of write-back ends where it is large enough, be it in the middle of a batch",
            Model,
            [new(Collecting, "groupBytes >= limitBytes && «!_reader.Header.ContinuesBatch»;", "true")]),
        new(
            "BatchOfTwoEpochs", "Rule 4",
            "an append may begin while a batch that is written as a whole enters the lists",
            Concurrency,
            [
                new(AtomicWriter, "using («writer.Log.HoldAppends()»)", "new SteadyLock(LockRank.Append).Hold()"),
                new(
                    AtomicWriter,
                    "relieve = Publish(piece) ?? relieve;«»",
                    "global::PCache.Core.Checked.Mutation.Between?.Invoke();"),
            ]),
        new(
            "ReadMissesBatch", "Rule 5",
            "a read doesn't look whether a batch that is written as a whole came in the middle of it",
            Model,
            [new(PublishedBatches, "return «Volatile.Read(ref _number) == number»;", "true")]),
    ];
}
