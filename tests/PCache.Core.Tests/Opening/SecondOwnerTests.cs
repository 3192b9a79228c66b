using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>A process dies in the middle of an append: its successor sees what was stored and never made durable,
/// builds on it, and then the power fails.</summary>
public sealed class SecondOwnerTests
{
    [Fact]
    public void What_an_open_builds_on_is_durable_before_what_is_built()
    {
        // At each moment of an append, the last of which has the kset stored and not drained.
        for (int at = 0; at < 6; at++)
        {
            using var cache = new SmallCache(8);
            SimulatedPmem? left = null;
            SimulatedDisk? backing = null;
            cache.Device.Write(0, Patterns.Make(0, 512, 1));
            int events = 0;
            cache.Region.BeforeEvent = _ =>
            {
                if (events++ == at)
                {
                    left = cache.Region.AfterKill();
                    backing = cache.Backing.AfterKill();
                }
            };
            cache.Device.Flush();
            cache.Region.BeforeEvent = null;
            if (left is null)
            {
                Assert.True(at > 2, $"{at} events of a flush");
                return;
            }

            using SimulatedPmem region = left;
            using PCacheDevice second = PCacheDevice.Open(region, backing!, cache.Options);
            byte[] seen = new byte[512];
            second.Read(0, seen);
            second.Write(512, Patterns.Make(512, 512, 2), WriteDurability.ForceUnitAccess);
            using SimulatedPmem cut = SimulatedPmem.Allocate(region.LengthBytes);
            cut.LoadPowerCut(region, new int[region.Open.Count]);
            using PCacheDevice third = PCacheDevice.Open(cut, backing!.AfterPowerCut(null), cache.Options);
            byte[] found = new byte[1024];
            third.Read(0, found);
            Rig.AssertSame(Patterns.Make(512, 512, 2), found.AsSpan(512),
                $"killed before event {at}: flushed by the second owner");
            Rig.AssertSame(seen, found.AsSpan(0, 512), $"killed before event {at}: seen by the second owner");
        }
    }
}
