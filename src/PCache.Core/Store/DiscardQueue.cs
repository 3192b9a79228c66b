using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// Discards that the backing hasn't been told of yet, in sectors. Keeps true: no range of it was rewritten after its
/// discard (writes take their range out, under their shard's lock); it is bounded: when full, the oldest is
/// forgotten, which a discard may be.
/// </summary>
internal sealed class DiscardQueue
{
    private const int MaxRanges = 4096;
    private readonly SteadyLock _lock = new();
    private readonly List<(long First, long End, long Distance)> _ranges = [];
    private volatile int _count;

    /// <summary>Whether anything waits.</summary>
    public bool IsEmpty => _count == 0;

    /// <summary>Adds a discard of everything logged before <paramref name="distance"/>.</summary>
    public void Add(long first, long end, long distance)
    {
        using (_lock.Hold())
        {
            if (_ranges.Count >= MaxRanges)
            {
                _ranges.RemoveAt(0);
            }

            _ranges.Add((first, end, distance));
            _count = _ranges.Count;
        }
    }

    /// <summary>A write of sectors [start, end) of a stripe: they are no longer discarded.</summary>
    public void Rewritten(long stripe, int start, int end)
    {
        if (_count > 0)
        {
            long basis = stripe * (MediaConstants.StripeSize / MediaConstants.SectorSize);
            using (_lock.Hold())
            {
                Subtract(basis + start, basis + end);
            }
        }
    }

    /// <summary>Forgets everything from a sector on: the device was truncated.</summary>
    public void TruncateTo(long firstSector)
    {
        using (_lock.Hold())
        {
            Subtract(firstSector, long.MaxValue);
        }
    }

    /// <summary>The first discard that a dirty tail at <paramref name="dirtyTailDistance"/> has passed.</summary>
    public bool TryPeek(long dirtyTailDistance, out long first, out long end)
    {
        first = end = 0;
        if (_count == 0)
        {
            return false;
        }

        using (_lock.Hold())
        {
            foreach ((long rangeFirst, long rangeEnd, long distance) in _ranges)
            {
                if (distance <= dirtyTailDistance)
                {
                    (first, end) = (rangeFirst, rangeEnd);
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>
    /// Takes the part from <paramref name="first"/> on, at most to <paramref name="limit"/>, out of the queue; false:
    /// it was rewritten meanwhile.
    /// </summary>
    public bool TryTake(long first, long limit, out long end)
    {
        end = first;
        using (_lock.Hold())
        {
            for (int i = 0; i < _ranges.Count; i++)
            {
                (long rangeFirst, long rangeEnd, long distance) = _ranges[i];
                if (rangeFirst != first)
                {
                    continue;
                }

                end = Math.Min(rangeEnd, limit);
                if (end < rangeEnd)
                {
                    _ranges[i] = (end, rangeEnd, distance);
                }
                else
                {
                    _ranges.RemoveAt(i);
                }

                _count = _ranges.Count;
                return true;
            }
        }

        return false;
    }

    private void Subtract(long first, long end)
    {
        for (int i = _ranges.Count - 1; i >= 0; i--)
        {
            (long rangeFirst, long rangeEnd, long distance) = _ranges[i];
            if (rangeEnd <= first || rangeFirst >= end)
            {
                continue;
            }

            _ranges.RemoveAt(i);
            if (rangeEnd > end)
            {
                _ranges.Insert(i, (end, rangeEnd, distance));
            }

            if (rangeFirst < first)
            {
                _ranges.Insert(i, (rangeFirst, first, distance));
            }
        }

        _count = _ranges.Count;
    }
}
