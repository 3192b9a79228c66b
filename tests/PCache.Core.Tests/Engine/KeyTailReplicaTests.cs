using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A crash between the two writes of a key tail that gives a log segment up.</summary>
public sealed class KeyTailReplicaTests
{
    [Fact]
    public void After_an_open_the_older_replica_names_no_segment_that_may_be_used_again()
    {
        using var cache = new SmallCache(6, with: o => o with { GcThresholdPercent = 0 });
        byte[]? between = null;
        SimulatedDisk? backing = null;
        cache.Region.BeforeEvent = e =>
        {
            if (e != PmemEvent.Drain)
            {
                return;
            }

            if (between is null && Differ(cache.Region))
            {
                between = cache.Region.KillImage();
                backing = cache.Backing.AfterKill();
            }
        };
        for (int i = 0; i < 3000 && between is null; i++)
        {
            cache.Device.Write(i % 1000 * 512, Patterns.Make(i % 1000 * 512, 512, i), WriteDurability.ForceUnitAccess);
            cache.Device.RunMaintenanceStep();
        }

        cache.Region.BeforeEvent = null;
        Assert.NotNull(between);
        using PmemRegion region = Rig.Load(between);
        Assert.True(Differ(region));
        using PCacheDevice device = PCacheDevice.Open(region, backing!, cache.Options);
        Assert.False(Differ(region));
    }

    private static bool Differ(PmemRegion region) =>
        Replicas.Read(region, MediaConstants.KeyTailOffset, MediaConstants.PositionStride, out PositionRecord latest,
            out PositionRecord older, out _) == ReplicaOutcome.Both
        && latest.Segment != older.Segment;
}
