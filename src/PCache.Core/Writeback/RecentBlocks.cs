namespace PCache.Core.Writeback;

/// <summary>
/// Where write-back wrote last: some places of the last groups, newest first. Keeps true: at most <see cref="Most"/>
/// places, each in a block of 4 KiB of its own; only what the backing has accepted and flushed. Costs a few
/// instructions for a group. Used by one thread at a time.
/// </summary>
internal sealed class RecentBlocks
{
    /// <summary>Most places.</summary>
    public const int Most = 8;

    private const int BlockBytes = 4096;

    private readonly List<long> _places = new(Most * 2);

    /// <summary>The places: offsets in bytes, multiples of 4096, newest first.</summary>
    public IReadOnlyList<long> Places => _places;

    /// <summary>Takes over what an earlier open remembered.</summary>
    public void Restore(IEnumerable<long> places)
    {
        foreach (long place in places)
        {
            Append(place);
        }
    }

    /// <summary>
    /// A group has been written and flushed: takes places spread over all of it, and keeps as many older ones as
    /// there is room for.
    /// </summary>
    public void NoteGroup(ReadOnlySpan<WritebackRun> runs)
    {
        if (runs.IsEmpty)
        {
            return;
        }

        List<long> older = [.. _places];
        _places.Clear();
        for (int i = 0; i < Most; i++)
        {
            // The i-th eighth of the runs, and of the run where there are fewer.
            long eighths = (long)i * runs.Length;
            WritebackRun run = runs[(int)(eighths / Most)];
            Append(run.Offset + (eighths % Most * run.LengthBytes / Most));
        }

        older.ForEach(Append);
    }

    /// <summary>The backing was told that it need not keep a range: what it holds there is undefined.</summary>
    public void Forget(long from, long to) => _places.RemoveAll(place => place + BlockBytes > from && place < to);

    private void Append(long offset)
    {
        long place = offset & -(long)BlockBytes;
        if (_places.Count < Most && !_places.Contains(place))
        {
            _places.Add(place);
        }
    }
}
