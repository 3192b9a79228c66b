// Keeps true:
// * One function of (crc, bytes), whatever path computes it: every path gives the same value for every length and
//   alignment.
// * No inversion at either end: Append(Append(c, a), b) == Append(c, a + b), and nothing is kept between calls.
// * No path reads outside the span, allocates, or depends on the alignment of the span.
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ArmCrc32 = System.Runtime.Intrinsics.Arm.Crc32;
using Sse42 = System.Runtime.Intrinsics.X86.Sse42;

namespace PCache.Core.Primitives;

/// <summary>
/// CRC-32C (Castagnoli, reflected 0x82F63B78) without initial or final inversion: what the SSE4.2 and Armv8
/// instructions compute on their register.
/// </summary>
internal static class Crc32C
{
    /// <summary>Start value of every checksum of the on-media format.</summary>
    public const uint FormatSeed = 0x0003B15A;

    /// <summary>Shorter spans than this aren't worth the set-up and the reduction of folding.</summary>
    internal const int MinFoldedLengthBytes = 128;

    /// <summary>The format's checksum of <paramref name="source"/>.</summary>
    public static uint HashToUInt32(ReadOnlySpan<byte> source) => Append(FormatSeed, source);

    /// <summary>Continues <paramref name="crc"/> over <paramref name="source"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> source)
    {
        if (source.Length >= MinFoldedLengthBytes)
        {
            if (Crc32CFolding.IsWideSupported)
            {
                return AppendWide(crc, source);
            }

            if (Crc32CFolding.IsSupported)
            {
                return AppendFolded(crc, source);
            }
        }

        return Sse42.X64.IsSupported || ArmCrc32.Arm64.IsSupported
            ? AppendWords(crc, source)
            : Crc32CPortable.Append(crc, source);
    }

    /// <summary>The path of x86 with 512-bit carry-less multiply.</summary>
    internal static uint AppendWide(uint crc, ReadOnlySpan<byte> source)
    {
        int folded = source.Length & ~(Crc32CFolding.StepBytes - 1);
        if (folded != 0)
        {
            crc = Crc32CFolding.FoldWide(crc, ref MemoryMarshal.GetReference(source), folded);
        }

        return AppendWords(crc, source[folded..]);
    }

    /// <summary>The path of x86 with 128-bit carry-less multiply and the crc32 instruction.</summary>
    internal static uint AppendFolded(uint crc, ReadOnlySpan<byte> source)
    {
        while (source.Length >= Crc32CFolding.MixedBlockBytes)
        {
            crc = Crc32CFolding.MixedBlock(crc, ref MemoryMarshal.GetReference(source));
            source = source[Crc32CFolding.MixedBlockBytes..];
        }

        int folded = source.Length & ~(Crc32CFolding.StepBytes - 1);
        if (folded != 0)
        {
            crc = Crc32CFolding.Fold(crc, ref MemoryMarshal.GetReference(source), folded);
        }

        return AppendWords(crc, source[folded..]);
    }

    /// <summary>The path of any processor with a crc32 instruction, Arm's included: one stream of words.</summary>
    internal static uint AppendWords(uint crc, ReadOnlySpan<byte> source)
    {
        ref byte bytes = ref MemoryMarshal.GetReference(source);
        int length = source.Length;
        int position = 0;
        for (; position <= length - sizeof(ulong); position += sizeof(ulong))
        {
            crc = BitOperations.Crc32C(
                crc, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref bytes, position))));
        }

        for (; position < length; position++)
        {
            crc = BitOperations.Crc32C(crc, Unsafe.Add(ref bytes, position));
        }

        return crc;
    }

    private static ulong LittleEndian(ulong word) =>
        BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
}
