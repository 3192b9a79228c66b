using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>
/// Random operations with a kill or power cut between any two stores. Longer: PCACHE_TEST_SECONDS; one seed: PCACHE_TEST_SEED.
/// </summary>
public sealed class CrashTests
{
    [Theory]
    [InlineData(Cut.Kill, 4)]
    [InlineData(Cut.Kill, 8)]
    [InlineData(Cut.Kill, 16)]
    [InlineData(Cut.Power, 4)]
    [InlineData(Cut.Power, 8)]
    [InlineData(Cut.Power, 16)]
    public void Flushed_writes_survive_and_others_are_old_or_new(Cut cut, int segments) =>
        TestRuns.ForSeeds(3, seed =>
        {
            using var run = new CrashRun(seed, cut, segments, crc: (seed & 4) == 0);
            run.Run(400);
            Assert.True(run.Cuts > 10, $"seed {seed}: only {run.Cuts} cuts");
        });

    [Theory]
    [InlineData(Cut.Kill)]
    [InlineData(Cut.Power)]
    public void Lengths_survive_and_what_was_cut_off_never_comes_back(Cut cut) =>
        TestRuns.ForSeeds(4, seed =>
        {
            using var run = new CrashRun(seed, cut, 8, crc: true, resize: true);
            run.Run(300);
        });
}
