using System.Buffers.Binary;

namespace PCache.Lab.Soak;

/// <summary>
/// The checks. Keeps true: they read only what was recorded, so that they hold whatever runs meanwhile; where the order
/// of events isn't known they allow both.
/// </summary>
internal sealed partial class RaceOracle
{
    /// <summary>
    /// Checks what a read returned that began after <paramref name="floors"/> were taken, and remembers it for later
    /// reads.
    /// </summary>
    /// <exception cref="SoakException">It isn't legal.</exception>
    public void CheckRead(int firstUnit, ReadOnlySpan<byte> bytes, ReadOnlySpan<long> floors, SeenOrder? seen,
        string what)
    {
        Check(firstUnit, bytes, floors, null, seen, what);
        for (int i = 0; i < bytes.Length / UnitBytes; i++)
        {
            long id = IdAt(bytes, i);
            if (id > 0)
            {
                Raise(ref _seen[firstUnit + i], _start[id]);
            }
        }
    }

    /// <summary>Checks all units of an opened kill image (or as many as the device is long).</summary>
    /// <exception cref="SoakException">It isn't legal.</exception>
    public void CheckKill(ReadOnlySpan<byte> bytes, KillState kill, string what) =>
        Check(0, bytes, kill.Durable.AsSpan(0, bytes.Length / UnitBytes), kill, null, what);

    /// <summary>
    /// Checks units against floors taken earlier, without remembering anything: what the backing holds after a drain,
    /// say.
    /// </summary>
    /// <exception cref="SoakException">It isn't legal.</exception>
    public void CheckAtLeast(ReadOnlySpan<byte> bytes, ReadOnlySpan<long> floors, string what) =>
        Check(0, bytes, floors, null, null, what);

    private void Check(int firstUnit, ReadOnlySpan<byte> bytes, ReadOnlySpan<long> floors, KillState? kill,
        SeenOrder? seen, string what)
    {
        int units = bytes.Length / UnitBytes;
        for (int i = 0; i < units; i++)
        {
            CheckUnit(firstUnit + i, bytes, i, floors[i], kill, what);
            if (seen is not null)
            {
                CheckOrder(firstUnit + i, IdAt(bytes, i), seen, what);
            }
        }

        for (int from = 0; from < units;)
        {
            int to = Math.Min(units, from + UnitsPerSector - ((firstUnit + from) % UnitsPerSector));
            CheckSector(firstUnit, bytes, from, to, what);
            from = to;
        }
    }

    private void CheckUnit(int unit, ReadOnlySpan<byte> bytes, int at, long floor, KillState? kill, string what)
    {
        long id = IdAt(bytes, at);
        ulong place = BinaryPrimitives.ReadUInt64LittleEndian(bytes[((at * UnitBytes) + 8)..]);
        if (id == 0 && place == 0)
        {
            // First the count, then the end: a write of zeros that ends in between raises the end before it leaves the
            // count.
            bool legal = kill is null
                ? Volatile.Read(ref _zeroing[unit]) > 0 || Volatile.Read(ref _zeroEnd[unit]) >= floor
                : kill.Zeroing[unit] > 0 || kill.ZeroEnd[unit] >= floor;
            if (!legal)
            {
                throw Illegal(unit, what,
                    $"zeros, last written before {(kill?.ZeroEnd ?? _zeroEnd)[unit]}; a write that began at {floor} "
                    + "replaced them");
            }

            return;
        }

        if (place != PlaceOf(unit) || id <= 0 || id > (kill?.LastWrite ?? Writes))
        {
            throw Illegal(unit, what,
                $"no write's content for this place: {Convert.ToHexString(bytes.Slice(at * UnitBytes, UnitBytes))}");
        }

        if (!Covers(id, unit))
        {
            throw Illegal(unit, what, $"write {id}, which didn't write it");
        }

        long end = Volatile.Read(ref _end[id]);
        if (end != 0 && end < floor)
        {
            throw Illegal(unit, what, $"write {id}, which ended at {end}; one that began at {floor} had replaced it");
        }
    }

    private void CheckOrder(int unit, long id, SeenOrder seen, string what)
    {
        if (id <= 0 || id == seen.Last[unit])
        {
            return;
        }

        if (id == seen.Before[unit])
        {
            throw Illegal(unit, what, $"write {id} again, after write {seen.Last[unit]} was seen in its place");
        }

        seen.Before[unit] = seen.Last[unit];
        seen.Last[unit] = id;
    }

    private void CheckSector(int firstUnit, ReadOnlySpan<byte> bytes, int from, int to, string what)
    {
        long first = IdAt(bytes, from);
        int different = from + 1;
        while (different < to && IdAt(bytes, different) == first)
        {
            different++;
        }

        if (different == to)
        {
            return;
        }

        for (int i = from; i < to; i++)
        {
            for (int j = from; j < to; j++)
            {
                long top = IdAt(bytes, i);
                long below = IdAt(bytes, j);
                if (top == below || below == 0 || !Covers(below, firstUnit + i))
                {
                    continue;
                }

                // At i, top lies over below.
                if (top == 0 ? _zerosAreWholeSectors : Covers(top, firstUnit + j))
                {
                    throw Illegal(firstUnit + i, what,
                        $"a torn sector: {Name(top)} here, write {below} in unit {firstUnit + j}");
                }

                long end = top == 0 ? 0 : Volatile.Read(ref _end[top]);
                if (end != 0 && end < _start[below])
                {
                    throw Illegal(firstUnit + i, what,
                        $"a torn sector: write {top}, which ended at {end}, over write {below}, which began at "
                        + $"{_start[below]} and is in unit {firstUnit + j}");
                }
            }
        }
    }

    private bool Covers(long id, int unit) => unit >= _first[id] && unit < _first[id] + _count[id];

    private SoakException Illegal(int unit, string what, string found) =>
        new($"{what}: unit {unit} (sector {unit / UnitsPerSector}, byte {OffsetOf(unit)} of the device) holds "
            + $"{found}.");

    private static string Name(long id) => id == 0 ? "zeros" : $"write {id}";

    private static long IdAt(ReadOnlySpan<byte> bytes, int unit) =>
        BinaryPrimitives.ReadInt64LittleEndian(bytes[(unit * UnitBytes)..]);
}
