namespace PCache.Lab.Torture;

/// <summary>
/// After a crash no write is there without all those that had returned before it began. Keeps true: each version of a
/// sector knows when its write began and when it returned (never, if it failed or is running); a moment is possible if
/// everything that is there began before it, or at it, and nothing is missing that had returned before; one moment has
/// to be possible for all sectors.
/// </summary>
/// <remarks>
/// A write may be there in part: then the moment lies inside it. Discarded content may be anything, and says of the
/// writes before it nothing. What a truncation has cut off is no matter of order either: it has everything written back
/// first.
/// </remarks>
internal sealed partial class CrashOracle
{
    private readonly Stack<WriteSpan> _running = new();
    private readonly List<WriteSpan>[] _spans;
    private long _now;

    /// <summary>Writes that have begun and neither returned nor failed.</summary>
    public int Running => _running.Count;

    /// <summary>The write that began last has returned.</summary>
    public void Returned()
    {
        if (_running.TryPop(out WriteSpan? span))
        {
            span.End = ++_now;
        }
    }

    /// <summary>All but so many of the running writes have failed, or nobody knows what became of them.</summary>
    public void Abandon(int running)
    {
        while (_running.Count > running)
        {
            _ = _running.Pop();
        }
    }

    private WriteSpan Begin()
    {
        var span = new WriteSpan { Begin = ++_now };
        _running.Push(span);
        return span;
    }

    private void Append(int slot, byte[]? version, WriteSpan span)
    {
        _versions[slot].Add(version);
        _spans[slot].Add(span);
    }

    private void Reset(int slot, byte[]? version)
    {
        _versions[slot] = [version];
        _spans[slot] = [WriteSpan.Always];
    }

    /// <summary>
    /// Keeps of the moments those at which a sector can have held this; none are left: it is out of order.
    /// </summary>
    private void Narrow(List<(long From, long To)> moments, int slot, ReadOnlySpan<byte> found, int floor)
    {
        List<byte[]?> versions = _versions[slot];
        List<WriteSpan> spans = _spans[slot];
        var possible = new List<(long From, long To)>();
        long to = long.MaxValue; // the first return among the later versions
        for (int i = versions.Count - 1; i >= floor; i--)
        {
            if (Fits(versions[i], found))
            {
                possible.Add((versions[i] is null ? 0 : spans[i].Begin, to));
            }

            to = Math.Min(to, spans[i].End);
        }

        List<(long From, long To)> left = [];
        foreach ((long from, long until) in moments)
        {
            foreach ((long first, long last) in possible)
            {
                if (Math.Max(from, first) <= Math.Min(until, last))
                {
                    left.Add((Math.Max(from, first), Math.Min(until, last)));
                }
            }
        }

        if (left.Count == 0)
        {
            throw new TortureViolation(
                $"The device holds no state that the order of its writes allows: sector {_universe.SectorOf(slot)} "
                + $"holds {SectorStamps.Describe(found)}, so at {string.Join(" or ", possible)}; the other sectors are "
                + $"as at {string.Join(" or ", moments)}.");
        }

        moments.Clear();
        moments.AddRange(Joined(left));
    }

    /// <summary>The same moments in as few ranges as can be: a sector that was written often has many.</summary>
    private static IEnumerable<(long From, long To)> Joined(List<(long From, long To)> ranges)
    {
        ranges.Sort();
        (long from, long to) = ranges[0];
        foreach ((long next, long until) in ranges)
        {
            if (next > to)
            {
                yield return (from, to);
                (from, to) = (next, until);
            }

            to = Math.Max(to, until);
        }

        yield return (from, to);
    }

    /// <summary>When a write began and returned, on the oracle's own clock.</summary>
    private sealed class WriteSpan
    {
        /// <summary>Of what was there before any write that counts.</summary>
        public static readonly WriteSpan Always = new();

        public long Begin { get; init; }

        /// <summary>The greatest value: it hasn't returned.</summary>
        public long End { get; set; } = long.MaxValue;
    }
}
