using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Ksets;

public class GoldenReplayTests
{
    [Theory]
    [InlineData("fresh", "0:0", 0, 0, 0, 0, 1)]
    [InlineData("dirty-small", "0:5008", 2, 124, 0, 124, 2)]
    [InlineData("dirty-nocrc", "0:4568", 2, 113, 0, 113, 2)]
    [InlineData("dirty-2cpu", "0:15232", 58, 346, 0, 346, 3)]
    [InlineData("read-fill", "0:5280", 5, 129, 0, 37, 3)]
    [InlineData("multi-link", "14:48336", 3307, 418_242, 0, 412_005, 16)]
    [InlineData("killed", "0:18008", 122, 377, 0, 377, 2)]
    [InlineData("gc-crash", "0:201752", 41, 4722, 40, 64, 20)]
    public void Replays_what_linux_wrote(string name, string keyHead, long ksets, long live, long dead, long dirty,
        int used)
    {
        GoldenSet golden = GoldenSet.Load(name);
        using TestRegion region = golden.OpenPmem();
        MediaState media = MediaLoader.Load(region);
        CountingSink sink = new();
        ReplayResult result = LogReplay.Run(region, media, sink, golden.BackingBytes);
        Assert.Equal(keyHead, result.KeyHead.ToString());
        Assert.Equal(LogEnd.Clean, result.End);
        Assert.Equal(ksets, result.Ksets);
        Assert.Equal(ksets, sink.Ksets);
        Assert.Equal(live, result.LiveKeys);
        Assert.Equal(live, sink.Live);
        Assert.Equal(dead, result.DeadKeys);
        Assert.Equal(dead, sink.Dead);
        Assert.Equal(dirty, result.DirtyKeys);
        Assert.Equal(0, result.LostKeys);
        Assert.Equal(used, result.Use.UsedCount);
        Assert.Equal(0u, result.LastSequence);
        Assert.Equal(name == "multi-link" ? [0, 14] : new[] { 0 }, result.LogSegments);
    }

    [Fact]
    public void A_backing_that_is_too_short_is_a_mismatch()
    {
        GoldenSet golden = GoldenSet.Load("dirty-small");
        using TestRegion region = golden.OpenPmem();
        MediaState media = MediaLoader.Load(region);
        Assert.Throws<PCacheBackingMismatchException>(() =>
            LogReplay.Run(region, media, new CountingSink(), golden.BackingBytes - 512));

        // The last partial sector counts as whole.
        LogReplay.Run(region, media, new CountingSink(), golden.BackingBytes - 511);
    }

    [Fact]
    public void Replaying_allocates_nothing_per_kset_or_key()
    {
        using TestRegion region = GoldenSet.Load("multi-link").OpenPmem();
        MediaState media = MediaLoader.Load(region);
        NullSink sink = new();
        LogReplay.Run(region, media, sink, null);
        long before = GC.GetAllocatedBytesForCurrentThread();
        LogReplay.Run(region, media, sink, null);

        // A read-ahead buffer, and what goes with the number of segments; 3,307 ksets are walked.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300_000);
    }

    private sealed class NullSink : IReplaySink
    {
        public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
        {
        }

        public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
        {
        }
    }
}
