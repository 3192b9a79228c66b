namespace PCache.Core.Inspection;

/// <summary>
/// Adds up distinct bytes of ranges. Keeps true: ranges are merged whenever their number has doubled, so memory goes
/// with the number of separate ranges, not with the number of keys.
/// </summary>
internal sealed class ByteRanges
{
    private const int FirstMerge = 1 << 16;

    private readonly List<(ulong Start, ulong End)> _ranges = [];
    private int _mergeAt = FirstMerge;

    public void Add(ulong start, ulong end)
    {
        _ranges.Add((start, end));
        if (_ranges.Count >= _mergeAt)
        {
            Merge();
            _mergeAt = Math.Max(FirstMerge, _ranges.Count * 2);
        }
    }

    public long CountBytes()
    {
        Merge();
        ulong sum = 0;
        foreach ((ulong start, ulong end) in _ranges)
        {
            sum += end - start;
        }

        return (long)sum;
    }

    private void Merge()
    {
        _ranges.Sort();
        int kept = 0;
        for (int i = 0; i < _ranges.Count; i++)
        {
            if (kept > 0 && _ranges[i].Start <= _ranges[kept - 1].End)
            {
                _ranges[kept - 1] = (_ranges[kept - 1].Start, Math.Max(_ranges[kept - 1].End, _ranges[i].End));
            }
            else
            {
                _ranges[kept++] = _ranges[i];
            }
        }

        _ranges.RemoveRange(kept, _ranges.Count - kept);
    }
}
