using System.Diagnostics.CodeAnalysis;

namespace PCache.Core.Indexing;

/// <summary>
/// The interval map of one 4 MiB stripe: which payload holds the latest version of each of its 8192 sectors.
/// </summary>
/// <remarks>
/// What it keeps true:
/// extents are sorted by start, never overlap, lie inside the stripe and have at least one sector; a gap is never stored;
/// each sector belongs to the extent that was inserted last over it;
/// a trimmed extent keeps its logged key and checksum, and its payload sector moves along with its start;
/// the array is a power of two and, beyond <see cref="KeptCapacity"/>, more than a quarter full.
/// Not thread-safe: the caller holds the shard's lock. Units: sectors of 512 bytes; ranges are [start, end).
/// </remarks>
internal sealed partial class StripeIndex
{
    /// <summary>Sectors of a stripe.</summary>
    public const int SectorCount = (4 << 20) / 512;

    /// <summary>Number of extents.</summary>
    public int Count => _count;

    /// <summary>Extents that fit before the array grows.</summary>
    public int Capacity => _extents.Length;

    /// <summary>Puts <paramref name="extent"/> over whatever is in its range; what sticks out of it on either side stays, trimmed.</summary>
    public void Insert(in Extent extent)
    {
        int start = extent.Start;
        int end = extent.End;
        CheckRange(start, end);
        if (_count == 0 || start >= _extents[_count - 1].End)
        {
            int last = _count;
            Resize(last, last, 1);
            _extents[last] = extent;
            return;
        }

        int first = FirstEndingAfter(start);
        int limit = FirstStartingAt(first, end);
        if (limit == first + 1 && _extents[first].Start >= start && _extents[first].End <= end)
        {
            _extents[first] = extent;
            return;
        }

        int at = MakeHole(first, limit, start, end, 1);
        _extents[at] = extent;
    }

    /// <summary>
    /// Appends what is in [start, end) to <paramref name="pieces"/>, clipped and in order, with gaps where nothing is, so that the pieces tile the range exactly.
    /// Returns the number of pieces appended.
    /// </summary>
    public int Lookup(int start, int end, ExtentBuffer pieces)
    {
        CheckRange(start, end);
        int before = pieces.Count;
        int position = start;
        for (int i = FirstEndingAfter(start); i < _count && _extents[i].Start < end; i++)
        {
            ref readonly Extent extent = ref _extents[i];
            if (extent.Start > position)
            {
                pieces.Add(Gap(position, extent.Start));
            }

            pieces.Add(extent.Clip(start, end));
            position = extent.End;
        }

        if (position < end)
        {
            pieces.Add(Gap(position, end));
        }

        return pieces.Count - before;
    }

    /// <summary>True, with the clipped extent, if one extent covers all of [start, end).</summary>
    public bool TryGetSingle(int start, int end, out Extent piece)
    {
        CheckRange(start, end);
        int i = FirstEndingAfter(start);
        if (i < _count)
        {
            ref readonly Extent extent = ref _extents[i];
            if (extent.Start <= start && extent.End >= end)
            {
                piece = extent.Clip(start, end);
                return true;
            }
        }

        piece = default;
        return false;
    }

    /// <summary>Makes [start, end) a gap.</summary>
    public void Remove(int start, int end)
    {
        CheckRange(start, end);
        int first = FirstEndingAfter(start);
        int limit = FirstStartingAt(first, end);
        if (first < limit)
        {
            MakeHole(first, limit, start, end, 0);
        }
    }

    /// <summary>
    /// Makes gaps of those parts of [start, end) whose extent matches. The filter sees each extent whole; only the part inside the range is removed.
    /// </summary>
    public void RemoveWhere<TFilter>(int start, int end, ref TFilter filter)
        where TFilter : struct, IExtentFilter
    {
        CheckRange(start, end);
        int first = FirstEndingAfter(start);
        int kept = first;
        int i = first;
        for (; i < _count && _extents[i].Start < end; i++)
        {
            Extent extent = _extents[i];
            if (!filter.Matches(in extent))
            {
                _extents[kept++] = extent;
            }
            else if (extent.Start < start && extent.End > end)
            {
                // It is the only one in the range, and becomes two.
                MakeHole(i, i + 1, start, end, 0);
                return;
            }
            else if (extent.Start < start)
            {
                _extents[kept++] = extent.Clip(0, start);
            }
            else if (extent.End > end)
            {
                _extents[kept++] = extent.Clip(end, SectorCount);
            }
        }

        if (kept < i)
        {
            Resize(kept, i, 0);
        }
    }

    /// <summary>
    /// Puts <paramref name="replacement"/> over just those parts of its range whose extent matches; gaps and other extents stay.
    /// Appends the parts of it that went in, in order, to <paramref name="replaced"/>; parts that touch each other are one. Returns their number.
    /// The filter sees each extent whole.
    /// </summary>
    public int ReplaceWhere<TFilter>(in Extent replacement, ref TFilter filter, ExtentBuffer replaced)
        where TFilter : struct, IExtentFilter
    {
        int start = replacement.Start;
        int end = replacement.End;
        CheckRange(start, end);
        int before = replaced.Count;
        int partStart = -1;
        int partEnd = -1;
        for (int i = FirstEndingAfter(start); i < _count && _extents[i].Start < end; i++)
        {
            ref readonly Extent extent = ref _extents[i];
            if (!filter.Matches(in extent))
            {
                continue;
            }

            if (extent.Start != partEnd)
            {
                if (partEnd >= 0)
                {
                    replaced.Add(replacement.Clip(partStart, partEnd));
                }

                partStart = Math.Max(start, extent.Start);
            }

            partEnd = extent.End;
        }

        if (partEnd >= 0)
        {
            replaced.Add(replacement.Clip(partStart, partEnd));
        }

        foreach (ref readonly Extent part in replaced.AsSpan()[before..])
        {
            Insert(in part);
        }

        return replaced.Count - before;
    }

    /// <summary>Forgets everything and gives the memory back.</summary>
    public void Clear()
    {
        _extents = [];
        _count = 0;
    }

    /// <summary>All extents in order. The index must not change meanwhile.</summary>
    public Enumerator GetEnumerator() => new(this);

    private static Extent Gap(int start, int end) => new() { Start = (ushort)start, Length = (ushort)(end - start), Flags = ExtentFlags.Gap };

    private static void CheckRange(int start, int end)
    {
        if ((uint)start >= (uint)end || (uint)end > SectorCount)
        {
            ThrowRange(start, end);
        }
    }

    [DoesNotReturn]
    private static void ThrowRange(int start, int end) =>
        throw new ArgumentOutOfRangeException(nameof(start), $"[{start}, {end}) is not a range of sectors of a stripe.");
}
