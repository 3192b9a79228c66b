using PCache.Core.Primitives;

namespace PCache.Core.Diagnostics;

/// <summary>
/// Lets one occurrence in an interval through, and counts the others. Keeps true: every occurrence is counted exactly
/// once, either let through or in the count that the next one let through carries. Any thread.
/// </summary>
internal sealed class OccurrenceLimit(TimeProvider clock, TimeSpan interval)
{
    // filters of exceptions run while what is thrown through still holds its locks
    private readonly SteadyLock _lock = new(LockRank.Last);
    private long? _last;
    private long _suppressed;

    /// <summary>
    /// Whether this occurrence is to be told; <paramref name="suppressed"/>: how many weren't since the last one that
    /// was.
    /// </summary>
    public bool Allow(out long suppressed)
    {
        using (_lock.Hold())
        {
            long now = clock.GetTimestamp();
            if (_last is long last && clock.GetElapsedTime(last, now) < interval)
            {
                _suppressed++;
                suppressed = 0;
                return false;
            }

            _last = now;
            suppressed = _suppressed;
            _suppressed = 0;
            return true;
        }
    }
}
