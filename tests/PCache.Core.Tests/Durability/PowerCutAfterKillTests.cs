using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>
/// What a killed process has stored and never drained is seen by its successor, and a power cut still takes it back:
/// nothing may be built on it before it is durable.
/// </summary>
public sealed class PowerCutAfterKillTests
{
    [Fact]
    public void What_a_killed_process_left_is_durable_before_anything_follows_it()
    {
        using var cache = new SmallCache();
        var kills = new List<SimulatedPmem>();
        cache.Region.BeforeEvent = e =>
        {
            if (e == PmemEvent.Drain)
            {
                kills.Add(cache.Region.AfterKill());
            }
        };
        cache.Device.Write(0, Patterns.Make(0, 512, 1), WriteDurability.ForceUnitAccess);
        cache.Region.BeforeEvent = null;
        Assert.Contains(kills, kill => kill.OpenWordCount > 0);
        foreach (SimulatedPmem kill in kills)
        {
            using PCacheDevice second = PCacheDevice.Open(kill, cache.Backing.AfterKill(), cache.Options);
            second.Write(1024, Patterns.Make(1024, 512, 2), WriteDurability.ForceUnitAccess);
            for (int seed = 1; seed <= 20; seed++)
            {
                using SimulatedPmem left = kill.AfterPowerCut(new Random(seed));
                using PCacheDevice third = PCacheDevice.Open(left, cache.Backing.AfterPowerCut(null), cache.Options);
                var found = new byte[512];
                Assert.Equal(512, third.Read(1024, found));
                Rig.AssertSame(Patterns.Make(1024, 512, 2), found, $"seed {seed}: acknowledged by the second process");
            }
        }

        kills.ForEach(kill => kill.Dispose());
    }
}
