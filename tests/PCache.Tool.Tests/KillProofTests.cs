using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PCache.Tool.Kills;

namespace PCache.Tool.Tests;

/// <summary>The proof code itself: it must see each way in which a cache could break its promise.</summary>
public sealed class KillProofTests : IDisposable
{
    private const uint Sectors = 512;
    private const uint Writers = 2;
    private readonly WritePlan _plan = new(7, Sectors, Writers, 8);
    private readonly KillVerifier _verifier;
    private readonly MemoryDevice _device = new((int)Sectors * MarkedSector.SectorSize);

    public KillProofTests()
    {
        _verifier = new KillVerifier(_plan);
        MarkedSector.Fill(_device.Bytes, 0, 0);
    }

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Pattern_is_that_of_the_golden_images()
    {
        byte[] sector = new byte[512];
        MarkedSector.Fill(sector, 0xABC, 0x12F);
        Assert.Equal("w00012fs00000abcw00012fs00000abc", Encoding.ASCII.GetString(sector, 0, 32));
        Assert.True(MarkedSector.TryRead(sector, 0xABC, out uint id));
        Assert.Equal(0x12Fu, id);
        Assert.False(MarkedSector.TryRead(sector, 0xABD, out _));
        Assert.False(MarkedSector.TryRead(new byte[512], 0, out _));
    }

    [Fact]
    public void Pattern_sees_every_flipped_byte()
    {
        byte[] sector = new byte[512];
        MarkedSector.Fill(sector, 3, 5);
        for (int i = 0; i < sector.Length; i++)
        {
            sector[i] ^= 1;
            Assert.False(MarkedSector.TryRead(sector, 3, out _), $"byte {i}");
            sector[i] ^= 1;
        }
    }

    [Fact]
    public void Plan_stays_in_its_writers_area() => Prop.ForAll<uint>(value =>
    {
        uint id = value % (MarkedSector.MaxWriteId + 1);
        PlannedWrite write = _plan.Get(id);
        uint area = Sectors / Writers;
        return write == _plan.Get(id)
            && write.SectorCount is >= 1 and <= WritePlan.MaxSectorsPerWrite
            && write.FirstSector / area == id % Writers
            && (write.FirstSector + write.SectorCount - 1) / area == id % Writers
            && write.Covers(write.FirstSector)
            && !write.Covers(write.FirstSector + write.SectorCount);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Acknowledgements_come_back_as_written()
    {
        var stream = new MemoryStream();
        var writer = new AckWriter(stream);
        writer.Ready();
        writer.Flushed(12);
        writer.ForceUnitAccess(4294967295);
        stream.Write("flush 99"u8);
        foreach (int chunk in new[] { 1, 3, 1000 })
        {
            Ack[] acks = [.. AckLog.Read(new ChunkedStream(stream.ToArray(), chunk))];
            Assert.Equal([new Ack(AckKind.Ready, 0), new Ack(AckKind.Flush, 12),
                new Ack(AckKind.ForceUnitAccess, 4294967295)], acks);
        }
    }

    [Theory]
    [InlineData("hello\n")]
    [InlineData("flush\n")]
    [InlineData("flush -1\n")]
    [InlineData("fua 4294967296\n")]
    public void Unknown_acknowledgements_are_errors(string text) =>
        Assert.Throws<InvalidDataException>(() => AckLog.Read(new MemoryStream(Encoding.ASCII.GetBytes(text))).Count());

    [Fact]
    public void Endless_line_is_an_error() =>
        Assert.Throws<InvalidDataException>(() => AckLog.Read(new MemoryStream(new byte[1 << 17])).Count());

    [Fact]
    public void Acknowledged_and_unacknowledged_writes_pass()
    {
        uint first = _verifier.BeginWriter();
        for (uint i = 0; i < 40; i++)
        {
            Apply(first + i);
        }

        _verifier.Acknowledge(new Ack(AckKind.Flush, first + 20));
        _verifier.Acknowledge(new Ack(AckKind.Flush, first + 21));
        VerifyResult result = _verifier.Verify(_device);
        Assert.Equal(0, result.Violations);
        Assert.Equal(Sectors, result.Sectors);
        Assert.True(result.UnacknowledgedSectors > 0);
        Assert.Equal(22, _verifier.AcknowledgedWrites);
        Assert.True(_verifier.NextWriteId > first + 39);
        Assert.Equal(0, _verifier.VerifyExact(_device).Violations);
    }

    [Fact]
    public void Lost_flushed_write_is_a_violation()
    {
        uint first = _verifier.BeginWriter();
        _verifier.Acknowledge(new Ack(AckKind.Flush, first));
        AssertViolation("was acknowledged");
    }

    [Fact]
    public void Lost_forced_write_is_a_violation()
    {
        uint first = _verifier.BeginWriter();
        Apply(first);
        _verifier.Acknowledge(new Ack(AckKind.ForceUnitAccess, first + 3));
        AssertViolation($"write {first + 3} was acknowledged");
    }

    [Fact]
    public void Torn_sector_is_a_violation()
    {
        _verifier.BeginWriter();
        _device.Bytes[(100 * 512) + 300] ^= 4;
        AssertViolation("Sector 100 is torn or foreign");
    }

    [Fact]
    public void Misplaced_sector_is_a_violation()
    {
        _verifier.BeginWriter();
        _device.Bytes.AsSpan(512, 512).CopyTo(_device.Bytes.AsSpan(1024));
        AssertViolation("Sector 2 is torn or foreign");
    }

    [Fact]
    public void Write_that_does_not_cover_the_sector_is_a_violation()
    {
        uint first = _verifier.BeginWriter();
        PlannedWrite write = _plan.Get(first);
        uint elsewhere = write.FirstSector > 0 ? write.FirstSector - 1 : write.SectorCount;
        MarkedSector.Fill(_device.Bytes.AsSpan((int)elsewhere * 512, 512), elsewhere, first);
        AssertViolation("which can't be there");
    }

    [Fact]
    public void Write_that_was_never_issued_is_a_violation()
    {
        uint first = _verifier.BeginWriter();
        Apply(first + (Writers * (WritePlan.MaxWritesPerFlush + 1)));
        AssertViolation("which can't be there");
    }

    [Fact]
    public void Write_that_comes_back_after_a_later_flushed_one_is_a_violation()
    {
        uint first = _verifier.BeginWriter();
        uint[] ids = [.. Enumerable.Range(0, 60).Select(i => first + ((uint)i * Writers))];
        (uint early, uint later) = ids.SelectMany(a => ids.Where(b => b > a).Select(b => (a, b)))
            .First(pair => _plan.Get(pair.b).Covers(_plan.Get(pair.a).FirstSector));
        for (uint id = first; id <= later; id += Writers)
        {
            Apply(id);
        }

        _verifier.Acknowledge(new Ack(AckKind.Flush, later));
        Assert.Equal(0, _verifier.Verify(_device).Violations);
        Apply(early);
        AssertViolation($"write {later} was acknowledged");
    }

    [Fact]
    public void What_was_seen_once_must_stay()
    {
        uint first = _verifier.BeginWriter();
        Apply(first);
        Assert.Equal(0, _verifier.Verify(_device).Violations);
        _verifier.BeginWriter();
        MarkedSector.Fill(_device.Bytes, 0, 0);
        AssertViolation($"write {first} was acknowledged");
    }

    [Fact]
    public void Unacknowledged_write_of_an_earlier_writer_must_not_come_back()
    {
        uint first = _verifier.BeginWriter();
        Assert.Equal(0, _verifier.Verify(_device).Violations);
        Assert.True(_verifier.BeginWriter() > first);
        Apply(first);
        AssertViolation("which can't be there");
    }

    [Fact]
    public void Backing_must_hold_exactly_what_was_seen()
    {
        uint first = _verifier.BeginWriter();
        Apply(first);
        Assert.NotEqual(0, _verifier.VerifyExact(_device).Violations);
        Assert.Equal(0, _verifier.Verify(_device).Violations);
        Assert.Equal(0, _verifier.VerifyExact(_device).Violations);
    }

    [Fact]
    public void Impossible_acknowledgement_is_refused()
    {
        uint first = _verifier.BeginWriter();
        Assert.Throws<InvalidDataException>(() => _verifier.Acknowledge(new Ack(AckKind.Flush, first - 1)));
        Assert.Throws<InvalidDataException>(() => _verifier.Acknowledge(new Ack(AckKind.Flush, uint.MaxValue)));
    }

    [Fact]
    public void Own_writes_count_too()
    {
        _verifier.RecordFlushed(8, 8, 41);
        Assert.Equal(42u, _verifier.NextWriteId);
        Assert.Equal(8, _verifier.Verify(_device).Violations);
        MarkedSector.Fill(_device.Bytes.AsSpan(8 * 512, 8 * 512), 8, 41);
        Assert.Equal(0, _verifier.VerifyExact(_device).Violations);
    }

    private void Apply(uint id)
    {
        PlannedWrite write = _plan.Get(id);
        MarkedSector.Fill(_device.Bytes.AsSpan((int)write.FirstSector * 512, (int)write.SectorCount * 512),
            write.FirstSector, id);
    }

    private void AssertViolation(string text)
    {
        VerifyResult result = _verifier.Verify(_device);
        Assert.NotEqual(0, result.Violations);
        Assert.Contains(result.Details, detail => detail.Contains(text, StringComparison.Ordinal));
    }

    private sealed class ChunkedStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) =>
            base.Read(buffer, offset, Math.Min(count, chunk));
    }
}
