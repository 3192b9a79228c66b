using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Native;

/// <summary>
/// A file that SQLite has open: a slot of a database, and what its connection holds there. Keeps true: SQLite uses
/// one on one thread at a time; from its making to its close the database counts it as open.
/// </summary>
internal sealed class OpenFile
{
    private readonly DatabaseLease _lease;

    public OpenFile(RegisteredVfs vfs, DatabaseLease lease, FileSlot slot, bool isReadOnly)
    {
        _lease = lease;
        Vfs = vfs;
        Database = lease.Database;
        Files = lease.Database.Files;
        Slot = slot;
        IsReadOnly = isReadOnly;
        Atomic = vfs.AtomicCommits && slot == FileSlot.Main && !isReadOnly ? new AtomicCommits(Database, Holder) : null;
        Database.CountOpened(slot, 1);
    }

    public RegisteredVfs Vfs { get; }

    public Database Database { get; }

    public IDatabaseFiles Files { get; }

    public FileSlot Slot { get; }

    public bool IsReadOnly { get; }

    public LockHolder Holder { get; } = new();

    /// <summary>Where transactions without a journal are written as a whole; else null.</summary>
    public AtomicCommits? Atomic { get; }

    public SharedMemoryUser SharedMemory { get; } = new();

    public bool KeepsWal { get; set; }

    public bool DeletesOnClose { get; init; }

    public string Path => Database.Path + FileSlots.Suffix(Slot);

    public long Length => Atomic is { } atomic ? atomic.Length : Files.GetLength(Slot);

    /// <summary>Reads; returns the bytes read.</summary>
    public int Read(long offset, Span<byte> buffer) =>
        Atomic is { } atomic ? atomic.Read(offset, buffer) : Files.Read(Slot, offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (Atomic is { } atomic)
        {
            atomic.Write(offset, buffer);
        }
        else
        {
            Files.Write(Slot, offset, buffer);
        }
    }

    public void SetLength(long lengthBytes)
    {
        if (Atomic is { } atomic)
        {
            atomic.SetLength(lengthBytes);
        }
        else
        {
            Files.SetLength(Slot, lengthBytes);
        }
    }

    public void Sync()
    {
        if (CommitsLater && Atomic is not { IsOpen: true })
        {
            Atomic?.OnAllWritten();
        }
        else if (Atomic is { } atomic)
        {
            atomic.Sync();
        }
        else
        {
            Files.Sync(Slot);
        }
    }

    /// <summary>Gives a lock up.</summary>
    public void Unlock(LockLevel level)
    {
        if (Holder.Level == LockLevel.Exclusive && level < LockLevel.Exclusive)
        {
            Atomic?.Drop();
        }

        Database.Locks.Unlock(Holder, level);
    }

    /// <summary>
    /// Whether a synchronisation of the database is for the order only: with a journal the commit is the journal's end,
    /// which is made durable, and with a WAL it was that of the WAL.
    /// </summary>
    private bool CommitsLater => Slot == FileSlot.Main && Files.IsSequential
        && (Database.IsOpen(FileSlot.Journal) || Database.IsOpen(FileSlot.Wal));

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
            Unlock(LockLevel.None);
            Database.SharedMemory.Unmap(SharedMemory);
            if (DeletesOnClose)
            {
                Files.Delete(Slot);
            }
        }
        finally
        {
            Database.CountOpened(Slot, -1);
            _lease.Dispose();
        }
    }
}
