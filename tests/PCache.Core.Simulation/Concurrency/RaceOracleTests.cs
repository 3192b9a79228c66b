using PCache.Lab.Soak;

namespace PCache.Core.Simulation.Concurrency;

/// <summary>
/// The judge itself: it must see each way in which a device could break its promise, and nothing in what is legal.
/// </summary>
public sealed class RaceOracleTests
{
    private const int Sector = RaceOracle.UnitsPerSector;
    private readonly RaceOracle _oracle = new(new SoakClock(), 4096, 4, 100, zerosAreWholeSectors: true);
    private readonly byte[] _device = new byte[4 * 512];

    [Fact]
    public void The_latest_write_and_concurrent_ones_are_legal()
    {
        long first = Store(0, 2 * Sector);
        Read();
        long second = _oracle.BeginWrite(5, 3);
        Read();
        Put(second, 5, 3);
        Read();
        _oracle.EndWrite(second, certain: true, durable: false);
        Read();
        Put(first, 0, Sector);
        Illegal("had replaced it");
    }

    [Fact]
    public void A_write_that_failed_may_be_there_or_not()
    {
        Store(0, Sector);
        long failed = _oracle.BeginWrite(0, Sector);
        _oracle.EndWrite(failed, certain: false, durable: false);
        Read();
        Put(failed, 0, Sector);
        Read();
    }

    [Fact]
    public void Zeros_that_were_replaced_are_stale()
    {
        Read();
        long zeros = _oracle.BeginZeros(0, Sector);
        Store(0, Sector);
        _device.AsSpan(0, 512).Clear();
        Read();
        _oracle.EndZeros(zeros, certain: true, durable: false);
        Store(0, Sector);
        _device.AsSpan(0, 512).Clear();
        Illegal("zeros");
    }

    [Fact]
    public void What_was_seen_is_not_followed_by_what_it_replaced()
    {
        long old = Store(0, Sector);
        long young = _oracle.BeginWrite(0, Sector);
        Put(young, 0, Sector);
        Read();
        Put(old, 0, Sector);
        Illegal("had replaced it");
    }

    [Fact]
    public void No_reader_sees_two_writes_change_places_twice()
    {
        long a = _oracle.BeginWrite(0, Sector);
        long b = _oracle.BeginWrite(0, Sector);
        var seen = new RaceOracle.SeenOrder(_oracle);
        Put(a, 0, Sector);
        Read(seen);
        Put(b, 0, Sector);
        Read(seen);
        Put(a, 0, Sector);
        Assert.Contains("again", Assert.Throws<SoakException>(() => Read(seen)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Halves_of_two_writes_are_torn()
    {
        long a = _oracle.BeginWrite(0, Sector);
        long b = _oracle.BeginWrite(0, Sector);
        Put(a, 0, Sector);
        Put(b, 0, Sector / 2);
        Illegal("torn");
        _device.AsSpan(0, 512).Clear();
        Put(a, 0, Sector / 2);
        Illegal("torn");
    }

    [Fact]
    public void A_part_over_a_whole_is_legal_and_a_whole_over_a_later_part_is_not()
    {
        long whole = Store(0, Sector);
        Store(3, 5);
        Read();
        Put(whole, 4, 1);
        Illegal("had replaced it");
    }

    [Fact]
    public void Foreign_misplaced_and_unwritten_content_is_seen()
    {
        long id = Store(0, Sector);
        _device[20] ^= 1;
        Illegal("no write's content");
        Put(id, 0, Sector);
        _device.AsSpan(0, 16).CopyTo(_device.AsSpan(16));
        Illegal("no write's content");
        Put(id, 0, Sector);
        Put(id, Sector, 1);
        Illegal("which didn't write it");
        _device.AsSpan().Clear();
        Put(id + 1, 0, Sector);
        Illegal("no write's content");
    }

    [Fact]
    public void After_a_kill_what_was_flushed_is_there_and_nothing_older()
    {
        long first = Store(0, Sector);
        long[] covered = _oracle.TakeReturned();
        _oracle.NoteFlushed(covered);
        long second = Store(0, Sector);
        RaceOracle.KillState before = _oracle.TakeKill();
        Put(first, 0, Sector);
        _oracle.CheckKill(_device, before, "kill");
        _oracle.NoteFlushed(_oracle.TakeReturned());
        RaceOracle.KillState after = _oracle.TakeKill();
        Assert.Throws<SoakException>(() => _oracle.CheckKill(_device, after, "kill"));
        Put(second, 0, Sector);
        _oracle.CheckKill(_device, after, "kill");
        _device.AsSpan().Clear();
        Assert.Throws<SoakException>(() => _oracle.CheckKill(_device, after, "kill"));
    }

    [Fact]
    public void What_was_written_after_a_kill_is_not_in_its_image()
    {
        RaceOracle.KillState kill = _oracle.TakeKill();
        Store(0, Sector);
        Assert.Throws<SoakException>(() => _oracle.CheckKill(_device, kill, "kill"));
    }

    private long Store(int first, int count)
    {
        long id = _oracle.BeginWrite(first, count);
        Put(id, first, count);
        _oracle.EndWrite(id, certain: true, durable: false);
        return id;
    }

    private void Put(long id, int first, int count) =>
        _oracle.Make(id, first, count).CopyTo(_device, first * RaceOracle.UnitBytes);

    private void Read(RaceOracle.SeenOrder? seen = null)
    {
        long[] floors = new long[_oracle.Units];
        _oracle.TakeFloors(0, floors);
        _oracle.CheckRead(0, _device, floors, seen, "a read");
    }

    private void Illegal(string because) =>
        Assert.Contains(because, Assert.Throws<SoakException>(() => Read()).Message, StringComparison.Ordinal);
}
