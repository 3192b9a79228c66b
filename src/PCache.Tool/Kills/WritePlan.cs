// Keeps true: what a write id writes is a pure function of seed and id, so that the parent needs only ids to know it;
// writers own disjoint areas, so that the order of the ids that cover a sector is the order in which they were
// written.
namespace PCache.Tool.Kills;

/// <summary>One write of the plan.</summary>
/// <param name="FirstSector">Its first sector.</param>
/// <param name="SectorCount">1 to <see cref="WritePlan.MaxSectorsPerWrite"/>.</param>
/// <param name="ForceUnitAccess">Whether it is an FUA write.</param>
/// <param name="FlushAfter">Whether its writer flushes after it.</param>
internal readonly record struct PlannedWrite(uint FirstSector, uint SectorCount, bool ForceUnitAccess, bool FlushAfter)
{
    public bool Covers(uint sector) => sector >= FirstSector && sector - FirstSector < SectorCount;
}

/// <summary>What every write id writes. The ids of writer p are those with id % writers = p.</summary>
internal sealed class WritePlan
{
    public const uint MaxSectorsPerWrite = 16;

    /// <summary>
    /// A writer flushes at least this often, counted in its own writes: bounds what can be unacknowledged.
    /// </summary>
    public const uint MaxWritesPerFlush = 64;

    private readonly ulong _seed;
    private readonly uint _area;
    private readonly uint _flushEvery;

    public WritePlan(ulong seed, uint sectors, uint writers, uint flushEvery)
    {
        ArgumentOutOfRangeException.ThrowIfZero(writers);
        ArgumentOutOfRangeException.ThrowIfZero(flushEvery);
        ArgumentOutOfRangeException.ThrowIfLessThan(sectors / writers, MaxSectorsPerWrite * 2, nameof(sectors));
        _seed = seed;
        _area = sectors / writers;
        _flushEvery = flushEvery;
        Writers = writers;
        Sectors = sectors;
    }

    public uint Writers { get; }

    public uint Sectors { get; }

    /// <summary>The write with an id.</summary>
    public PlannedWrite Get(uint id)
    {
        ulong bits = Mix(_seed + (id * 0x9E3779B97F4A7C15UL));
        uint count = 1 + (uint)(bits % MaxSectorsPerWrite);
        ulong place = Mix(bits);

        // Half of the writes hit a sixteenth of the area: overwrites are what recovery gets wrong.
        uint area = (place & 1) == 0 ? _area : Math.Max(_area / 16, MaxSectorsPerWrite);
        uint first = ((id % Writers) * _area) + (uint)((place >> 1) % (area - count + 1));
        ulong kind = Mix(place);
        return new PlannedWrite(first, count, kind % _flushEvery == 0, (kind >> 32) % _flushEvery == 0);
    }

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15UL;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EBUL;
        return value ^ (value >> 31);
    }
}
