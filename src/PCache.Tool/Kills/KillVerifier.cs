// Keeps true, per sector: the floor is the newest write known to be there for good (acknowledged, or seen by an
// earlier verification). After a kill a sector holds its floor or a later write of the killed writer that covers it;
// anything older, torn, misplaced or never issued is a violation.
using System.Globalization;
using PCache.Core;

namespace PCache.Tool.Kills;

/// <summary>What a verification found.</summary>
internal sealed record VerifyResult
{
    /// <summary>Sectors looked at: all of them.</summary>
    public required long Sectors { get; init; }

    /// <summary>Sectors that hold a write which was never acknowledged: legal.</summary>
    public required long UnacknowledgedSectors { get; init; }

    /// <summary>Sectors that break the promise.</summary>
    public required long Violations { get; init; }

    /// <summary>The first few violations.</summary>
    public required IReadOnlyList<string> Details { get; init; }
}

/// <summary>Knows what must and what may be on a device after its writer was killed.</summary>
internal sealed class KillVerifier
{
    private const int ChunkBytes = 1 << 20;
    private const int MaxDetails = 10;
    private readonly WritePlan _plan;
    private readonly uint[] _floor;
    private readonly uint[] _nextUnwalked;
    private readonly uint[] _lastFlushed;
    private uint _firstId;

    public KillVerifier(WritePlan plan)
    {
        _plan = plan;
        _floor = new uint[plan.Sectors];
        _nextUnwalked = new uint[plan.Writers];
        _lastFlushed = new uint[plan.Writers];
        NextWriteId = plan.Writers;
    }

    /// <summary>First id that no writer can have used yet; a multiple of the number of writers.</summary>
    public uint NextWriteId { get; private set; }

    /// <summary>Writes acknowledged so far, by flush or FUA.</summary>
    public long AcknowledgedWrites { get; private set; }

    /// <summary>A write that the caller made itself and flushed, outside the plan.</summary>
    public void RecordFlushed(uint firstSector, uint sectorCount, uint writeId)
    {
        for (uint i = 0; i < sectorCount; i++)
        {
            Raise(firstSector + i, writeId);
        }

        AcknowledgedWrites++;
        uint writers = _plan.Writers;
        NextWriteId = Math.Max(NextWriteId, ((writeId / writers) + 1) * writers);
    }

    /// <summary>A writer starts: its ids are those from <see cref="NextWriteId"/> on.</summary>
    public uint BeginWriter()
    {
        _firstId = NextWriteId;
        for (uint p = 0; p < _plan.Writers; p++)
        {
            _nextUnwalked[p] = _firstId + p;
            _lastFlushed[p] = 0;
        }

        return _firstId;
    }

    /// <summary>Takes one acknowledgement of the writer that runs.</summary>
    public void Acknowledge(Ack ack)
    {
        if (ack.Kind == AckKind.Ready)
        {
            return;
        }

        uint writer = ack.WriteId % _plan.Writers;
        if (ack.WriteId < _firstId || ack.WriteId > MarkedSector.MaxWriteId)
        {
            throw new InvalidDataException(
                string.Create(CultureInfo.InvariantCulture,
                    $"The writer acknowledged write {ack.WriteId}, which it can't have made."));
        }

        if (ack.Kind == AckKind.ForceUnitAccess)
        {
            RaiseWrite(ack.WriteId);
            return;
        }

        for (; _nextUnwalked[writer] <= ack.WriteId; _nextUnwalked[writer] += _plan.Writers)
        {
            RaiseWrite(_nextUnwalked[writer]);
            AcknowledgedWrites++;
        }

        _lastFlushed[writer] = ack.WriteId;
    }

    /// <summary>
    /// The writer is dead and all its acknowledgements are taken: compares the whole device, and takes what it sees
    /// as the new floor.
    /// </summary>
    public VerifyResult Verify(IBlockDevice device) =>
        Verify((offset, buffer) => device.Read(offset, buffer), mayHoldUnacknowledged: true);

    /// <summary>
    /// Compares a device on which everything known must stand exactly: after a drain, the backing alone.
    /// </summary>
    public VerifyResult VerifyExact(IBlockDevice device) =>
        Verify((offset, buffer) => device.Read(offset, buffer), mayHoldUnacknowledged: false);

    private delegate int Reader(long offset, Span<byte> buffer);

    private VerifyResult Verify(Reader read, bool mayHoldUnacknowledged)
    {
        var details = new List<string>();
        long violations = 0;
        long unacknowledged = 0;
        byte[] buffer = new byte[ChunkBytes];
        long total = (long)_plan.Sectors * MarkedSector.SectorSize;
        for (long offset = 0; offset < total;)
        {
            int wanted = (int)Math.Min(buffer.Length, total - offset);
            int got = read(offset, buffer.AsSpan(0, wanted));
            if (got != wanted)
            {
                throw new InvalidDataException(
                    string.Create(
                        CultureInfo.InvariantCulture, $"The device ends at {offset + got}, but has {total} bytes."));
            }

            for (int at = 0; at < wanted; at += MarkedSector.SectorSize)
            {
                uint sector = (uint)((offset + at) / MarkedSector.SectorSize);
                string? violation = Check(buffer.AsSpan(at, MarkedSector.SectorSize), sector, mayHoldUnacknowledged,
                    out bool isUnacknowledged);
                unacknowledged += isUnacknowledged ? 1 : 0;
                if (violation is not null)
                {
                    violations++;
                    if (details.Count < MaxDetails)
                    {
                        details.Add(violation);
                    }
                }
            }

            offset += wanted;
        }

        uint bound = _firstId;
        for (uint p = 0; p < _plan.Writers; p++)
        {
            bound = Math.Max(bound, IssuedBound(p) + 1);
        }

        uint writers = _plan.Writers;
        NextWriteId = Math.Max(NextWriteId, ((bound + writers - 1) / writers) * writers);
        return new VerifyResult
        {
            Sectors = _plan.Sectors,
            UnacknowledgedSectors = unacknowledged,
            Violations = violations,
            Details = details
        };
    }

    /// <summary>The text of a violation, or null; a legal later write becomes the floor.</summary>
    private string? Check(
        ReadOnlySpan<byte> content, uint sector, bool mayHoldUnacknowledged, out bool isUnacknowledged)
    {
        isUnacknowledged = false;
        uint floor = _floor[sector];
        if (!MarkedSector.TryRead(content, sector, out uint found))
        {
            return string.Create(CultureInfo.InvariantCulture, $"Sector {sector} is torn or foreign (begins "
                + $"0x{Convert.ToHexString(content[..16])}); write {floor} was acknowledged.");
        }

        if (found == floor)
        {
            return null;
        }

        if (found < floor)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"Sector {sector} holds write {found}, but write {floor} was acknowledged.");
        }

        bool wasIssued = mayHoldUnacknowledged && found >= _firstId && _firstId > 0
            && found <= IssuedBound(found % _plan.Writers) && _plan.Get(found).Covers(sector);
        if (!wasIssued)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"Sector {sector} holds write {found}, which can't be there; write {floor} was acknowledged.");
        }

        _floor[sector] = found;
        isUnacknowledged = true;
        return null;
    }

    /// <summary>
    /// Largest id that a writer can have issued, given that it flushes after
    /// <see cref="WritePlan.MaxWritesPerFlush"/> writes at the latest.
    /// </summary>
    private uint IssuedBound(uint writer)
    {
        uint from = _lastFlushed[writer] != 0 ? _lastFlushed[writer] : _firstId + writer;
        return from + (WritePlan.MaxWritesPerFlush * _plan.Writers);
    }

    private void RaiseWrite(uint id)
    {
        PlannedWrite write = _plan.Get(id);
        for (uint i = 0; i < write.SectorCount; i++)
        {
            Raise(write.FirstSector + i, id);
        }
    }

    private void Raise(uint sector, uint id) => _floor[sector] = Math.Max(_floor[sector], id);
}
