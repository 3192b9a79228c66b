namespace PCache.Core.Engine;

/// <summary>
/// Whether the backing has grown since it was last flushed. Keeps true: a growth counts as flushed only once a flush
/// that began after it has returned: another flush that comes meanwhile must not take it for durable. Any thread.
/// </summary>
internal sealed class BackingGrowth
{
    private long _growths;
    private long _flushed;

    /// <summary>Whether there is a growth that a flush has to bring along.</summary>
    public bool IsUnflushed => Volatile.Read(ref _growths) != Volatile.Read(ref _flushed);

    /// <summary>
    /// The growths so far: read before a flush of the backing begins, given to <see cref="NoteFlushed"/> behind it.
    /// </summary>
    public long Count => Volatile.Read(ref _growths);

    /// <summary>The backing has grown.</summary>
    public void Note() => Interlocked.Increment(ref _growths);

    /// <summary>The backing was flushed.</summary>
    public void NoteFlushed(long growths)
    {
        long flushed = Volatile.Read(ref _flushed);
        while (flushed < growths)
        {
            long seen = Interlocked.CompareExchange(ref _flushed, growths, flushed);
            if (seen == flushed)
            {
                return;
            }

            flushed = seen;
        }
    }
}
