using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// What orders what between a checkpoint journal and the backing.
internal static partial class RuleTable
{
    private static RuleRow[] Checkpoints =>
    [
        new(
            "JournalNotFlushed", "Checkpoint 1",
            "a journal isn't durable when the first of its bytes is written to the backing",
            Crashes,
            [
                new(
                    Journal,
                    """
                    «_place.Flush();»
                    IsPending = true;
                    """,
                    ""),
            ]),
        new(
            "WrittenWithoutJournal", "Checkpoint 1",
            "a window is written to the backing without a journal",
            Crashes,
            [new(Worker, "if («!TryWriteJournal(end, stop)»)", "false")]),
        new(
            "LengthNotLogged", "Length in the log 1",
            "an append doesn't tell that the device has grown",
            Crashes,
            [new(LogAppending, "return «_takenLength < 0» ? Prepare", "true")]),
        new(
            "LengthNotReplayed", "Length in the log 2",
            "an open doesn't look how long the log says the device is",
            Crashes,
            [new(LogReplay, "_lengthInLog = «_dirty ? Math.Max(_lengthInLog, length) : _lengthInLog»;", "0")]),
        new(
            "BackingNotLengthened", "Length in the log 3",
            "write-back passes a length and leaves the backing as it was",
            Crashes,
            [new(WorkerLengths, "if («_watch.CheckLength() < length»)", "false")]),
        new(
            "JournalFoundNotFlushed", "Checkpoint 1",
            "a journal that a kill has left visible is applied before it is durable",
            Crashes,
            [new(Journal, "«_place.Flush();» // a kill may have left it visible", "")]),
        new(
            "WindowEndsAnywhere", "Checkpoint",
            "a window ends where no flush has ended it",
            Crashes,
            [new(Collecting, "bool endsHere = «alone» || at.Distance == flushed", "true")]),
        new(
            "JournalOutlivesCut", "Checkpoint 3",
            "the backing is cut while its journal knows what lies beyond",
            Crashes,
            [new(Steps, "(drained || «_requests.AnyCollected(collected)») && !_parts", "false")]),
        new(
            "JournalLeftAtDrain", "Checkpoint",
            "a drain leaves its journal beside the backing",
            Model,
            [new(Steps, "bool drained = «!_parts.Writeback.HasWork» && _requests", "false")]),
        new(
            "JournalKeptAtOpen", "Checkpoint 4",
            "an open leaves a journal that is done with where it is",
            Crashes,
            [new(JournalRecognition, "«journal.ClearFound();»", "")]),
        new(
            "PendingJournalForgotten", "Checkpoint 4",
            "an open takes a journal for done with that the backing may lack something of",
            Crashes,
            [new(JournalRecognition, "_isPending = «!isWrittenBack»;", "false")]),
        new(
            "JournalErasureNotFlushed", "Checkpoint 3",
            "a journal is made invalid, but not durably, before something else is written",
            Crashes,
            [
                new(
                    JournalPlace,
                    """
                    Write(0, new byte[BlockSize]);
                    «Flush();»
                    """,
                    ""),
            ]),
    ];
}
