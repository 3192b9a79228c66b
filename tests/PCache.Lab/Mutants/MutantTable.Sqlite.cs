using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// PCache.Sqlite: the files on their cache, the plain files behind it, what the cache knows of them, locks. Only tests
// without SQLite itself: its native library isn't found in the process that judges.
internal static partial class MutantTable
{
    private static Mutant[] Sqlite =>
    [
        OfSqlite("SqlitePaddingNotZeroed", CachedFiles, "padded[buffer.Length..length].Clear();", "",
            "SynchronisationTests"),
        OfSqlite("SqliteSyncedBeforeItIs", Composite,
            "store.Sync((FileSlot)i);\n                    _trimmed[i] = false;\n                    _unsynced[i] = "
                + "false;",
            "_trimmed[i] = false; _unsynced[i] = false; store.Sync((FileSlot)i);", "SynchronisationTests"),
        OfSqlite("SqliteGrowthInsideASectorUntold", CachedFiles,
            "«_tableIsOld = true;»\n        _untold |=",
            "_tableIsOld |= VirtualLayout.RoundUp(length) != VirtualLayout.RoundUp(Math.Max(0, _lengths[(int)slot]));",
                "SynchronisationTests"),
        OfSqlite("SqliteGapFromTheNextSector", CachedFiles,
            "_device.WriteZeroes(start + length, offset - length);",
            "_device.WriteZeroes(start + VirtualLayout.RoundUp(length), Math.Max(0, offset - "
                + "VirtualLayout.RoundUp(length)));", "SynchronisationTests", "CachedFilesTests"),
        OfSqlite("SqliteLongerWithoutItsLastSector", CachedFiles,
            "«VirtualLayout.RoundUp(lengthBytes) - length»);\n                SetLengthNow", "lengthBytes - length",
                "SynchronisationTests"),
        OfSqlite("SqliteTableNotFlushed", CachedFiles,
            "«_device.Flush();»\n        }\n        catch (Exception e) when", "{ }", "SynchronisationTests"),
        OfSqlite("SqliteHalfWayForgotten", CachedFiles, "_broken = e;", "", "CachedFilesTests"),
        OfSqlite("SqliteReadsToTheEndOfTheSector", CachedFiles,
            "Math.Clamp(GetLength(slot) - offset, 0, buffer.Length)",
                "Math.Clamp(VirtualLayout.RoundUp(GetLength(slot)) - offset, 0, buffer.Length)",
            "SynchronisationTests", "CachedFilesTests"),
        OfSqlite("SqliteLengthNotSynced", CompositeParts, "_unsynced[i] |= !onlyZeros;", "", "SynchronisationTests"),
        OfSqlite("SqliteCutZerosSyncedAtOnce", CompositeParts, "_unsynced[i] |= !onlyZeros;", "_unsynced[i] = true;",
            "SynchronisationTests"),
        OfSqlite("SqliteDataNotSynced", CompositeParts, "Volatile.Write(ref _unsynced[(int)slot], true);", "",
            "SynchronisationTests"),
        OfSqlite("SqliteDeletedNameNotSynced", CompositeParts,
            "«_namesUnsynced = true;»\n                        _unsynced[i] = false;", "", "SynchronisationTests"),
        OfSqlite("SqliteNameMadeByTableNotSynced", CompositeParts,
            "if (!exists)\n                {\n                    «_namesUnsynced = true;»", "",
                "SynchronisationTests"),
        OfSqlite("SqliteNameMadeByDataNotSynced", CompositeParts,
            "if (!store.Exists(slot))\n            {\n                «_namesUnsynced = true;»", "",
                "SynchronisationTests"),
        OfSqlite("SqliteNamesSyncedBeforeTheyAre", Composite,
            "store.SyncNames();\n                _namesUnsynced = false;",
                "_namesUnsynced = false; store.SyncNames();", "SynchronisationTests"),
        OfSqlite("SqliteExactLengthsNotKept", Composite, "(KeepsExactLengths && _trimmed[i])",
            "(KeepsExactLengths && _unsynced[i])", "SynchronisationTests"),
        OfSqlite("SqliteRecordBehindItsWrite", RecordKeeper,
            "_images[slot] = image;\n            Write();\n            «_region.Drain();»", "", "RecordTests"),
        OfSqlite("SqliteRecordBehindItsTable", RecordKeeper,
            "images.CopyTo(_images, 0);\n                Write();\n                «_region.Drain();»", "",
                "RecordTests"),
        OfSqlite("SqliteRecordIgnoresTrims", RecordKeeper, "if («trimmed[i]» && image.MayExist)", "false",
            "RecordTests"),
        OfSqlite("SqliteRecordSkipsLonger", RecordKeeper,
            "offset + data.Length <= image.Longest && offset >= FileTable.HeadBytes", "offset >= FileTable.HeadBytes",
            "RecordTests"),
        OfSqlite("SqliteRecordSkipsHeads", RecordKeeper,
            "offset + data.Length <= image.Longest && offset >= FileTable.HeadBytes",
            "offset + data.Length <= image.Longest", "RecordTests"),
        OfSqlite("SqliteRecordTakesOverForeignWork", RecordKeeper,
            "if (!_settled)\n            {\n                «RequireOurs();»", "", "RecordTests"),
        OfSqlite("SqliteGroupBegunOnForeignFiles", RecordKeeper, "«RequireOurs();»\n            _settled = false;", "",
            "RecordTests"),
        OfSqlite("SqliteImageNotLonger", FileImage, "Longest = Math.Max(Longest, offset + data.Length);", "",
            "RecordTests"),
        OfSqlite("SqliteSharedOverExclusive", "src/PCache.Sqlite/" + "Locks/SharedMemory.cs",
            "(_exclusiveMask & ~user.ExclusiveMask & (1 << i)) != 0",
                "exclusive && (_exclusiveMask & ~user.ExclusiveMask & (1 << i)) != 0", "LockTableTests"),
    ];

    private static Mutant OfSqlite(string name, string file, string text, string replacement, params string[] tests) =>
        new(name, file, text, replacement, tests) { Project = "PCache.Sqlite.Tests" };
}
