using PCache.Core.Tests.Support;
using PCache.Testing.Soak;

namespace PCache.Core.Simulation.Concurrency;

/// <summary>
/// Threads of all kinds on one tiny cache, in variants; each violation names its seed. Longer: PCACHE_TEST_SECONDS (for each variant), PCACHE_TEST_SEED.
/// </summary>
public sealed class ConcurrencySoakTests
{
    /// <summary>A long run is made of runs of this length, one seed each.</summary>
    private const double LongestSeconds = 5;

    [Fact]
    public void Growing() => Run(new SoakOptions { Segments = 6 });

    [Fact]
    public void Shrinking() => Run(new SoakOptions { Shrink = true, Segments = 6 });

    [Fact]
    public void Failing_backing() => Run(new SoakOptions { FailEvery = 151, Discard = true, Segments = 5 });

    [Fact]
    public void Failing_backing_while_shrinking() => Run(new SoakOptions { FailEvery = 101, Shrink = true, Discard = true });

    [Fact]
    public void Discarding_without_checksums() => Run(new SoakOptions { Growth = false, Discard = true, PayloadCrc = false });

    [Fact]
    public void Synchronous_on_large_blocks() => Run(new SoakOptions { AsyncPercent = 0, Growth = false, BlockSize = 4096, Writers = 4, Readers = 4, Segments = 8 });

    [Fact]
    public void Asynchronous() => Run(new SoakOptions { AsyncPercent = 100 });

    [Fact]
    public void Drained_by_flushes_only() => Run(new SoakOptions { Region = SoakRegion.MemoryDrainedByFlushes, PayloadCrc = false });

    [Fact]
    public void On_a_file() => Run(new SoakOptions { Region = SoakRegion.PageCache });

    [Fact]
    public void On_a_power_safe_file() => Run(new SoakOptions { Region = SoakRegion.PowerSafe, Shrink = true });

    [Fact]
    public void On_assumed_persistent_memory() => Run(new SoakOptions { Region = SoakRegion.Assumed, Segments = 12 });

    private static void Run(SoakOptions options) => TestRuns.ForSeeds(1, seed =>
    {
        double seconds = Math.Clamp(TestRuns.Seconds, 1, LongestSeconds);
        SoakReport report = ConcurrencySoak.Run(options with { Seed = seed, Duration = TimeSpan.FromSeconds(seconds), HangLimit = TestRuns.HangLimit });

        // That enough of everything happened is the soak's own condition; nothing fails but where it is to.
        Assert.True(options.FailEvery > 0 || report.Failures == 0, report.ToString());
    });
}
