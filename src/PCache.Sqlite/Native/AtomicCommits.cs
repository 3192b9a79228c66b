using PCache.Core;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Native;

/// <summary>
/// What one connection does with the database's file where transactions without a journal are written as a whole
/// (<see cref="PCacheVfsOptions.AtomicCommits"/>). Belongs to one thread at a time, as its connection's file does.
/// </summary>
/// <remarks>
/// What SQLite does, by journal mode:
/// <list type="bullet">
/// <item>DELETE, TRUNCATE, PERSIST: the journal's file is open from before the first write to the database until its
/// transaction has ended; so it is while a journal that a crash has left is rolled back.</item>
/// <item>WAL: the WAL is open as long as the connection is in that mode, also where it writes to the database under
/// EXCLUSIVE (the last close, locking_mode=EXCLUSIVE).</item>
/// <item>MEMORY, OFF: EXCLUSIVE, xWrite..., SQLITE_FCNTL_SYNC, xSync unless synchronous is OFF, perhaps xTruncate,
/// SQLITE_FCNTL_COMMIT_PHASETWO, unlock. A rollback after pages were spilled writes the old ones (OFF: nothing), sends
/// SQLITE_FCNTL_SYNC and xSync, and no COMMIT_PHASETWO. With locking_mode=EXCLUSIVE there is no unlock.</item>
/// <item>Built with SQLITE_ENABLE_BATCH_ATOMIC_WRITE, the modes with a journal keep it in memory where they can, and
/// put the writes between BEGIN_ATOMIC_WRITE and COMMIT_ATOMIC_WRITE; pages are spilled only with a journal's file.
/// The xSync that follows makes it durable.</item>
/// </list>
/// Keeps true:
/// <list type="number">
/// <item>A write to the database under EXCLUSIVE, while neither a journal nor a WAL of it is open, begins a
/// transaction here; what is written goes there, and reads of this connection see it.</item>
/// <item>It ends, as a whole and durable, with xSync; without one, as a whole, with COMMIT_PHASETWO. Where neither
/// came before EXCLUSIVE is given up, SQLite has rolled it back, or failed: it is dropped, and the file is as it was
/// before.</item>
/// <item>Once a write of it fails (also because it is too large), all of it is dropped. SQLite then rolls back: what it
/// writes for that is there already, and anything else is an error.</item>
/// <item>A commit that failed and has perhaps happened leaves no transaction behind: the rollback is one of its own.
/// </item>
/// <item>All else goes to the files as without this: a truncation alone, too, which is atomic by itself.</item>
/// </list>
/// </remarks>
internal sealed class AtomicCommits(Database database, LockHolder holder)
{
    private readonly IDatabaseFiles _files = database.Files;
    private FileTransaction? _open;
    private bool _isAskedFor; // by BEGIN_ATOMIC_WRITE
    private bool _hasFailed;

    /// <summary>Whether a transaction is under way here.</summary>
    public bool IsOpen => _open is not null;

    public long Length => _open?.Length ?? _files.GetLength(FileSlot.Main);

    public int Read(long offset, Span<byte> buffer) =>
        _open is { } open ? open.Read(offset, buffer) : _files.Read(FileSlot.Main, offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (_hasFailed)
        {
            RequireSame(offset, buffer);
            return;
        }

        _open ??= TryBegin();
        if (_open is null)
        {
            _files.Write(FileSlot.Main, offset, buffer);
            return;
        }

        try
        {
            _open.Write(offset, buffer);
        }
        catch
        {
            Fail();
            throw;
        }
    }

    public void SetLength(long lengthBytes)
    {
        if (_hasFailed)
        {
            if (lengthBytes != Length)
            {
                throw MustRollBack();
            }
        }
        else if (_open is null)
        {
            _files.SetLength(FileSlot.Main, lengthBytes);
        }
        else
        {
            try
            {
                _open.SetLength(lengthBytes);
            }
            catch
            {
                Fail();
                throw;
            }
        }
    }

    public void Sync()
    {
        _hasFailed = false;
        if (_open is null)
        {
            _files.Sync(FileSlot.Main);
        }
        else
        {
            Commit(durable: true);
        }
    }

    /// <summary>SQLITE_FCNTL_SYNC: everything of a transaction, or of its rollback, has been written.</summary>
    public void OnAllWritten()
    {
        _hasFailed = false;
    }

    /// <summary>SQLITE_FCNTL_COMMIT_PHASETWO.</summary>
    public void OnCommitted()
    {
        _hasFailed = false;
        if (_open is not null)
        {
            Commit(durable: false);
        }
    }

    /// <summary>SQLITE_FCNTL_BEGIN_ATOMIC_WRITE; false: not now.</summary>
    public bool TryBeginAskedFor()
    {
        if (_open is not null || _hasFailed)
        {
            return false;
        }

        _open = TryBegin();
        _isAskedFor = _open is not null;
        return _isAskedFor;
    }

    /// <summary>SQLITE_FCNTL_COMMIT_ATOMIC_WRITE; false: there is nothing to commit.</summary>
    public bool TryCommitAskedFor()
    {
        if (!_isAskedFor || _open is null)
        {
            return false;
        }

        Commit(durable: false);
        return true;
    }

    /// <summary>SQLITE_FCNTL_ROLLBACK_ATOMIC_WRITE: SQLite goes on with a journal.</summary>
    public void DropAskedFor()
    {
        if (_isAskedFor)
        {
            Drop();
        }
    }

    /// <summary>Before EXCLUSIVE is given up, or the file closed.</summary>
    public void Drop()
    {
        _open?.Dispose();
        _open = null;
        _hasFailed = false;
        _isAskedFor = false;
    }

    private FileTransaction? TryBegin() =>
        holder.Level == LockLevel.Exclusive && !database.IsOpen(FileSlot.Journal) && !database.IsOpen(FileSlot.Wal)
            ? _files.BeginTransaction()
            : null;

    private void Commit(bool durable)
    {
        FileTransaction open = _open!;
        _open = null;
        try
        {
            open.Commit(durable);
            _isAskedFor = false;
        }
        catch (Exception e) when (e is PCacheFullException or ArgumentException)
        {
            _hasFailed = true; // nothing was written
            throw;
        }
        finally
        {
            open.Dispose();
        }
    }

    private void Fail()
    {
        _open?.Dispose();
        _open = null;
        _hasFailed = true;
    }

    private void RequireSame(long offset, ReadOnlySpan<byte> buffer)
    {
        var there = new byte[buffer.Length];
        int read = _files.Read(FileSlot.Main, offset, there);
        if (read != buffer.Length || !buffer.SequenceEqual(there))
        {
            throw MustRollBack();
        }
    }

    private static IOException MustRollBack() =>
        new("An earlier write of the transaction failed, so nothing of it is kept: it can only be rolled back.");
}
