namespace PCache.Sqlite.Native;

/// <summary>
/// The numbers of SQLite's C interface that a VFS needs. Keeps true: values are those of sqlite3.h, which never
/// change them.
/// </summary>
internal static class SqliteCode
{
    public const int Ok = 0;
    public const int Error = 1;
    public const int Busy = 5;
    public const int NoMemory = 7;
    public const int ReadOnly = 8;
    public const int IoError = 10;
    public const int NotFound = 12;
    public const int Full = 13;
    public const int CantOpen = 14;

    public const int IoErrorRead = IoError | (1 << 8);
    public const int IoErrorShortRead = IoError | (2 << 8);
    public const int IoErrorWrite = IoError | (3 << 8);
    public const int IoErrorFsync = IoError | (4 << 8);
    public const int IoErrorTruncate = IoError | (6 << 8);
    public const int IoErrorFstat = IoError | (7 << 8);
    public const int IoErrorUnlock = IoError | (8 << 8);
    public const int IoErrorDelete = IoError | (10 << 8);
    public const int IoErrorNoMemory = IoError | (12 << 8);
    public const int IoErrorAccess = IoError | (13 << 8);
    public const int IoErrorLock = IoError | (15 << 8);
    public const int IoErrorClose = IoError | (16 << 8);
    public const int IoErrorShmMap = IoError | (21 << 8);
    public const int IoErrorCorruptFs = IoError | (33 << 8);
    public const int IoErrorDeleteNoEntry = IoError | (23 << 8);

    public const int ReadOnlyMoved = ReadOnly | (4 << 8);

    public const int OpenReadOnly = 0x1;
    public const int OpenReadWrite = 0x2;
    public const int OpenCreate = 0x4;
    public const int OpenDeleteOnClose = 0x8;
    public const int OpenMainDb = 0x100;
    public const int OpenMainJournal = 0x800;
    public const int OpenWal = 0x80000;

    public const int AccessExists = 0;

    public const int CapabilityAtomic512 = 0x2;
    public const int CapabilitySequential = 0x400;
    public const int CapabilityPowersafeOverwrite = 0x1000;
    public const int CapabilityBatchAtomic = 0x4000;

    public const int ControlLockState = 1;
    public const int ControlLastErrno = 4;
    public const int ControlSizeHint = 5;
    public const int ControlChunkSize = 6;
    public const int ControlPersistWal = 10;
    public const int ControlVfsName = 12;
    public const int ControlPowersafeOverwrite = 13;
    public const int ControlHasMoved = 20;
    public const int ControlSync = 21;
    public const int ControlCommitPhaseTwo = 22;
    public const int ControlBeginAtomicWrite = 31;
    public const int ControlCommitAtomicWrite = 32;
    public const int ControlRollbackAtomicWrite = 33;
    public const int ControlExternalReader = 40;

    /// <summary>The lock of a WAL's index that a writer takes.</summary>
    public const int WalWriteLock = 0;

    public const int ShmUnlock = 1;
    public const int ShmLock = 2;
    public const int ShmShared = 4;
    public const int ShmExclusive = 8;
}
