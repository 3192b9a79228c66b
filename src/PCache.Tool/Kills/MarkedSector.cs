// Keeps true: a sector tells which write it came from and where it belongs, 32 times over, so that a torn, misplaced
// or foreign sector can't pass for a good one.
using System.Buffers.Text;

namespace PCache.Tool.Kills;

/// <summary>
/// The content rule of demo and kill loop: sector s of write w holds 32 times the 16 ASCII bytes "w%06xs%08x".
/// </summary>
internal static class MarkedSector
{
    public const int SectorSize = 512;

    /// <summary>Largest write id that the pattern can hold.</summary>
    public const uint MaxWriteId = 0xFFFFFF;

    private const int UnitSize = 16;

    /// <summary>Fills whole sectors with the pattern of one write.</summary>
    public static void Fill(Span<byte> sectors, uint firstSector, uint writeId)
    {
        for (uint i = 0; i < sectors.Length / SectorSize; i++)
        {
            Span<byte> sector = sectors.Slice((int)i * SectorSize, SectorSize);
            Unit(sector[..UnitSize], firstSector + i, writeId);
            for (int filled = UnitSize; filled < SectorSize; filled *= 2)
            {
                sector[..filled].CopyTo(sector[filled..]);
            }
        }
    }

    /// <summary>
    /// Reads the write id of a sector; false if the sector isn't the pattern of any write at this place.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> sector, uint sectorNumber, out uint writeId)
    {
        Span<byte> expected = stackalloc byte[UnitSize];
        if (sector.Length != SectorSize
            || !Utf8Parser.TryParse(sector.Slice(1, 6), out writeId, out int consumed, 'x')
            || consumed != 6)
        {
            writeId = 0;
            return false;
        }

        Unit(expected, sectorNumber, writeId);
        return sector.StartsWith(expected) && sector[..^UnitSize].SequenceEqual(sector[UnitSize..]);
    }

    private static void Unit(Span<byte> unit, uint sector, uint writeId)
    {
        unit[0] = (byte)'w';
        Hex(unit.Slice(1, 6), writeId);
        unit[7] = (byte)'s';
        Hex(unit[8..], sector);
    }

    private static void Hex(Span<byte> digits, uint value)
    {
        for (int i = digits.Length - 1; i >= 0; i--, value >>= 4)
        {
            digits[i] = "0123456789abcdef"u8[(int)(value & 15)];
        }
    }
}
