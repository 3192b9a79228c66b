using PCache.Core.Indexing;

namespace PCache.Core.Tests.Indexing;

/// <summary>Memory of indexes that is used again.</summary>
public sealed class RegionPoolTests
{
    [Fact]
    public void No_region_is_handed_out_twice_and_a_bounded_number_is_kept()
    {
        nint[] regions = [.. Enumerable.Range(0, 3 * RegionPool.MostKept).Select(_ => RegionPool.Take())];
        Assert.Equal(regions.Length, regions.Distinct().Count());
        Assert.All(regions, region => Assert.Equal(0, region % IndexArena.RegionSize));
        Array.ForEach(regions, RegionPool.Give);
        Assert.InRange(RegionPool.KeptCount, 0, RegionPool.MostKept);
    }
}
