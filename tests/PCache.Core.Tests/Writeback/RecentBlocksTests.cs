using PCache.Core.Tests.Support;
using PCache.Core.Writeback;

namespace PCache.Core.Tests.Writeback;

public sealed class RecentBlocksTests
{
    [Fact]
    public void A_group_with_few_blocks_leaves_older_ones()
    {
        var recent = new RecentBlocks();
        recent.NoteGroup([Run(0, 512), Run(40_960, 512)]);
        recent.NoteGroup([Run(8192, 512), Run(8704, 512)]);
        Assert.Equal([8192, 0, 40_960], recent.Places);
        recent.NoteGroup([]);
        Assert.Equal([8192, 0, 40_960], recent.Places);
    }

    [Fact]
    public void Places_are_few_apart_and_of_the_newest_group()
    {
        TestRuns.ForSeeds(300, seed =>
        {
            var random = new Random(seed);
            var recent = new RecentBlocks();
            for (int group = 0; group < 4; group++)
            {
                long at = 0;
                var runs = new WritebackRun[random.Next(1, 40)];
                for (int i = 0; i < runs.Length; i++)
                {
                    at += random.Next(100) * 512;
                    runs[i] = Run(at, random.Next(1, 300) * 512);
                    at = runs[i].Offset + runs[i].LengthBytes;
                }

                recent.NoteGroup(runs);
                Assert.Equal(recent.Places.Distinct(), recent.Places);
                Assert.InRange(recent.Places.Count, 1, RecentBlocks.Most);
                int blocks = runs.SelectMany(run => Enumerable.Range(0, run.LengthBytes / 512)
                    .Select(sector => (run.Offset + (sector * 512)) / 4096)).Distinct().Count();
                int own = recent.Places.Count(place =>
                    runs.Any(run => run.Offset < place + 4096 && run.Offset + run.LengthBytes > place));
                Assert.True(own >= Math.Min(2, blocks) || recent.Places.Count == own, $"seed {seed}");
                Assert.Contains(runs[0].Offset & -4096L, recent.Places);
            }
        });
    }

    [Fact]
    public void A_large_run_has_several_places()
    {
        var recent = new RecentBlocks();
        recent.NoteGroup([Run(1 << 20, 1 << 20)]);
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (1L << 20) + (i << 17)), recent.Places);
    }

    [Fact]
    public void A_discarded_range_is_forgotten()
    {
        var recent = new RecentBlocks();
        recent.Restore([0, 4096, 8192, 12_288]);
        recent.Forget(4608, 8193);
        Assert.Equal([0, 12_288], recent.Places);
    }

    private static WritebackRun Run(long offset, int length) => new(offset, length, 0, 1, false);
}
