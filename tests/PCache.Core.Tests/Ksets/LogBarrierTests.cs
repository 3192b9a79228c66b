using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Ksets;

/// <summary>What follows a flush stands behind a barrier, wherever in the log it stands.</summary>
public sealed class LogBarrierTests
{
    /// <summary>Of one key each, and no two of the same size in a row: so the log goes on in its next segment at every
    /// phase of a flush.</summary>
    [Fact]
    public void The_first_kset_behind_a_flush_is_a_barrier_also_in_the_logs_next_segment()
    {
        using var cache = new SmallCache(segments: 40, backingBytes: 1 << 20);
        for (int i = 0; i < 2500; i++)
        {
            cache.Device.Write(i % 500 * 512, Patterns.Make(i % 500 * 512, 512, i + 1));
            cache.Device.Flush();
        }

        int links = 0;
        int ksets = 0;
        foreach (KsetHeader header in Headers(cache.Region))
        {
            links += header.IsLast ? 1 : 0;
            ksets += header.IsLast ? 0 : 1;
            Assert.True(header.IsLast || header.IsBarrier, $"kset {ksets} of the log, behind {links} links");
        }

        Assert.Equal(2500, ksets);
        Assert.InRange(links, 2, 4);
    }

    [Fact]
    public void No_barrier_stands_between_writes_that_no_flush_divides()
    {
        using var cache = new SmallCache(segments: 40, backingBytes: 1 << 20);
        for (int i = 0; i < 600; i++)
        {
            cache.Device.Write(i % 500 * 512, Patterns.Make(i % 500 * 512, 512, i + 1));
        }

        cache.Device.Flush();
        cache.Device.Flush(); // nothing lies between the two
        cache.Device.Write(0, new byte[512]);
        cache.Device.Flush();
        Assert.Equal([true, false, false, false, false, true],
            Headers(cache.Region).Select(header => header.IsBarrier));
    }

    private static List<KsetHeader> Headers(PmemRegion region)
    {
        MediaState media = MediaLoader.Load(region);
        var reader = new KsetReader(region, media.Geometry, media.Chain);
        List<KsetHeader> headers = [];
        SequenceTracker sequence = default;
        for (LogPosition at = media.KeyTail; reader.Read(at, ref sequence) == KsetOutcome.Valid; at = reader.Next)
        {
            headers.Add(reader.Header);
        }

        return headers;
    }
}
