using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Native;

/// <summary>
/// A file that SQLite has open: a slot of a database, and what its connection holds there. Keeps true: SQLite uses
/// one on one thread at a time.
/// </summary>
internal sealed class OpenFile(RegisteredVfs vfs, DatabaseLease lease, FileSlot slot, bool isReadOnly)
{
    public RegisteredVfs Vfs { get; } = vfs;

    public Database Database { get; } = lease.Database;

    public IDatabaseFiles Files { get; } = lease.Database.Files;

    public FileSlot Slot { get; } = slot;

    public bool IsReadOnly { get; } = isReadOnly;

    public LockHolder Holder { get; } = new();

    public SharedMemoryUser SharedMemory { get; } = new();

    public bool KeepsWal { get; set; }

    public bool DeletesOnClose { get; init; }

    public string Path => Database.Path + FileSlots.Suffix(Slot);

    /// <summary>Notes an error, and says what SQLite is told.</summary>
    public int Fail(string operation, Exception exception, int otherwise)
    {
        Vfs.Errors.Add(Path, operation, exception);
        return ErrorCodes.Of(exception, otherwise);
    }

    /// <summary>Notes that the database was deleted, renamed or replaced, and says what SQLite is told.</summary>
    public int RefuseMoved()
    {
        Vfs.Errors.Add(Path, "moved", Database.MovedError());
        return SqliteCode.ReadOnlyMoved;
    }

    /// <summary>Gives back what the connection held; the database may be closed by that.</summary>
    public void Close()
    {
        try
        {
            Database.Locks.Unlock(Holder, LockLevel.None);
            Database.SharedMemory.Unmap(SharedMemory);
            if (DeletesOnClose)
            {
                Files.Delete(Slot);
            }
        }
        finally
        {
            lease.Dispose();
        }
    }
}
