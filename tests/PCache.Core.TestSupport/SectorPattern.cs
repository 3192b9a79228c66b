// Sector content that tells where it came from: a 512-byte sector s of write id w holds 32 times the 16 ASCII bytes
// "w%06xs%08x" % (w, s). Keeps true: what Fill writes, Check accepts for the same ids and nothing else; a mismatch says
// which write the bytes came from, and whether they are torn.

using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace PCache.Core.Tests.Support;

/// <summary>Fills and checks sectors whose content names the write and the sector they belong to.</summary>
public static class SectorPattern
{
    /// <summary>Bytes in a sector.</summary>
    public const int SectorBytes = 512;

    /// <summary>Bytes in one mark; a sector holds 32 of them.</summary>
    public const int MarkBytes = 16;

    /// <summary>Largest write id that a mark can hold.</summary>
    public const int MaxWriteId = 0xFFFFFF;

    /// <summary>Fills whole sectors; the first is <paramref name="firstSector"/> of the device.</summary>
    public static void Fill(Span<byte> buffer, long firstSector, int writeId)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(buffer.Length % SectorBytes, 0);
        for (int at = 0; at < buffer.Length; at += SectorBytes)
        {
            Span<byte> sector = buffer.Slice(at, SectorBytes);
            WriteMark(sector, writeId, firstSector + (at / SectorBytes));
            for (int filled = MarkBytes; filled < SectorBytes; filled *= 2)
            {
                sector[..filled].CopyTo(sector[filled..]);
            }
        }
    }

    /// <summary>A new buffer of whole sectors, filled.</summary>
    public static byte[] Make(long firstSector, int sectorCount, int writeId)
    {
        byte[] buffer = new byte[sectorCount * SectorBytes];
        Fill(buffer, firstSector, writeId);
        return buffer;
    }

    /// <summary>Whether one sector holds exactly that write's content.</summary>
    public static bool Matches(ReadOnlySpan<byte> sector, long sectorNumber, int writeId)
    {
        Span<byte> expected = stackalloc byte[SectorBytes];
        Fill(expected, sectorNumber, writeId);
        return sector.SequenceEqual(expected);
    }

    /// <summary>
    /// Null if every sector holds what it should, else a message that names the first wrong one and the write it came
    /// from.
    /// </summary>
    /// <param name="buffer">Whole sectors.</param>
    /// <param name="firstSector">The number of the first of them.</param>
    /// <param name="expectedWriteId">Sector number to the write that it must hold; -1 means zeros.</param>
    public static string? FindMismatch(ReadOnlySpan<byte> buffer, long firstSector, Func<long, int> expectedWriteId)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(buffer.Length % SectorBytes, 0);
        for (int at = 0; at < buffer.Length; at += SectorBytes)
        {
            long number = firstSector + (at / SectorBytes);
            ReadOnlySpan<byte> sector = buffer.Slice(at, SectorBytes);
            int writeId = expectedWriteId(number);
            bool matches = writeId < 0 ? !sector.ContainsAnyExcept((byte)0) : Matches(sector, number, writeId);
            if (!matches)
            {
                string expected = writeId < 0 ? "zeros" : $"write 0x{writeId:x}";
                return $"sector {number} (byte {number * SectorBytes}): expected {expected}, found {Describe(sector)}";
            }
        }

        return null;
    }

    /// <summary>Fails the test if a sector doesn't hold what it should.</summary>
    public static void Check(ReadOnlySpan<byte> buffer, long firstSector, Func<long, int> expectedWriteId)
    {
        if (FindMismatch(buffer, firstSector, expectedWriteId) is string message)
        {
            Assert.Fail(message);
        }
    }

    /// <summary>Fails the test if a sector isn't of that write.</summary>
    public static void Check(ReadOnlySpan<byte> buffer, long firstSector, int writeId) =>
        Check(buffer, firstSector, _ => writeId);

    /// <summary>
    /// Says in words which write a sector came from: "write 0x2 of sector 7", "zeros", "torn: ...", or the first bytes.
    /// </summary>
    public static string Describe(ReadOnlySpan<byte> sector)
    {
        var runs = new List<string>();
        int runStart = 0;
        for (int at = 0; at < sector.Length; at += MarkBytes)
        {
            int next = Math.Min(at + MarkBytes, sector.Length);
            bool runEnds = next == sector.Length
                || !sector[at..next].SequenceEqual(sector[next..Math.Min(next + MarkBytes, sector.Length)]);
            if (runEnds)
            {
                runs.Add(DescribeMark(sector[at..next])
                    + (runs.Count == 0 && next == sector.Length ? "" : $" in bytes {runStart}..{next - 1}"));
                runStart = next;
            }
        }

        return runs.Count == 1 ? runs[0] : $"torn: {string.Join(", ", runs.Take(8))}{(runs.Count > 8 ? ", ..." : "")}";
    }

    /// <summary>Reads a mark back.</summary>
    public static bool TryParse(ReadOnlySpan<byte> mark, out int writeId, out long sector)
    {
        writeId = 0;
        sector = 0;
        if (mark.Length < MarkBytes || mark[0] != (byte)'w' || mark[7] != (byte)'s')
        {
            return false;
        }

        bool parsed = Utf8Parser.TryParse(mark.Slice(1, 6), out writeId, out int used, 'x') && used == 6;
        if (!parsed || !Utf8Parser.TryParse(mark.Slice(8, 8), out uint number, out used, 'x') || used != 8)
        {
            return false;
        }

        sector = number;
        return true;
    }

    private static void WriteMark(Span<byte> destination, int writeId, long sector)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)writeId, (uint)MaxWriteId);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)sector, uint.MaxValue);
        destination[0] = (byte)'w';
        destination[7] = (byte)'s';
        _ = writeId.TryFormat(destination.Slice(1, 6), out _, "x6", CultureInfo.InvariantCulture);
        _ = sector.TryFormat(destination.Slice(8, 8), out _, "x8", CultureInfo.InvariantCulture);
    }

    private static string DescribeMark(ReadOnlySpan<byte> mark)
    {
        if (TryParse(mark, out int writeId, out long sector))
        {
            return $"write 0x{writeId:x} of sector {sector}";
        }

        return !mark.ContainsAnyExcept((byte)0) ? "zeros"
            : $"bytes {Convert.ToHexString(mark)} \"{Encoding.Latin1.GetString(mark)}\"";
    }
}
