using PCache.Tool.Bench;

namespace PCache.Tool.Tests;

/// <summary>The parts that figures are made of.</summary>
public sealed class BenchPartsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(60)]
    [InlineData(1000)]
    [InlineData(4096)]
    public void A_permutation_visits_every_block_once(int blocks)
    {
        var pattern = new BenchPattern("randmiss", 512);
        for (int round = -3; round < 5; round++)
        {
            var seen = new HashSet<long>();
            for (int thread = 0; thread < 2; thread++)
            {
                var offsets = new BenchOffsets(pattern, blocks * 512L, thread, 2, round);
                int from = (int)((long)blocks * thread / 2);
                int to = (int)((long)blocks * (thread + 1) / 2);
                for (int i = from; i < to; i++)
                {
                    Assert.True(seen.Add(offsets.Next()));
                }
            }

            Assert.Equal(Enumerable.Range(0, blocks).Select(i => i * 512L), seen.Order());
        }
    }

    [Fact]
    public void Appends_have_all_lengths_from_4_to_100()
    {
        var offsets = new BenchOffsets(new BenchPattern("smallwrite", 4096), 1 << 20, 0, 1, 0);
        int[] lengths = [.. Enumerable.Range(0, 20_000).Select(_ => offsets.NextAppend())];
        Assert.Equal(Enumerable.Range(4, 97), lengths.Distinct().Order());
    }

    [Fact]
    public void Random_offsets_stay_inside_and_differ_between_threads_and_rounds()
    {
        var pattern = new BenchPattern("partialhit", 4096);
        var first = new BenchOffsets(pattern, 1 << 20, 0, 2, 0);
        var other = new BenchOffsets(pattern, 1 << 20, 1, 2, 0);
        var later = new BenchOffsets(pattern, 1 << 20, 0, 2, 1);
        long[][] runs = [new long[100], new long[100], new long[100]];
        for (int i = 0; i < 100; i++)
        {
            runs[0][i] = first.Next();
            runs[1][i] = other.Next();
            runs[2][i] = later.Next();
        }

        Assert.All(runs.SelectMany(run => run), offset =>
            Assert.True(offset >= 0 && offset % 8192 == 0 && offset <= (1 << 20) - 8192));
        Assert.Equal(3, runs.Select(run => string.Join(' ', run)).Distinct().Count());
    }

    [Fact]
    public void Quantiles_lie_between_the_values()
    {
        double[] values = [4, 1, 3, 2];
        Assert.Equal(1, BenchRunner.Quantile(values, 0));
        Assert.Equal(2.5, BenchRunner.Median(values));
        Assert.Equal(4, BenchRunner.Quantile(values, 1));
        Assert.Equal(7, BenchRunner.Median([7]));
        Assert.Throws<ArgumentException>(() => BenchRunner.Median([]));
    }

    [Fact]
    public void Buckets_hold_all_values_in_order()
    {
        var histogram = new LatencyHistogram();
        long[] values = [0, 1, 31, 32, 100, 100, 5_000_000_000];
        Array.ForEach(values, histogram.Record);
        (long Nanoseconds, long Count)[] buckets = [.. histogram.Buckets()];
        Assert.Equal(values.Length, buckets.Sum(bucket => bucket.Count));
        Assert.Equal(buckets.Select(bucket => bucket.Nanoseconds).Order(),
            buckets.Select(bucket => bucket.Nanoseconds));
        Assert.Contains(buckets, bucket => bucket.Count == 2 && Math.Abs(bucket.Nanoseconds - 100) <= 4);
    }

    [Fact]
    public void Clocks_never_go_back()
    {
        long thread = ThreadClock.ThreadNanoseconds();
        long process = ThreadClock.ProcessNanoseconds();
        Assert.InRange(thread, 0, ThreadClock.ThreadNanoseconds());
        Assert.InRange(process, 1, ThreadClock.ProcessNanoseconds());
    }
}
