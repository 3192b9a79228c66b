namespace PCache.Core.Ksets;

/// <summary>
/// Which cache segments a replayed log uses. Keeps true: a segment holds log or live payload, never both; only live
/// keys are counted. Segments in the log from the key tail on, or referenced, are in use; all others are free.
/// </summary>
internal sealed class SegmentUse(int chainLength)
{
    private readonly int[] _references = new int[chainLength];
    private readonly bool[] _isLog = new bool[chainLength];

    /// <summary>Live keys by cache segment.</summary>
    public ReadOnlySpan<int> References => _references;

    public bool IsLog(int segment) => _isLog[segment];

    public bool IsUsed(int segment) => _isLog[segment] || _references[segment] > 0;

    /// <summary>Number of segments in use.</summary>
    public int UsedCount
    {
        get
        {
            int count = 0;
            for (int segment = 0; segment < _isLog.Length; segment++)
            {
                count += IsUsed(segment) ? 1 : 0;
            }

            return count;
        }
    }

    public void AddReference(int segment) => _references[segment]++;

    public void MarkLog(int segment) => _isLog[segment] = true;
}
