using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// Where in the log the flushes of this open stand, so that one can tell which of them write-back has passed. Keeps
/// true: numbers go up by one with every flush that had something to make durable; the last one is always known, of
/// older ones as many as fit, evenly thinned out; a mark that is asked for is never later than the one that was
/// passed. Any thread.
/// </summary>
internal sealed class FlushMarks
{
    private const int Most = 256;

    private readonly SteadyLock _lock = new();
    private readonly List<FlushMark> _marks = new(Most);
    private FlushMark _passed;
    private FlushMark _last;

    /// <param name="openedAt">Where the log ended when it was opened: what stood there then counts as flush 0.</param>
    public FlushMarks(long openedAt) => _last = new FlushMark(0, openedAt, default);

    /// <summary>The last flush. Number 0: there was none since the open.</summary>
    public FlushMark Last
    {
        get
        {
            using (_lock.Hold())
            {
                return _last;
            }
        }
    }

    /// <summary>A flush has made everything before <paramref name="distance"/> durable.</summary>
    public void Note(long distance, DateTimeOffset time)
    {
        using (_lock.Hold())
        {
            Invariant.Holds(distance >= _last.Distance, "flushes come in the order of the log");
            _last = new FlushMark(_last.Number + 1, distance, time);
            if (_marks.Count == Most)
            {
                int kept = 0;
                for (int i = 1; i < _marks.Count; i += 2)
                {
                    _marks[kept++] = _marks[i];
                }

                _marks.RemoveRange(kept, _marks.Count - kept);
            }

            _marks.Add(_last);
        }
    }

    /// <summary>
    /// The last flush that a dirty tail at <paramref name="distance"/> has passed. Number 0: none since the open.
    /// </summary>
    public FlushMark Passed(long distance)
    {
        using (_lock.Hold())
        {
            int passed = 0;
            while (passed < _marks.Count && _marks[passed].Distance <= distance)
            {
                _passed = _marks[passed++];
            }

            _marks.RemoveRange(0, passed);
            return _passed;
        }
    }
}

/// <summary>A flush: its number since the open, from 1; where in the log it stands; when it was.</summary>
internal readonly record struct FlushMark(long Number, long Distance, DateTimeOffset Time);
