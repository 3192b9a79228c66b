// Keeps true:
// * A lane of 16 bytes stands for all bytes folded into it so far: "fold by D" multiplies it by x^(8 D), so that it
//   can be added to the 16 bytes D further on.
// * The running checksum enters by being added to the first four bytes. Hence every method here is an exact
//   continuation of `crc`.
// * Constants are x^e modulo the polynomial, reflected: e = 8 D + 31 for a lane's low half, 8 D - 33 for its high
//   half; 8 n - 33 to move a finished checksum over n bytes. A test derives every one of them.
// The loops are compiled once, fully, and don't depend on the lengths that a profile happened to see first.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PCache.Core.Primitives;

/// <summary>
/// CRC-32C by carry-less multiplication, for x86. The pieces are also what the copy into persistent memory is fused
/// with.
/// </summary>
internal static class Crc32CFolding
{
    /// <summary>Folding takes multiples of this.</summary>
    public const int StepBytes = 64;

    /// <summary>What <see cref="MixedBlock"/> takes.</summary>
    public const int MixedBlockBytes = 4096;

    internal const ulong Fold256Low = 0xDCB17AA4;
    internal const ulong Fold256High = 0xB9E02B86;
    internal const ulong Fold64Low = 0x740EEF02;
    internal const ulong Fold64High = 0x9E4ADDF8;
    internal const ulong Fold16Low = 0xF20C0DFE;
    internal const ulong Fold16High = 0x493C7D27;
    internal const ulong Move2048 = 0xA51B6135;
    internal const ulong Move1536 = 0x9EF68D35;
    internal const ulong Move1024 = 0x170076FA;
    internal const ulong Move512 = 0xDD7E3B0C;

    private const int WideStepBytes = 256;
    private const int FoldedHalfBytes = MixedBlockBytes / 2;
    private const int StreamBytes = FoldedHalfBytes / 4;

    /// <summary>Whether the 128-bit methods may be called.</summary>
    public static bool IsSupported => Sse42.X64.IsSupported && Pclmulqdq.IsSupported;

    /// <summary>Whether the 512-bit methods may be called too.</summary>
    public static bool IsWideSupported => IsSupported && Avx512F.IsSupported && Pclmulqdq.V512.IsSupported;

    /// <summary>Multiplier of lanes for a distance of 64 bytes.</summary>
    public static Vector128<ulong> By64
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create(Fold64Low, Fold64High);
    }

    /// <summary>Multiplier of four lanes each for a distance of 64 bytes.</summary>
    public static Vector512<ulong> WideBy64
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(
            Fold64Low, Fold64High, Fold64Low, Fold64High, Fold64Low, Fold64High, Fold64Low, Fold64High);
    }

    /// <summary>Multiplier of four lanes each for a distance of 256 bytes.</summary>
    public static Vector512<ulong> WideBy256
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(
            Fold256Low, Fold256High, Fold256Low, Fold256High, Fold256Low, Fold256High, Fold256Low, Fold256High);
    }

    private static Vector128<ulong> By16
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create(Fold16Low, Fold16High);
    }

    /// <summary>Folds a lane by the multiplier's distance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Fold(Vector128<ulong> lane, Vector128<ulong> multiplier)
        => Pclmulqdq.CarrylessMultiply(lane, multiplier, 0x00) ^ Pclmulqdq.CarrylessMultiply(lane, multiplier, 0x11);

    /// <summary>Folds four lanes by the multiplier's distance and adds what is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> FoldOnto(Vector512<ulong> lanes, Vector512<ulong> multiplier, Vector512<ulong> there)
        => Avx512F.TernaryLogic(
            Pclmulqdq.V512.CarrylessMultiply(lanes, multiplier, 0x00),
            Pclmulqdq.V512.CarrylessMultiply(lanes, multiplier, 0x11),
            there,
            0x96);

    /// <summary>The checksum that four neighbouring lanes stand for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Finish(
        Vector128<ulong> lane0, Vector128<ulong> lane1, Vector128<ulong> lane2, Vector128<ulong> lane3)
    {
        lane1 ^= Fold(lane0, By16);
        lane2 ^= Fold(lane1, By16);
        lane3 ^= Fold(lane2, By16);
        return (uint)Sse42.X64.Crc32(Sse42.X64.Crc32(0, lane3.GetElement(0)), lane3.GetElement(1));
    }

    /// <summary>As the other overload, for four lanes in one register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Finish(Vector512<ulong> lanes)
        => Finish(
            lanes.GetLower().GetLower(),
            Avx512F.ExtractVector128(lanes, 1),
            Avx512F.ExtractVector128(lanes, 2),
            Avx512F.ExtractVector128(lanes, 3));

    /// <summary>
    /// Continues <paramref name="crc"/> over a positive multiple of <see cref="StepBytes"/>, four lanes at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint Fold(uint crc, ref byte source, int lengthBytes)
    {
        Vector128<ulong> by64 = By64;
        Vector128<ulong> lane0 = Load128(ref source, 0) ^ Vector128.CreateScalar((ulong)crc);
        Vector128<ulong> lane1 = Load128(ref source, 16);
        Vector128<ulong> lane2 = Load128(ref source, 32);
        Vector128<ulong> lane3 = Load128(ref source, 48);
        for (int position = StepBytes; position < lengthBytes; position += StepBytes)
        {
            lane0 = Fold(lane0, by64) ^ Load128(ref source, position);
            lane1 = Fold(lane1, by64) ^ Load128(ref source, position + 16);
            lane2 = Fold(lane2, by64) ^ Load128(ref source, position + 32);
            lane3 = Fold(lane3, by64) ^ Load128(ref source, position + 48);
        }

        return Finish(lane0, lane1, lane2, lane3);
    }

    /// <summary>
    /// Continues <paramref name="crc"/> over <see cref="MixedBlockBytes"/>: the first half folded, the second as four
    /// streams of crc32 instructions, side by side, because the two use different execution units.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint MixedBlock(uint crc, ref byte source)
    {
        Vector128<ulong> by64 = By64;
        Vector128<ulong> lane0 = Load128(ref source, 0) ^ Vector128.CreateScalar((ulong)crc);
        Vector128<ulong> lane1 = Load128(ref source, 16);
        Vector128<ulong> lane2 = Load128(ref source, 32);
        Vector128<ulong> lane3 = Load128(ref source, 48);
        ref byte streams = ref Unsafe.Add(ref source, FoldedHalfBytes);
        ulong stream0 = 0;
        ulong stream1 = 0;
        ulong stream2 = 0;
        ulong stream3 = 0;
        for (int step = 0; step < StreamBytes; step += 2 * sizeof(ulong))
        {
            // The folded half has one step less than the streams: its first step was the load above.
            int position = (step * 4) + StepBytes;
            stream0 = Sse42.X64.Crc32(stream0, Load64(ref streams, step));
            stream1 = Sse42.X64.Crc32(stream1, Load64(ref streams, step + StreamBytes));
            stream2 = Sse42.X64.Crc32(stream2, Load64(ref streams, step + (2 * StreamBytes)));
            stream3 = Sse42.X64.Crc32(stream3, Load64(ref streams, step + (3 * StreamBytes)));
            if (position < FoldedHalfBytes)
            {
                lane0 = Fold(lane0, by64) ^ Load128(ref source, position);
                lane1 = Fold(lane1, by64) ^ Load128(ref source, position + 16);
                lane2 = Fold(lane2, by64) ^ Load128(ref source, position + 32);
                lane3 = Fold(lane3, by64) ^ Load128(ref source, position + 48);
            }

            stream0 = Sse42.X64.Crc32(stream0, Load64(ref streams, step + 8));
            stream1 = Sse42.X64.Crc32(stream1, Load64(ref streams, step + 8 + StreamBytes));
            stream2 = Sse42.X64.Crc32(stream2, Load64(ref streams, step + 8 + (2 * StreamBytes)));
            stream3 = Sse42.X64.Crc32(stream3, Load64(ref streams, step + 8 + (3 * StreamBytes)));
        }

        Vector128<ulong> moved = Move(Finish(lane0, lane1, lane2, lane3), Move2048) ^ Move(
            stream0, Move1536) ^ Move(stream1, Move1024) ^ Move(stream2, Move512);
        return (uint)(Sse42.X64.Crc32(0, moved.GetElement(0)) ^ stream3);
    }

    /// <summary>
    /// Continues <paramref name="crc"/> over a positive multiple of <see cref="StepBytes"/>, sixteen lanes at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint FoldWide(uint crc, ref byte source, int lengthBytes)
    {
        Vector512<ulong> by64 = WideBy64;
        Vector512<ulong> lanes = Load512(ref source, 0) ^ Vector512.CreateScalar((ulong)crc);
        int position = StepBytes;
        if (lengthBytes >= WideStepBytes)
        {
            Vector512<ulong> by256 = WideBy256;
            Vector512<ulong> lanes1 = Load512(ref source, 64);
            Vector512<ulong> lanes2 = Load512(ref source, 128);
            Vector512<ulong> lanes3 = Load512(ref source, 192);
            for (position = WideStepBytes; position <= lengthBytes - WideStepBytes; position += WideStepBytes)
            {
                lanes = FoldOnto(lanes, by256, Load512(ref source, position));
                lanes1 = FoldOnto(lanes1, by256, Load512(ref source, position + 64));
                lanes2 = FoldOnto(lanes2, by256, Load512(ref source, position + 128));
                lanes3 = FoldOnto(lanes3, by256, Load512(ref source, position + 192));
            }

            lanes = FoldOnto(FoldOnto(FoldOnto(lanes, by64, lanes1), by64, lanes2), by64, lanes3);
        }

        for (; position < lengthBytes; position += StepBytes)
        {
            lanes = FoldOnto(lanes, by64, Load512(ref source, position));
        }

        return Finish(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Move(ulong crc, ulong multiplier)
        => Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar(crc), Vector128.CreateScalar(multiplier), 0x00);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Load64(ref byte source, int position) =>
        Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref source, position));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Load128(ref byte source, int position) =>
        Unsafe.ReadUnaligned<Vector128<ulong>>(ref Unsafe.Add(ref source, position));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Load512(ref byte source, int position) =>
        Unsafe.ReadUnaligned<Vector512<ulong>>(ref Unsafe.Add(ref source, position));
}
