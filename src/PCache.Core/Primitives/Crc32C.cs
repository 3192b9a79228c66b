using System.Numerics;
using System.Runtime.InteropServices;

namespace PCache.Core.Primitives;

/// <summary>
/// CRC-32C (Castagnoli, reflected 0x82F63B78) without initial or final inversion: what the SSE4.2 and Armv8 instructions compute on their register.
/// </summary>
internal static class Crc32C
{
    /// <summary>Start value of every checksum of the on-media format.</summary>
    public const uint FormatSeed = 0x0003B15A;

    /// <summary>The format's checksum of <paramref name="source"/>.</summary>
    public static uint HashToUInt32(ReadOnlySpan<byte> source) => Append(FormatSeed, source);

    /// <summary>Continues <paramref name="crc"/> over <paramref name="source"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(source);
        foreach (ulong word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (byte b in source[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return crc;
    }
}
