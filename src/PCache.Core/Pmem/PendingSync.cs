// Keeps true:
// * When Drain returns, every range added before it began has been through a successful sync that began after the
//   range was added.
// * One failed sync fails every later drain. After an error the system may take the lost pages for clean, and report
//   the next sync of them as a success although they never reached the disk: only reopening the file, and recovering
//   from what it holds, shows what is true.
// * Bounded memory: all ranges merge into the one that encloses them. One sync of it costs less than many small ones
//   (each a journal commit and a disk flush of its own), and only dirty pages inside it are written.
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>The ranges that a drain has to bring to the disk. Thread-safe; adding doesn't wait for a sync.</summary>
internal sealed class PendingSync
{
    private readonly Action<long, long> _sync;
    private readonly SteadyLock _recording = new(LockRank.Last);
    private readonly SteadyLock _syncing = new(LockRank.Medium);
    private long _start = long.MaxValue;
    private long _end;
    private Exception? _failure;

    /// <summary>Makes an empty set.</summary>
    /// <param name="sync">Brings the range (offset, length in bytes) to the disk, or throws.</param>
    public PendingSync(Action<long, long> sync) => _sync = sync;

    /// <summary>Records a range.</summary>
    public void Add(long offset, long lengthBytes)
    {
        if (lengthBytes == 0)
        {
            return;
        }

        using (_recording.Hold())
        {
            _start = Math.Min(_start, offset);
            _end = Math.Max(_end, offset + lengthBytes);
        }
    }

    /// <summary>
    /// Syncs what was added. Callers that waited for another's sync find their ranges done, or do all that has
    /// gathered in one.
    /// </summary>
    /// <exception cref="IOException">This sync or an earlier one failed.</exception>
    public void Drain()
    {
        // Held during the sync: a caller whose range the running sync has taken must not return before it ends.
        using (_syncing.Hold())
        {
            if (_failure is not null)
            {
                throw new IOException("An earlier sync of the region failed; what it was to make durable may be lost. "
                    + "Reopen the region to go on.", _failure);
            }

            long start;
            long end;
            using (_recording.Hold())
            {
                (start, end) = (_start, _end);
                (_start, _end) = (long.MaxValue, 0);
            }

            if (start >= end)
            {
                return;
            }

            try
            {
                _sync(start, end - start);
            }
            catch (Exception failure)
            {
                _failure = failure;
                throw;
            }
        }
    }
}
