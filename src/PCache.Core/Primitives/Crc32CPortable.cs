// Keeps true: the same value as every other path, with integer arithmetic only; the tables hold, for byte b and distance d, the checksum of b followed by d zero bytes.
using System.Buffers.Binary;

namespace PCache.Core.Primitives;

/// <summary>CRC-32C where the processor has no instruction for it: eight bytes at a time by table.</summary>
internal static class Crc32CPortable
{
    private const uint Polynomial = 0x82F63B78;
    private const int TableSize = 256;
    private static readonly uint[] Tables = MakeTables();

    /// <summary>Continues <paramref name="crc"/> over <paramref name="source"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<uint> tables = Tables;
        while (source.Length >= sizeof(ulong))
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(source) ^ crc;
            crc = 0;
            for (int distance = 7; distance >= 0; distance--)
            {
                crc ^= tables[(distance * TableSize) + (int)(word & 0xFF)];
                word >>= 8;
            }

            source = source[sizeof(ulong)..];
        }

        foreach (byte b in source)
        {
            crc = (crc >> 8) ^ tables[(int)((crc ^ b) & 0xFF)];
        }

        return crc;
    }

    private static uint[] MakeTables()
    {
        uint[] tables = new uint[8 * TableSize];
        for (uint b = 0; b < TableSize; b++)
        {
            uint crc = b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? Polynomial : 0);
            }

            tables[b] = crc;
        }

        for (int i = TableSize; i < tables.Length; i++)
        {
            uint nearer = tables[i - TableSize];
            tables[i] = (nearer >> 8) ^ tables[nearer & 0xFF];
        }

        return tables;
    }
}
