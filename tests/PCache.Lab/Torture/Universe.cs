namespace PCache.Lab.Torture;

/// <summary>
/// The sectors that a run touches: a few areas of the device, so that overlaps are frequent and a whole check is a
/// handful of reads. Keeps true: areas are ordered, don't overlap, and begin and end at sectors; slots number their
/// sectors without gaps.
/// </summary>
internal sealed class Universe
{
    private readonly (long FirstSector, int Count, int FirstSlot)[] _areas;

    public Universe(params ReadOnlySpan<(long FirstSector, int Count)> areas)
    {
        _areas = new (long, int, int)[areas.Length];
        for (int i = 0; i < areas.Length; i++)
        {
            _areas[i] = (areas[i].FirstSector, areas[i].Count, Slots);
            Slots += areas[i].Count;
        }
    }

    /// <summary>Number of sectors.</summary>
    public int Slots { get; }

    /// <summary>Number of areas.</summary>
    public int Areas => _areas.Length;

    /// <summary>First sector, number of sectors and first slot of an area.</summary>
    public (long FirstSector, int Count, int FirstSlot) Area(int area) => _areas[area];

    /// <summary>The slot of a sector; -1: none, no check looks there.</summary>
    public int SlotOf(long sector)
    {
        foreach ((long first, int count, int slot) in _areas)
        {
            if (sector >= first && sector < first + count)
            {
                return slot + (int)(sector - first);
            }
        }

        return -1;
    }

    /// <summary>The sector of a slot.</summary>
    public long SectorOf(int slot)
    {
        foreach ((long first, int count, int from) in _areas)
        {
            if (slot < from + count)
            {
                return first + slot - from;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(slot));
    }
}
