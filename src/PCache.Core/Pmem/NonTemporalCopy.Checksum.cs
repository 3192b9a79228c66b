// Keeps true: what is stored and what is summed come from one load of each byte of the source: from the register it
// was loaded into, or from a copy on the stack. So the checksum is that of the stored bytes even while another thread
// changes the source. The loops are compiled once, fully, and don't depend on the lengths that a profile happened to
// see first.
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

internal static unsafe partial class NonTemporalCopy
{
    /// <summary>What a word adds to the checksum.</summary>
    private interface IChecksum
    {
        static abstract uint Add(uint crc, ulong word);

        static abstract uint Add(uint crc, uint word);

        static abstract uint Add(uint crc, byte b);
    }

    /// <summary>How 64 bytes are loaded and stored; the destination is aligned to 64.</summary>
    private interface IBlocks
    {
        static abstract void Copy(byte* destination, byte* source);

        /// <summary>
        /// Copies, and stores the same bytes in the cache at <paramref name="second"/>, aligned to 64, too.
        /// </summary>
        static abstract void CopyTwice(byte* destination, byte* second, byte* source);

        /// <summary>Copies, and gives the copied bytes as four lanes.</summary>
        static abstract void Copy(
            byte* destination, byte* source, out Vector128<ulong> lane0, out Vector128<ulong> lane1,
            out Vector128<ulong> lane2, out Vector128<ulong> lane3);
    }

    /// <summary>
    /// Copies as <see cref="Copy(byte*, byte*, nuint)"/> does, and returns the CRC-32C, continued from
    /// <paramref name="crc"/>, of exactly the bytes stored.
    /// </summary>
    public static uint CopyWithCrc(byte* destination, byte* source, nuint lengthBytes, uint crc) =>
        CopyWithCrc(Best, destination, source, lengthBytes, crc);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint CopyWithCrc(Path path, byte* destination, byte* source, nuint lengthBytes, uint crc)
    {
        if (path == Path.Words)
        {
            return CopyWords<Checksum>(destination, source, lengthBytes, crc);
        }

        nuint head = HeadBytes(destination, lengthBytes);
        if (head != 0)
        {
            crc = CopyWords<Checksum>(destination, source, head, crc);
            destination += head;
            source += head;
            lengthBytes -= head;
        }

        nuint bulk = lengthBytes & ~(nuint)(BlockBytes - 1);
        if (bulk != 0)
        {
            crc = path switch
            {
                Path.Vector128 => CopyWithNarrowCrc<Blocks128>(destination, source, bulk, crc),
                Path.Vector256 => CopyWithNarrowCrc<Blocks256>(destination, source, bulk, crc),
                Path.Vector512 => CopyWithNarrowCrc<Blocks512>(destination, source, bulk, crc),
                _ => CopyBlocksWithWideCrc(destination, source, bulk, crc),
            };
        }

        return bulk == lengthBytes
            ? crc
            : CopyWords<Checksum>(destination + bulk, source + bulk, lengthBytes - bulk, crc);
    }

    /// <summary>
    /// Sums any multiple of a block, by the mixed block as far as it goes: folding alone is too slow to hide behind
    /// the stores.
    /// </summary>
    private static uint CopyWithNarrowCrc<TBlocks>(byte* destination, byte* source, nuint lengthBytes, uint crc)
        where TBlocks : struct, IBlocks
    {
        nuint mixed = lengthBytes & ~(nuint)(Crc32CFolding.MixedBlockBytes - 1);
        if (mixed != 0)
        {
            crc = CopyMixedBlocksWithCrc<TBlocks>(destination, source, mixed, crc);
        }

        return mixed == lengthBytes
            ? crc
            : CopyBlocksWithCrc<TBlocks>(destination + mixed, source + mixed, lengthBytes - mixed, crc);
    }

    /// <summary>Stores each mixed block, and sums a copy of it on the stack while the stores drain.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint CopyMixedBlocksWithCrc<TBlocks>(byte* destination, byte* source, nuint lengthBytes, uint crc)
        where TBlocks : struct, IBlocks
    {
        byte* stable = stackalloc byte[Crc32CFolding.MixedBlockBytes + BlockBytes];
        stable += HeadBytes(stable, BlockBytes);
        for (byte* end = destination + lengthBytes; destination != end;)
        {
            for (nuint position = 0; position < Crc32CFolding.MixedBlockBytes; position += BlockBytes)
            {
                TBlocks.CopyTwice(destination + position, stable + position, source + position);
            }

            crc = Crc32CFolding.MixedBlock(crc, ref *stable);
            destination += Crc32CFolding.MixedBlockBytes;
            source += Crc32CFolding.MixedBlockBytes;
        }

        return crc;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint CopyBlocksWithCrc<TBlocks>(byte* destination, byte* source, nuint lengthBytes, uint crc)
        where TBlocks : struct, IBlocks
    {
        Vector128<ulong> by64 = Crc32CFolding.By64;
        TBlocks.Copy(
            destination, source, out Vector128<ulong> lane0, out Vector128<ulong> lane1, out Vector128<ulong> lane2,
            out Vector128<ulong> lane3);
        lane0 ^= Vector128.CreateScalar((ulong)crc);
        byte* end = destination + lengthBytes;
        for (destination += BlockBytes, source += BlockBytes; destination != end; destination += BlockBytes,
            source += BlockBytes)
        {
            TBlocks.Copy(
                destination, source, out Vector128<ulong> next0, out Vector128<ulong> next1, out Vector128<ulong> next2,
                out Vector128<ulong> next3);
            lane0 = Crc32CFolding.Fold(lane0, by64) ^ next0;
            lane1 = Crc32CFolding.Fold(lane1, by64) ^ next1;
            lane2 = Crc32CFolding.Fold(lane2, by64) ^ next2;
            lane3 = Crc32CFolding.Fold(lane3, by64) ^ next3;
        }

        return Crc32CFolding.Finish(lane0, lane1, lane2, lane3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint CopyBlocksWithWideCrc(byte* destination, byte* source, nuint lengthBytes, uint crc)
    {
        byte* end = destination + lengthBytes;
        Vector512<ulong> by64 = Crc32CFolding.WideBy64;
        Vector512<ulong> lanes = CopyWide(destination, source) ^ Vector512.CreateScalar((ulong)crc);
        destination += BlockBytes;
        source += BlockBytes;
        if (lengthBytes >= 4 * BlockBytes)
        {
            Vector512<ulong> by256 = Crc32CFolding.WideBy256;
            Vector512<ulong> lanes1 = CopyWide(destination, source);
            Vector512<ulong> lanes2 = CopyWide(destination + BlockBytes, source + BlockBytes);
            Vector512<ulong> lanes3 = CopyWide(destination + (2 * BlockBytes), source + (2 * BlockBytes));
            destination += 3 * BlockBytes;
            source += 3 * BlockBytes;
            for (; end - destination >= 4 * BlockBytes; destination += 4 * BlockBytes, source += 4 * BlockBytes)
            {
                lanes = Crc32CFolding.FoldOnto(lanes, by256, CopyWide(destination, source));
                lanes1 = Crc32CFolding.FoldOnto(lanes1, by256, CopyWide(destination + BlockBytes, source + BlockBytes));
                lanes2 = Crc32CFolding.FoldOnto(
                    lanes2, by256, CopyWide(destination + (2 * BlockBytes), source + (2 * BlockBytes)));
                lanes3 = Crc32CFolding.FoldOnto(
                    lanes3, by256, CopyWide(destination + (3 * BlockBytes), source + (3 * BlockBytes)));
            }

            lanes = Crc32CFolding.FoldOnto(lanes, by64, lanes1);
            lanes = Crc32CFolding.FoldOnto(lanes, by64, lanes2);
            lanes = Crc32CFolding.FoldOnto(lanes, by64, lanes3);
        }

        for (; destination != end; destination += BlockBytes, source += BlockBytes)
        {
            lanes = Crc32CFolding.FoldOnto(lanes, by64, CopyWide(destination, source));
        }

        return Crc32CFolding.Finish(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> CopyWide(byte* destination, byte* source)
    {
        Vector512<ulong> block = Avx512F.LoadVector512((ulong*)source);
        Avx512F.StoreAlignedNonTemporal((ulong*)destination, block);
        return block;
    }

    private readonly struct Checksum : IChecksum
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Add(uint crc, ulong word) => BitOperations.Crc32C(crc, word);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Add(uint crc, uint word) => BitOperations.Crc32C(crc, word);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Add(uint crc, byte b) => BitOperations.Crc32C(crc, b);
    }

    private readonly struct NoChecksum : IChecksum
    {
        public static uint Add(uint crc, ulong word) => crc;

        public static uint Add(uint crc, uint word) => crc;

        public static uint Add(uint crc, byte b) => crc;
    }

    private readonly struct Blocks128 : IBlocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(byte* destination, byte* source)
            => Copy(destination, source, out _, out _, out _, out _);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void CopyTwice(byte* destination, byte* second, byte* source)
        {
            Copy(
                destination, source, out Vector128<ulong> lane0, out Vector128<ulong> lane1, out Vector128<ulong> lane2,
                out Vector128<ulong> lane3);
            Sse2.StoreAligned((ulong*)second, lane0);
            Sse2.StoreAligned((ulong*)(second + 16), lane1);
            Sse2.StoreAligned((ulong*)(second + 32), lane2);
            Sse2.StoreAligned((ulong*)(second + 48), lane3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(
            byte* destination, byte* source, out Vector128<ulong> lane0, out Vector128<ulong> lane1,
            out Vector128<ulong> lane2, out Vector128<ulong> lane3)
        {
            lane0 = Sse2.LoadVector128((ulong*)source);
            lane1 = Sse2.LoadVector128((ulong*)(source + 16));
            lane2 = Sse2.LoadVector128((ulong*)(source + 32));
            lane3 = Sse2.LoadVector128((ulong*)(source + 48));
            Sse2.StoreAlignedNonTemporal((ulong*)destination, lane0);
            Sse2.StoreAlignedNonTemporal((ulong*)(destination + 16), lane1);
            Sse2.StoreAlignedNonTemporal((ulong*)(destination + 32), lane2);
            Sse2.StoreAlignedNonTemporal((ulong*)(destination + 48), lane3);
        }
    }

    private readonly struct Blocks256 : IBlocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(byte* destination, byte* source)
            => Copy(destination, source, out _, out _, out _, out _);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void CopyTwice(byte* destination, byte* second, byte* source)
        {
            Vector256<ulong> low = Avx.LoadVector256((ulong*)source);
            Vector256<ulong> high = Avx.LoadVector256((ulong*)(source + 32));
            Avx.StoreAlignedNonTemporal((ulong*)destination, low);
            Avx.StoreAlignedNonTemporal((ulong*)(destination + 32), high);
            Avx.StoreAligned((ulong*)second, low);
            Avx.StoreAligned((ulong*)(second + 32), high);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(
            byte* destination, byte* source, out Vector128<ulong> lane0, out Vector128<ulong> lane1,
            out Vector128<ulong> lane2, out Vector128<ulong> lane3)
        {
            Vector256<ulong> low = Avx.LoadVector256((ulong*)source);
            Vector256<ulong> high = Avx.LoadVector256((ulong*)(source + 32));
            Avx.StoreAlignedNonTemporal((ulong*)destination, low);
            Avx.StoreAlignedNonTemporal((ulong*)(destination + 32), high);
            lane0 = low.GetLower();
            lane1 = low.GetUpper();
            lane2 = high.GetLower();
            lane3 = high.GetUpper();
        }
    }

    private readonly struct Blocks512 : IBlocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(byte* destination, byte* source) => CopyWide(destination, source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void CopyTwice(byte* destination, byte* second, byte* source)
        {
            Avx512F.StoreAligned((ulong*)second, CopyWide(destination, source));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Copy(
            byte* destination, byte* source, out Vector128<ulong> lane0, out Vector128<ulong> lane1,
            out Vector128<ulong> lane2, out Vector128<ulong> lane3)
        {
            Vector512<ulong> block = CopyWide(destination, source);
            lane0 = block.GetLower().GetLower();
            lane1 = Avx512F.ExtractVector128(block, 1);
            lane2 = Avx512F.ExtractVector128(block, 2);
            lane3 = Avx512F.ExtractVector128(block, 3);
        }
    }
}
