using PCache.Core.Tests.Support;
using PCache.Lab.Soak;

namespace PCache.Core.Simulation.Concurrency;

/// <summary>
/// Threads of all kinds on one tiny cache, in variants; each violation names its seed. Longer: PCACHE_TEST_SECONDS (for
/// each variant), PCACHE_TEST_SEED.
/// </summary>
public sealed class ConcurrencySoakTests
{
    public static TheoryData<string> Variants => [.. SoakVariant.All.Select(variant => variant.Name)];

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_read_is_legal(string name)
    {
        SoakVariant variant = SoakVariant.All.Single(variant => variant.Name == name);
        TestRuns.ForSeeds(1, seed => variant.Run(seed, TimeSpan.FromSeconds(Math.Max(TestRuns.Seconds, 1)),
            TestRuns.HangLimit));
    }
}
