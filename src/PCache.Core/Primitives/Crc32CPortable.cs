// Keeps true: the same value as every other path. A start value is the same as changing the first four bytes by it,
// so one set of parameters does.
using System.Buffers.Binary;
using System.IO.Hashing;

namespace PCache.Core.Primitives;

/// <summary>
/// CRC-32C where the processor has no instruction for it: the platform's own. Allocates one object a call.
/// </summary>
internal static class Crc32CPortable
{
    private const uint Polynomial = 0x82F63B78;
    private static readonly Crc32ParameterSet FromZero = Crc32ParameterSet.Create(
        0x1EDC6F41, 0, 0, reflectValues: true);

    /// <summary>Continues <paramref name="crc"/> over <paramref name="source"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> source)
    {
        if (source.Length < sizeof(uint))
        {
            return AppendBitwise(crc, source);
        }

        Span<byte> first = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(first, BinaryPrimitives.ReadUInt32LittleEndian(source) ^ crc);
        var checksum = new Crc32(FromZero);
        checksum.Append(first);
        checksum.Append(source[sizeof(uint)..]);
        return checksum.GetCurrentHashAsUInt32();
    }

    private static uint AppendBitwise(uint crc, ReadOnlySpan<byte> source)
    {
        foreach (byte b in source)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? Polynomial : 0);
            }
        }

        return crc;
    }
}
