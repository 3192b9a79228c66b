using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// PCache.Sqlite: transactions without a journal. Keeps true: each rule of AtomicCommits and FileTransaction has one.
internal static partial class MutantTable
{
    private static Mutant[] SqliteAtomic =>
    [
        OfAtomic("AtomicWritesAtOnce", AtomicCommits, "_open ??= TryBegin();", ""),
        OfAtomic("AtomicWithoutExclusive", AtomicCommits, "holder.Level == LockLevel.Exclusive", "true"),
        OfAtomic("AtomicBesideAJournal", AtomicCommits, "!database.IsOpen(FileSlot.Journal)", "true"),
        OfAtomic("AtomicBesideAWal", AtomicCommits, "!database.IsOpen(FileSlot.Wal)", "true"),
        OfAtomic("AtomicReadsWhatWas", AtomicCommits,
            "_open is { } open ? open.Read(offset, buffer) : _files.Read(FileSlot.Main, offset, buffer)",
            "_files.Read(FileSlot.Main, offset, buffer)"),
        OfAtomic("AtomicLengthOfBefore", AtomicCommits, "_open?.Length ?? _files.GetLength(FileSlot.Main)",
            "_files.GetLength(FileSlot.Main)"),
        OfAtomic("AtomicSyncNotDurable", AtomicCommits, "Commit(durable: true);", "Commit(durable: false);"),
        OfAtomic("AtomicSecondPhaseUnheard", AtomicCommits,
            "if (_open is not null)\n        {\n            «Commit(durable: false);»", ""),
        OfAtomic("AtomicDropCommits", AtomicCommits,
            "public void Drop()\n    {\n        «_open?.Dispose();»", "_open?.Commit(durable: false);"),
        OfAtomic("AtomicFailedWriteGoesOn", AtomicCommits,
            "_open.Write(offset, buffer);\n        }\n        catch\n        {\n            «Fail();»", ""),
        OfAtomic("AtomicFailedLengthGoesOn", AtomicCommits,
            "_open.SetLength(lengthBytes);\n            }\n            catch\n            {\n                "
                + "«Fail();»",
            ""),
        OfAtomic("AtomicTakesAnythingAfterAFailure", AtomicCommits,
            "RequireSame(offset, buffer);", ""),
        OfAtomic("AtomicTakesAnyLengthAfterAFailure", AtomicCommits, "lengthBytes != Length", "lengthBytes < 0"),
        OfAtomic("AtomicFailedForGoodAfterSync", AtomicCommits,
            "public void Sync()\n    {\n        «_hasFailed = false;»", ""),
        OfAtomic("AtomicFailedForGoodWithoutSync", AtomicCommits,
            "public void OnAllWritten()\n    {\n        «_hasFailed = false;»", ""),
        OfAtomic("AtomicFailedForGoodAfterDrop", AtomicCommits,
            "«_hasFailed = false;»\n        _isAskedFor = false;\n    }\n\n    private", ""),
        OfAtomic("AtomicRefusedCommitForgotten", AtomicCommits, "«_hasFailed = true;» // nothing", ""),
        OfAtomic("AtomicAskedForInTheMiddle", AtomicCommits, "_open is not null || _hasFailed", "_hasFailed"),
        OfAtomic("AtomicAskedForAfterAFailure", AtomicCommits, "_open is not null || _hasFailed",
            "_open is not null"),
        OfAtomic("AtomicAskedForNotCommitted", AtomicCommits,
            "«Commit(durable: false);»\n        return true;", ""),
        OfAtomic("AtomicDropsWhatWasNotAskedFor", AtomicCommits, "if («_isAskedFor»)", "_isAskedFor || !_isAskedFor"),
        OfAtomic("AtomicGapKeepsOldBytes", FileTransaction, "WriteZeros(Length, offset);", ""),
        OfAtomic(
            "AtomicLongerKeepsOldBytes", FileTransaction, "WriteZeros(Length, VirtualLayout.RoundUp(length));", ""),
        OfAtomic("AtomicPaddingKeepsOldBytes", FileTransaction, "WriteZeros(end, VirtualLayout.RoundUp(end));", ""),
        OfAtomic("AtomicCommitsWhatWasCutOff", FileTransaction, "CutOff();", ""),
        OfAtomic("AtomicWithoutItsTable", CachedFiles, "batch.Write(0, sector);", ""),
        OfAtomic("AtomicOldTableNotToldBefore", CachedFiles, "«Publish(Current());» // lengths", ""),
        OfAtomic("AtomicShorterWithWhatWasBefore", CachedFiles,
            "«_device.Flush();» // it", ""),
        OfSqlite("SequentialLongerUntold", CachedFiles, "(_untold & ~(1 << (int)slot)) != 0", "_untold < 0",
            "CachedFilesTests"),
        OfAtomic(
            "AtomicLengthForgottenAfterAFailure", CachedFiles, "ReadTable().Main == table.Main",
            "table.Main == default"),
        OfAtomic(
            "AtomicLengthBelievedAfterAFailure", CachedFiles, "ReadTable().Main == table.Main",
            "table.Main != default"),
    ];

    private static Mutant OfAtomic(string name, string file, string text, string replacement) =>
        OfSqlite(name, file, text, replacement, "AtomicCommitsTests");
}
