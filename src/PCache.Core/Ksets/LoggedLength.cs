using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// How long the device is, and how long it is by the log. Keeps true: a length has the epoch in which it was published
/// (see <see cref="LogEpoch"/>), so an append takes the length that belongs to its keys: no key that lies beyond it,
/// and no later length; a length counts as logged only once the kset that tells it is durable. Only growth comes here:
/// a truncation empties the log first, and begins anew. Any thread.
/// </summary>
internal sealed class LoggedLength
{
    private readonly Latch _latch = new(LockRank.Leaf);
    private readonly LogEpoch _epoch;
    private long _latest;
    private long _latestEpoch;
    private long _before; // as of the epochs before the latest's
    private long _logged; // by the log, or by the backing

    /// <param name="epoch">The log's epoch.</param>
    /// <param name="length">How long the device is by log and backing, in bytes.</param>
    public LoggedLength(LogEpoch epoch, long length)
    {
        _epoch = epoch;
        _latest = _before = _logged = length;
    }

    /// <summary>Whether the log has to be told a length.</summary>
    public bool IsUnlogged => Volatile.Read(ref _latest) != Volatile.Read(ref _logged);

    /// <summary>The device is longer from now on. Before the first key there is added.</summary>
    public void Grow(long length)
    {
        using (_latch.Hold())
        {
            Invariant.Holds(length >= _latest, "a length that is logged only grows");
            long epoch = _epoch.Current;
            if (epoch != _latestEpoch)
            {
                _before = _latest;
                _latestEpoch = epoch;
            }

            Volatile.Write(ref _latest, length);
        }
    }

    /// <summary>
    /// The length of the epochs before <paramref name="epoch"/>, where the log doesn't know it yet; else -1. Under the
    /// append lock.
    /// </summary>
    public long UnloggedBefore(long epoch)
    {
        using (_latch.Hold())
        {
            long length = _latestEpoch < epoch ? _latest : _before;
            return length > _logged ? length : -1;
        }
    }

    /// <summary>The kset that tells it is durable. Under the append lock.</summary>
    public void NoteLogged(long length)
    {
        using (_latch.Hold())
        {
            Volatile.Write(ref _logged, Math.Max(_logged, length));
        }
    }

    /// <summary>
    /// A truncation begins: of what no key has brought into the log, no more than the new length is to come there.
    /// Under the append lock.
    /// </summary>
    public void Limit(long length)
    {
        using (_latch.Hold())
        {
            long latest = Math.Max(_logged, Math.Min(_latest, length));
            Volatile.Write(ref _latest, latest);
            _before = latest;
        }
    }

    /// <summary>The backing has this length, and the log tells of none: at the end of a truncation.</summary>
    public void Begin(long length)
    {
        using (_latch.Hold())
        {
            Volatile.Write(ref _latest, length);
            _before = length;
            Volatile.Write(ref _logged, length);
        }
    }
}
