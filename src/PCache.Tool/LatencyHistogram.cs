// Keeps true: recording allocates nothing and takes constant time; a percentile is off by less than 1/32 of its value.
using System.Numerics;

namespace PCache.Tool;

/// <summary>
/// Latencies in nanoseconds: 32 linear buckets per power of two. Not thread-safe; merge one per thread.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int SubBits = 5;
    private const int SubCount = 1 << SubBits;
    private readonly long[] _counts = new long[(64 - SubBits + 1) * SubCount];

    /// <summary>Values recorded.</summary>
    public long Count { get; private set; }

    public void Record(long nanoseconds)
    {
        _counts[Bucket((ulong)Math.Max(nanoseconds, 0))]++;
        Count++;
    }

    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        Count += other.Count;
    }

    /// <summary>The value that a share (0 to 1) of all values doesn't exceed; 0 if there are none.</summary>
    public long Percentile(double share)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(Count * share));
        long seen = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= rank)
            {
                return Value(i);
            }
        }

        return 0;
    }

    /// <summary>The buckets that have values, from the shortest latency on: middle and number.</summary>
    public IEnumerable<(long Nanoseconds, long Count)> Buckets()
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            if (_counts[i] > 0)
            {
                yield return (Value(i), _counts[i]);
            }
        }
    }

    private static int Bucket(ulong value)
    {
        if (value < SubCount)
        {
            return (int)value;
        }

        int exponent = BitOperations.Log2(value) - SubBits;
        return ((exponent + 1) << SubBits) + (int)((value >> exponent) & (SubCount - 1));
    }

    /// <summary>The middle of a bucket.</summary>
    private static long Value(int bucket)
    {
        int row = bucket >> SubBits;
        long sub = bucket & (SubCount - 1);
        return row == 0 ? sub : ((SubCount + sub) << (row - 1)) + ((1L << (row - 1)) >> 1);
    }
}
