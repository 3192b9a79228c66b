// Keeps true:
// * On x86-64 every byte stored goes out by a non-temporal store, the unaligned edges too (4- and 8-byte ones): after
//   StoreFence nothing of it is left in a processor cache. There is no cache-line write-back instruction in .NET, so
//   an ordinary store would have no way to the medium.
// * Exactly the bytes of the range are changed. Edges that don't fill a 4-byte word are merged with the word's other
//   bytes, so no other thread may store into that word meanwhile; ranges that begin and end at multiples of 4 merge
//   nothing.
// * Nothing is read outside the source, and each byte of it is read once (see also NonTemporalCopy.Checksum.cs).
// * Elsewhere (Arm) the stores are ordinary ones: such a region survives the process, not more, and nothing here
//   claims it.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>Copies to and zeroes memory past the processor's caches, with the widest stores there are.</summary>
internal static unsafe partial class NonTemporalCopy
{
    private const int BlockBytes = 64;

    /// <summary>The stores to copy with; tests go through all that the processor has.</summary>
    internal enum Path
    {
        /// <summary>Words of 8 bytes: non-temporal on x86-64, ordinary elsewhere.</summary>
        Words = 0,

        /// <summary>128-bit non-temporal stores.</summary>
        Vector128 = 1,

        /// <summary>256-bit non-temporal stores.</summary>
        Vector256 = 2,

        /// <summary>512-bit non-temporal stores.</summary>
        Vector512 = 3,

        /// <summary>512-bit non-temporal stores; the checksum by 512-bit carry-less multiply.</summary>
        Wide = 4,
    }

    /// <summary>The fastest path of this processor.</summary>
    internal static Path Best
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => IsSupported(Path.Wide) ? Path.Wide
            : IsSupported(Path.Vector512) ? Path.Vector512
            : IsSupported(Path.Vector256) ? Path.Vector256
            : IsSupported(Path.Vector128) ? Path.Vector128
            : Path.Words;
    }

    /// <summary>Copies; durable on persistent memory after <see cref="StoreFence"/>.</summary>
    public static void Copy(byte* destination, byte* source, nuint lengthBytes) =>
        Copy(Best, destination, source, lengthBytes);

    /// <summary>Stores zeros; durable on persistent memory after <see cref="StoreFence"/>.</summary>
    public static void Zero(byte* destination, nuint lengthBytes) => Zero(Best, destination, lengthBytes);

    /// <summary>
    /// Returns when all earlier stores of this thread are beyond its caches, and visible to every other thread.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFence()
    {
        if (Sse.IsSupported)
        {
            Sse.StoreFence();
        }
        else
        {
            Interlocked.MemoryBarrier();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool IsSupported(Path path) => path switch
    {
        Path.Wide => Crc32CFolding.IsWideSupported,
        Path.Vector512 => Avx512F.IsSupported && Crc32CFolding.IsSupported,
        Path.Vector256 => Avx2.IsSupported && Crc32CFolding.IsSupported,
        Path.Vector128 => Sse2.X64.IsSupported && Crc32CFolding.IsSupported,
        _ => true,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Copy(Path path, byte* destination, byte* source, nuint lengthBytes)
    {
        if (path == Path.Words)
        {
            CopyWords<NoChecksum>(destination, source, lengthBytes, 0);
            return;
        }

        nuint head = HeadBytes(destination, lengthBytes);
        if (head != 0)
        {
            CopyWords<NoChecksum>(destination, source, head, 0);
            destination += head;
            source += head;
            lengthBytes -= head;
        }

        nuint bulk = lengthBytes & ~(nuint)(BlockBytes - 1);
        switch (path)
        {
            case Path.Vector128:
                CopyBlocks<Blocks128>(destination, source, bulk);
                break;
            case Path.Vector256:
                CopyBlocks<Blocks256>(destination, source, bulk);
                break;
            default:
                CopyBlocks<Blocks512>(destination, source, bulk);
                break;
        }

        if (bulk != lengthBytes)
        {
            CopyWords<NoChecksum>(destination + bulk, source + bulk, lengthBytes - bulk, 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Zero(Path path, byte* destination, nuint lengthBytes)
    {
        Vector512<byte> zeros = Vector512<byte>.Zero;
        byte* source = (byte*)&zeros;
        nuint head = HeadBytes(destination, lengthBytes);
        CopyWords<NoChecksum>(destination, source, head, 0);
        destination += head;
        lengthBytes -= head;
        for (; lengthBytes >= BlockBytes; lengthBytes -= BlockBytes)
        {
            switch (path)
            {
                case Path.Words:
                    CopyWords<NoChecksum>(destination, source, BlockBytes, 0);
                    break;
                case Path.Vector128:
                    Blocks128.Copy(destination, source);
                    break;
                case Path.Vector256:
                    Blocks256.Copy(destination, source);
                    break;
                default:
                    Blocks512.Copy(destination, source);
                    break;
            }

            destination += BlockBytes;
        }

        CopyWords<NoChecksum>(destination, source, lengthBytes, 0);
    }

    /// <summary>Bytes up to the next block, or all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nuint HeadBytes(byte* destination, nuint lengthBytes)
        => Math.Min((nuint)(-(nint)destination) & (BlockBytes - 1), lengthBytes);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyBlocks<TBlocks>(byte* destination, byte* source, nuint lengthBytes)
        where TBlocks : struct, IBlocks
    {
        byte* end = destination + lengthBytes;
        while (end - destination >= 4 * BlockBytes)
        {
            TBlocks.Copy(destination, source);
            TBlocks.Copy(destination + BlockBytes, source + BlockBytes);
            TBlocks.Copy(destination + (2 * BlockBytes), source + (2 * BlockBytes));
            TBlocks.Copy(destination + (3 * BlockBytes), source + (3 * BlockBytes));
            destination += 4 * BlockBytes;
            source += 4 * BlockBytes;
        }

        for (; destination != end; destination += BlockBytes, source += BlockBytes)
        {
            TBlocks.Copy(destination, source);
        }
    }

    /// <summary>Copies any range by words. Returns the checksum, continued.</summary>
    private static uint CopyWords<TChecksum>(byte* destination, byte* source, nuint lengthBytes, uint crc)
        where TChecksum : struct, IChecksum
    {
        nuint unaligned = Math.Min((nuint)(-(nint)destination) & (sizeof(uint) - 1), lengthBytes);
        if (unaligned != 0)
        {
            crc = MergeBytes<TChecksum>(destination, source, unaligned, crc);
            destination += unaligned;
            source += unaligned;
            lengthBytes -= unaligned;
        }

        if (((nuint)destination & sizeof(uint)) != 0 && lengthBytes >= sizeof(uint))
        {
            crc = CopyHalfWord<TChecksum>(destination, source, crc);
            destination += sizeof(uint);
            source += sizeof(uint);
            lengthBytes -= sizeof(uint);
        }

        for (; lengthBytes >= sizeof(ulong); lengthBytes -= sizeof(ulong))
        {
            ulong word = Unsafe.ReadUnaligned<ulong>(source);
            Store(destination, word);
            crc = TChecksum.Add(crc, word);
            destination += sizeof(ulong);
            source += sizeof(ulong);
        }

        if (lengthBytes >= sizeof(uint))
        {
            crc = CopyHalfWord<TChecksum>(destination, source, crc);
            destination += sizeof(uint);
            source += sizeof(uint);
            lengthBytes -= sizeof(uint);
        }

        return lengthBytes == 0 ? crc : MergeBytes<TChecksum>(destination, source, lengthBytes, crc);
    }

    private static uint CopyHalfWord<TChecksum>(byte* destination, byte* source, uint crc)
        where TChecksum : struct, IChecksum
    {
        uint word = Unsafe.ReadUnaligned<uint>(source);
        Store(destination, word);
        return TChecksum.Add(crc, word);
    }

    /// <summary>Stores up to three bytes, all in the same aligned word.</summary>
    private static uint MergeBytes<TChecksum>(byte* destination, byte* source, nuint lengthBytes, uint crc)
        where TChecksum : struct, IChecksum
    {
        nuint first = (nuint)destination & (sizeof(uint) - 1);
        byte* wordAddress = destination - first;
        uint word = *(uint*)wordAddress;
        for (nuint i = 0; i < lengthBytes; i++)
        {
            byte b = source[i];
            ((byte*)&word)[first + i] = b;
            crc = TChecksum.Add(crc, b);
        }

        Store(wordAddress, word);
        return crc;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(byte* destination, ulong word)
    {
        if (Sse2.X64.IsSupported)
        {
            Sse2.X64.StoreNonTemporal((ulong*)destination, word);
        }
        else
        {
            *(ulong*)destination = word;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(byte* destination, uint word)
    {
        if (Sse2.IsSupported)
        {
            Sse2.StoreNonTemporal((uint*)destination, word);
        }
        else
        {
            *(uint*)destination = word;
        }
    }
}
