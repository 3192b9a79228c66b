using System.Buffers.Binary;

namespace PCache.Lab.Soak;

/// <summary>
/// What sectors that many threads write may hold.
/// </summary>
/// <remarks>
/// <para>A sector is 32 units of 16 bytes; each unit that a write stores names the write and its own place. So every
/// unit read tells where it comes from, whatever parts of sectors are written. Zeros are anonymous.</para> Keeps true
/// (<see cref="Check"/> refuses everything else): <list type="bullet">
/// <item>A unit holds a write that covers it, that began before it was read, and that didn't end before another write
/// began that had certainly taken effect (returned, or was seen by a read) before the read began.</item>
/// <item>Inside a sector, of two writes that both cover two units not each is on top of the other somewhere: no torn
/// sector.</item>
/// <item>Who sees a write replaced by another one never sees the first one again (<see cref="SeenOrder"/>).</item>
/// <item>After a kill the same holds, with what was flushed in place of what had returned.</item>
/// </list>
/// A write that failed or was cancelled may have taken effect or not: it may be seen, and it replaces nothing for
/// certain.
/// </remarks>
internal sealed partial class RaceOracle
{
    public const int UnitBytes = 16;
    public const int UnitsPerSector = 512 / UnitBytes;
    private const ulong Mark = 0x5EC7_0A00_0000_0000;

    private readonly SoakClock _clock;
    private readonly bool _zerosAreWholeSectors;

    // By write.
    private readonly long[] _start;
    private readonly long[] _end;
    private readonly int[] _first;
    private readonly int[] _count;
    private long _last;

    // By unit: the latest begin among writes that have returned, were seen, or are durable; zeros: the latest end, and
    // how many are being written.
    private readonly long[] _returned;
    private readonly long[] _seen;
    private readonly long[] _durable;
    private readonly long[] _zeroEnd;
    private readonly int[] _zeroing;

    /// <summary>Watches sectors from a device offset on, which hold zeros.</summary>
    /// <param name="clock">Common to all oracles of a device.</param>
    /// <param name="baseOffset">First byte; a multiple of 512.</param>
    /// <param name="sectors">How many sectors.</param>
    /// <param name="maxWrites">Most writes that will be watched.</param>
    /// <param name="zerosAreWholeSectors">Whether zeros always replace whole sectors.</param>
    public RaceOracle(SoakClock clock, long baseOffset, int sectors, int maxWrites, bool zerosAreWholeSectors)
    {
        _clock = clock;
        _zerosAreWholeSectors = zerosAreWholeSectors;
        BaseOffset = baseOffset;
        Units = sectors * UnitsPerSector;
        _start = new long[maxWrites + 1];
        _end = new long[maxWrites + 1];
        _first = new int[maxWrites + 1];
        _count = new int[maxWrites + 1];
        _returned = new long[Units];
        _seen = new long[Units];
        _durable = new long[Units];
        _zeroEnd = new long[Units];
        _zeroing = new int[Units];
    }

    public long BaseOffset { get; }

    /// <summary>Number of units.</summary>
    public int Units { get; }

    public int LengthBytes => Units * UnitBytes;

    /// <summary>Writes begun so far.</summary>
    public long Writes => Interlocked.Read(ref _last);

    /// <summary>Whether there is no place for many more writes.</summary>
    public bool IsFull => Writes >= _start.Length - 1000;

    public long OffsetOf(int unit) => BaseOffset + ((long)unit * UnitBytes);

    /// <summary>A write of data is about to begin; returns its id.</summary>
    public long BeginWrite(int firstUnit, int count)
    {
        long id = Interlocked.Increment(ref _last);
        _first[id] = firstUnit;
        _count[id] = count;
        Volatile.Write(ref _start[id], _clock.Tick());
        return id;
    }

    /// <summary>A write of zeros (also: a truncation) is about to begin; returns its id.</summary>
    public long BeginZeros(int firstUnit, int count)
    {
        for (int unit = firstUnit; unit < firstUnit + count; unit++)
        {
            Interlocked.Increment(ref _zeroing[unit]);
        }

        return BeginWrite(firstUnit, count);
    }

    /// <summary>A write has ended.</summary>
    /// <param name="id">What the begin returned.</param>
    /// <param name="certain">Whether it was done; else it may have been.</param>
    /// <param name="durable">Whether it is durable for certain, by itself.</param>
    public void EndWrite(long id, bool certain, bool durable)
    {
        Volatile.Write(ref _end[id], _clock.Tick());
        for (int unit = _first[id]; unit < _first[id] + _count[id]; unit++)
        {
            if (certain)
            {
                Raise(ref _returned[unit], _start[id]);
            }

            if (certain && durable)
            {
                Raise(ref _durable[unit], _start[id]);
            }
        }
    }

    /// <summary>A write of zeros has ended.</summary>
    public void EndZeros(long id, bool certain, bool durable)
    {
        EndWrite(id, certain, durable);
        for (int unit = _first[id]; unit < _first[id] + _count[id]; unit++)
        {
            Raise(ref _zeroEnd[unit], _end[id]);
            Interlocked.Decrement(ref _zeroing[unit]);
        }
    }

    /// <summary>The content of a write.</summary>
    public byte[] Make(long id, int firstUnit, int count)
    {
        byte[] bytes = new byte[count * UnitBytes];
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(i * UnitBytes), id);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((i * UnitBytes) + 8), PlaceOf(firstUnit + i));
        }

        return bytes;
    }

    /// <summary>What has certainly taken effect by now, for a read that is about to begin.</summary>
    public void TakeFloors(int firstUnit, Span<long> floors)
    {
        for (int i = 0; i < floors.Length; i++)
        {
            floors[i] = Math.Max(Volatile.Read(ref _returned[firstUnit + i]), Volatile.Read(ref _seen[firstUnit + i]));
        }
    }

    /// <summary>A flush (or drain) is about to begin: what it will cover for certain.</summary>
    public long[] TakeReturned() => (long[])_returned.Clone();

    /// <summary>A flush has returned that began after <paramref name="covered"/> was taken.</summary>
    public void NoteFlushed(long[] covered)
    {
        for (int unit = 0; unit < covered.Length; unit++)
        {
            if (covered[unit] > Volatile.Read(ref _durable[unit]))
            {
                Raise(ref _durable[unit], covered[unit]);
            }
        }
    }

    /// <summary>
    /// What must and may be there after a kill at this moment; take it while the world is stopped, before the copy.
    /// </summary>
    public KillState TakeKill()
    {
        // The counts before the ends: a write of zeros that ends meanwhile is in the one or in the other.
        long[] durable = (long[])_durable.Clone();
        int[] zeroing = (int[])_zeroing.Clone();
        return new KillState(durable, zeroing, (long[])_zeroEnd.Clone(), Writes);
    }

    private ulong PlaceOf(int unit) => Mark ^ (ulong)((BaseOffset / UnitBytes) + unit);

    private static void Raise(ref long value, long to)
    {
        long seen = Volatile.Read(ref value);
        while (seen < to)
        {
            long was = Interlocked.CompareExchange(ref value, to, seen);
            if (was == seen)
            {
                return;
            }

            seen = was;
        }
    }

    /// <summary>The state of the units at a kill.</summary>
    internal sealed record KillState(long[] Durable, int[] Zeroing, long[] ZeroEnd, long LastWrite);

    /// <summary>What one thread saw last, and before that, in each unit.</summary>
    internal sealed class SeenOrder(RaceOracle oracle)
    {
        internal readonly long[] Last = new long[oracle.Units];
        internal readonly long[] Before = new long[oracle.Units];
    }
}
