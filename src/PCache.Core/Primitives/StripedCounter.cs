using System.Runtime.CompilerServices;

namespace PCache.Core.Primitives;

/// <summary>
/// A counter that many cores add to without sharing a cache line. Keeps true: the sum of all stripes is the sum of all additions; a reader sees each
/// stripe at some moment during its call.
/// </summary>
internal sealed class StripedCounter
{
    private const int LongsPerStripe = 16; // 128 bytes: two lines, because of adjacent-line prefetch
    private readonly long[] _cells;
    private readonly int _mask;

    public StripedCounter()
    {
        int stripes = StripeCount;
        _cells = new long[(stripes + 1) * LongsPerStripe];
        _mask = stripes - 1;
    }

    /// <summary>Stripes that fit this machine: a power of two.</summary>
    public static int StripeCount { get; } = (int)Math.Min(64u, System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount));

    public long Sum
    {
        get
        {
            long sum = 0;
            for (int i = 0; i <= _mask; i++)
            {
                sum += Volatile.Read(ref Cell(i));
            }

            return sum;
        }
    }

    /// <summary>Adds; a full fence.</summary>
    public void Add(long value) => Interlocked.Add(ref Cell(Thread.GetCurrentProcessorId() & _mask), value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref long Cell(int stripe) => ref _cells[(stripe + 1) * LongsPerStripe];
}
