using System.Runtime.InteropServices;

namespace PCache.Sqlite.Locks;

/// <summary>One connection's use of a <see cref="SharedMemory"/>: the locks it has, as bits.</summary>
internal sealed class SharedMemoryUser
{
    public int SharedMask { get; set; }

    public int ExclusiveMask { get; set; }

    public bool IsMapped { get; set; }
}

/// <summary>
/// The WAL index of a database: regions of native memory that the process's connections share, and the eight locks on
/// it. Keeps true: a region never moves while a connection has mapped it; memory begins as zeros, from which SQLite
/// rebuilds the index out of the WAL; when the last connection unmaps, it is gone. A lock is either exclusive or
/// shared. Never waits.
/// </summary>
internal sealed unsafe class SharedMemory
{
    private const int LockCount = 8;

    private readonly Lock _gate = new();
    private readonly List<nint> _regions = [];
    private readonly int[] _sharers = new int[LockCount];
    private int _users;
    private int _exclusiveMask;

    /// <summary>The address of a region; 0 if it isn't there and wasn't to be made.</summary>
    public nint Map(SharedMemoryUser user, int region, int regionBytes, bool extend)
    {
        lock (_gate)
        {
            if (!user.IsMapped)
            {
                user.IsMapped = true;
                _users++;
            }

            while (extend && _regions.Count <= region)
            {
                _regions.Add((nint)NativeMemory.AllocZeroed((nuint)regionBytes));
            }

            return region < _regions.Count ? _regions[region] : 0;
        }
    }

    /// <summary>Takes locks, all or none. False: another connection is in the way.</summary>
    public bool TryLock(SharedMemoryUser user, int first, int count, bool exclusive)
    {
        int mask = ((1 << count) - 1) << first;
        lock (_gate)
        {
            for (int i = first; i < first + count; i++)
            {
                int others = _sharers[i] - (user.SharedMask >> i & 1);
                bool taken = (_exclusiveMask & ~user.ExclusiveMask & (1 << i)) != 0;
                if (taken || (exclusive && others > 0))
                {
                    return false;
                }
            }

            if (exclusive)
            {
                _exclusiveMask |= mask;
                user.ExclusiveMask |= mask;
                return true;
            }

            for (int i = first; i < first + count; i++)
            {
                if ((user.SharedMask >> i & 1) == 0)
                {
                    _sharers[i]++;
                }
            }

            user.SharedMask |= mask;
            return true;
        }
    }

    /// <summary>Gives locks back.</summary>
    public void Unlock(SharedMemoryUser user, int first, int count)
    {
        int mask = ((1 << count) - 1) << first;
        lock (_gate)
        {
            for (int i = first; i < first + count; i++)
            {
                _sharers[i] -= user.SharedMask >> i & 1;
            }

            _exclusiveMask &= ~(user.ExclusiveMask & mask);
            user.ExclusiveMask &= ~mask;
            user.SharedMask &= ~mask;
        }
    }

    /// <summary>Ends a connection's use.</summary>
    public void Unmap(SharedMemoryUser user)
    {
        Unlock(user, 0, LockCount);
        lock (_gate)
        {
            if (!user.IsMapped)
            {
                return;
            }

            user.IsMapped = false;
            if (--_users == 0)
            {
                foreach (nint region in _regions)
                {
                    NativeMemory.Free((void*)region);
                }

                _regions.Clear();
            }
        }
    }
}
