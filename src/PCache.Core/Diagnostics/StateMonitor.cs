using PCache.Core.Primitives;

namespace PCache.Core.Diagnostics;

/// <summary>
/// Knows the device's state as it was last looked at, and tells of changes.
/// </summary>
/// <remarks>
/// <para>Keeps true: looks are taken one at a time, so "since" is that of the look that first saw it; a change that
/// lasts is always told; changes are told one at a time, in order, on a thread of the pool, under no lock, so a
/// handler may do whatever it wants with the device; while one runs, only the latest state is kept, so nothing piles
/// up. What a handler throws is logged and otherwise ignored.</para>
/// <para>The lock is held while the state is read, so nothing that calls <see cref="Look"/> may hold a lock that
/// reading takes.</para>
/// </remarks>
/// <param name="read">Reads the state; the state before is given, so that times can be kept. Null: the device is
/// closed.</param>
/// <param name="isWanted">Whether there is a listener; without one no thread is woken.</param>
/// <param name="tell">Tells of a change.</param>
internal sealed class StateMonitor(
    Func<PCacheState?, PCacheState?> read, Func<bool> isWanted, Action<PCacheState, PCacheState> tell)
{
    private readonly SteadyLock _lock = new(LockRank.State);
    private PCacheState? _latest;
    private PCacheState? _told;
    private bool _telling;
    private int _lookQueued;

    /// <summary>Takes a look; returns the state, null if the device is closed.</summary>
    public PCacheState? Look()
    {
        using (_lock.Hold())
        {
            PCacheState? now = read(_latest);
            if (now is null)
            {
                return null;
            }

            _told ??= now; // the first look is at what the open found
            _latest = now;
            if (!now.DiffersFrom(_told) || _telling)
            {
                return now;
            }

            if (!isWanted())
            {
                _told = now;
            }
            else
            {
                _telling = true;
                ThreadPool.UnsafeQueueUserWorkItem(static monitor => monitor.Tell(), this, preferLocal: false);
            }

            return now;
        }
    }

    /// <summary>Has a look taken soon, from wherever this is called: under any lock.</summary>
    public void LookSoon()
    {
        if (Interlocked.Exchange(ref _lookQueued, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static monitor =>
                {
                    Volatile.Write(ref monitor._lookQueued, 0);
                    monitor.Look();
                },
                this,
                preferLocal: false);
        }
    }

    private void Tell()
    {
        while (true)
        {
            PCacheState before;
            PCacheState now;
            using (_lock.Hold())
            {
                if (!_latest!.DiffersFrom(_told))
                {
                    _telling = false;
                    return;
                }

                before = _told!;
                now = _latest!;
                _told = now;
            }

            tell(before, now);
        }
    }
}
