namespace PCache.Sqlite.Locks;

/// <summary>SQLite's lock levels.</summary>
internal enum LockLevel
{
    None = 0,
    Shared = 1,
    Reserved = 2,
    Pending = 3,
    Exclusive = 4,
}

/// <summary>One connection's place in a <see cref="LockTable"/>.</summary>
internal sealed class LockHolder
{
    /// <summary>What it holds; written under the table's lock only.</summary>
    public LockLevel Level { get; set; }
}

/// <summary>
/// The locks of a database among the connections of the process, as SQLite defines them. Keeps true: any number of
/// SHARED and at most one RESERVED; PENDING keeps new readers out; EXCLUSIVE is alone. Never waits: who can't have a
/// lock is told so.
/// </summary>
internal sealed class LockTable
{
    private readonly Lock _gate = new();
    private int _holders; // at SHARED or above
    private LockHolder? _writer; // the one at RESERVED or above

    /// <summary>
    /// Raises a holder's lock. False: another connection is in the way (a writer may have PENDING all the same).
    /// </summary>
    public bool TryLock(LockHolder holder, LockLevel level)
    {
        lock (_gate)
        {
            if (holder.Level >= level)
            {
                return true;
            }

            if (level == LockLevel.Shared)
            {
                if (_writer is { Level: >= LockLevel.Pending })
                {
                    return false;
                }

                holder.Level = LockLevel.Shared;
                _holders++;
                return true;
            }

            if (_writer is not null && _writer != holder)
            {
                return false;
            }

            _writer = holder;
            if (level == LockLevel.Reserved)
            {
                holder.Level = LockLevel.Reserved;
                return true;
            }

            holder.Level = LockLevel.Pending;
            if (level == LockLevel.Exclusive)
            {
                if (_holders > 1)
                {
                    return false;
                }

                holder.Level = LockLevel.Exclusive;
            }

            return true;
        }
    }

    /// <summary>Lowers a holder's lock to SHARED or none.</summary>
    public void Unlock(LockHolder holder, LockLevel level)
    {
        lock (_gate)
        {
            if (holder.Level <= level)
            {
                return;
            }

            if (_writer == holder)
            {
                _writer = null;
            }

            holder.Level = level;
            if (level == LockLevel.None)
            {
                _holders--;
            }
        }
    }

    /// <summary>Whether any connection is going to write.</summary>
    public bool IsReserved
    {
        get
        {
            lock (_gate)
            {
                return _writer is not null;
            }
        }
    }
}
