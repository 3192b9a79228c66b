// Keeps true: copies exactly the range, reads nothing outside of it, and each byte of it once; order of loads and
// stores is free.
//
// Payload comes from memory, mostly at random places: a copy of a page spends its time waiting for lines, and what
// counts is how many of them are under way at once. Four streams, a quarter of the range each, keep four pages' worth
// of the processor's prefetchers (and all of its line buffers) busy from the first instruction on. Long copies are
// bound by bandwidth, which the runtime's own copy knows best.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PCache.Core.Pmem;

/// <summary>Copies payload out of the region.</summary>
internal static unsafe class PayloadCopy
{
    private const int Line = 64;
    private const int Streams = 4;
    private const int MaxInterleavedBytes = 16 << 10;

    /// <summary>Copies from memory to a span.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(byte* source, Span<byte> destination)
    {
        if (Avx512F.IsSupported && destination.Length is >= Streams * Line and <= MaxInterleavedBytes)
        {
            fixed (byte* to = &MemoryMarshal.GetReference(destination))
            {
                Interleaved(source, to, destination.Length);
            }
        }
        else
        {
            new ReadOnlySpan<byte>(source, destination.Length).CopyTo(destination);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Interleaved(byte* source, byte* destination, int lengthBytes)
    {
        int quarter = lengthBytes / Streams & -Line;
        byte* end = source + quarter;
        for (; source < end; source += Line, destination += Line)
        {
            Vector512<byte> first = Vector512.Load(source);
            Vector512<byte> second = Vector512.Load(source + quarter);
            Vector512<byte> third = Vector512.Load(source + (2 * quarter));
            Vector512<byte> fourth = Vector512.Load(source + (3 * quarter));
            first.Store(destination);
            second.Store(destination + quarter);
            third.Store(destination + (2 * quarter));
            fourth.Store(destination + (3 * quarter));
        }

        int rest = lengthBytes - (Streams * quarter);
        if (rest > 0)
        {
            new ReadOnlySpan<byte>(source + (3 * quarter), rest).CopyTo(
                new Span<byte>(destination + (3 * quarter), rest));
        }
    }
}
