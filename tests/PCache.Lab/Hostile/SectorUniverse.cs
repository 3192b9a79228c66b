namespace PCache.Lab.Hostile;

/// <summary>
/// The sectors of a backing whose content is compared: all of a small one; of a large one those around its image's
/// keys. Keeps true: windows are sorted and disjoint, and lie inside the backing (its last partial sector counts);
/// their number is bounded.
/// </summary>
internal sealed class SectorUniverse
{
    private const int MostSectors = 2048;
    private const int Margin = 4;

    private readonly List<(long First, int Count, int Index)> _windows = [];

    private SectorUniverse()
    {
    }

    /// <summary>Number of sectors.</summary>
    public int Count { get; private set; }

    public IReadOnlyList<(long First, int Count, int Index)> Windows => _windows;

    public static SectorUniverse Of(ModelImage image, long backingBytes)
    {
        var universe = new SectorUniverse();
        long sectors = (backingBytes + 511) / 512;
        if (sectors <= MostSectors)
        {
            universe.Add(0, sectors);
            return universe;
        }

        var wanted = new SortedSet<long>();
        for (int i = 0; i < Margin; i++)
        {
            wanted.Add(i);
            wanted.Add(sectors - 1 - i);
        }

        foreach (ModelKey key in image.LiveKeys)
        {
            long first = (long)key.Offset / 512;
            for (long s = Math.Max(0, first - Margin); s < Math.Min(sectors, first + (key.Bytes / 512) + Margin)
                && wanted.Count < MostSectors; s++)
            {
                wanted.Add(s);
            }
        }

        long begin = wanted.Min;
        long end = begin;
        foreach (long sector in wanted)
        {
            if (sector != end)
            {
                universe.Add(begin, end);
                begin = sector;
            }

            end = sector + 1;
        }

        universe.Add(begin, end);
        return universe;
    }

    private void Add(long first, long end)
    {
        if (end > first)
        {
            _windows.Add((first, (int)(end - first), Count));
            Count += (int)(end - first);
        }
    }
}
