using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests.PowerCuts;

/// <summary>
/// After any power cut every committed transaction is there and none is half; without its cache too, up to an earlier
/// one.
/// </summary>
public sealed class PowerCutTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Theory]
    [InlineData("delete")]
    [InlineData("truncate")]
    [InlineData("persist")]
    [InlineData("wal")]
    public void Committed_transactions_survive_every_power_cut(string mode) =>
        TestRuns.ForSeeds(1, seed =>
        {
            using var run = new PowerCutRun(seed, mode);
            run.Work(transactions: 25, eventsBetweenCuts: 150);
            Assert.InRange(run.CutCount, 5, int.MaxValue);
            run.Verify();
        });

    [Theory]
    [InlineData("delete", CachedFilesDefect.SyncWithoutFlush)]
    [InlineData("wal", CachedFilesDefect.SyncWithoutFlush)]
    internal void A_mistake_made_on_purpose_is_found(string mode, CachedFilesDefect defect)
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            using var run = new PowerCutRun(seed, mode, defect);
            run.Work(transactions: 15, eventsBetweenCuts: 40);
            if (Record.Exception(() => run.Verify(cachedOnly: true)) is { } found)
            {
                output.WriteLine($"Seed {seed}: {found.Message}");
                return;
            }
        }

        Assert.Fail($"No check noticed {defect}.");
    }
}
