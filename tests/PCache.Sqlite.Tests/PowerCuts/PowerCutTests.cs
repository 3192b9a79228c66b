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

    /// <summary>Pages are spilled, and rolled back to savepoints and as a whole; the database is vacuumed.</summary>
    [Theory]
    [InlineData("memory", "")]
    [InlineData("memory", "PRAGMA locking_mode=EXCLUSIVE")]
    [InlineData("memory", "PRAGMA auto_vacuum=FULL")]
    [InlineData("memory", "PRAGMA synchronous=OFF; PRAGMA auto_vacuum=FULL")]
    [InlineData("memory", "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE")]
    [InlineData("off", "")]
    [InlineData("off", "PRAGMA auto_vacuum=FULL")]
    public void Without_a_journal_a_transaction_is_whole_after_every_power_cut(string mode, string pragmas) =>
        TestRuns.ForSeeds(1, seed =>
        {
            using var run = new PowerCutRun(seed, mode, pragmas: pragmas);
            run.Work(transactions: 25, eventsBetweenCuts: 40);
            Assert.InRange(run.CutCount, 5, int.MaxValue);
            run.Verify(cachedOnly: true);
        });

    /// <summary>
    /// Also with a SQLite that writes batches as a whole in these modes, put in the place of the package's; the plain
    /// files then have no journal.
    /// </summary>
    [Theory]
    [InlineData("delete", "")]
    [InlineData("delete", "PRAGMA locking_mode=EXCLUSIVE; PRAGMA auto_vacuum=FULL")]
    [InlineData("truncate", "")]
    [InlineData("persist", "")]
    [InlineData("wal", "")]
    [InlineData("wal", "PRAGMA locking_mode=EXCLUSIVE")]
    public void With_atomic_commits_the_other_modes_are_as_ever(string mode, string pragmas) =>
        TestRuns.ForSeeds(1, seed =>
        {
            using var run = new PowerCutRun(seed, mode, pragmas: pragmas, isAtomic: true);
            run.Work(transactions: 20, eventsBetweenCuts: 150);
            Assert.InRange(run.CutCount, 5, int.MaxValue);
            run.Verify(cachedOnly: SqliteBuild.WritesBatches && mode != "wal");
        });

    /// <summary>One synchronisation for each commit: the cache alone keeps the order.</summary>
    [Theory]
    [InlineData("delete", "")]
    [InlineData("delete", "PRAGMA locking_mode=EXCLUSIVE")]
    [InlineData("delete", "PRAGMA auto_vacuum=FULL")]
    [InlineData("truncate", "")]
    [InlineData("persist", "PRAGMA synchronous=NORMAL")]
    [InlineData("persist", "")]
    [InlineData("wal", "")]
    [InlineData("wal", "PRAGMA locking_mode=EXCLUSIVE")]
    [InlineData("memory", "PRAGMA auto_vacuum=FULL")]
    public void Where_order_is_enough_committed_transactions_survive_every_power_cut(string mode, string pragmas) =>
        TestRuns.ForSeeds(1, seed =>
        {
            using var run = new PowerCutRun(seed, mode, pragmas: pragmas, isSequential: true);
            run.Work(transactions: 12, eventsBetweenCuts: 80);
            Assert.InRange(run.CutCount, 5, int.MaxValue);
            run.Verify(cachedOnly: true);
        });

    [Theory]
    [InlineData("delete", CachedFilesDefect.LongerUntold)]
    [InlineData("truncate", CachedFilesDefect.LongerUntold)]
    [InlineData("persist", CachedFilesDefect.SyncWithoutFlush)]
    [InlineData("wal", CachedFilesDefect.SyncWithoutFlush)]
    internal void Where_order_is_enough_a_mistake_is_found(string mode, CachedFilesDefect defect) =>
        RequireFound(defect.ToString(), seed => new PowerCutRun(seed, mode, defect, isSequential: true));

    [Theory]
    [InlineData("delete", CachedFilesDefect.SyncWithoutFlush)]
    [InlineData("wal", CachedFilesDefect.SyncWithoutFlush)]
    [InlineData("memory", CachedFilesDefect.SyncWithoutFlush)]
    internal void A_mistake_made_on_purpose_is_found(string mode, CachedFilesDefect defect) =>
        RequireFound(defect.ToString(), seed => new PowerCutRun(seed, mode, defect));

    [Theory]
    [InlineData("memory")]
    [InlineData("off")]
    public void Without_a_journal_and_not_as_a_whole_a_transaction_is_found_half(string mode) =>
        RequireFound("transactions in pieces", seed => new PowerCutRun(seed, mode, isAtomic: false));

    private void RequireFound(string mistake, Func<int, PowerCutRun> makeRun)
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            using PowerCutRun run = makeRun(seed);
            run.Work(transactions: 15, eventsBetweenCuts: 40);
            if (Record.Exception(() => run.Verify(cachedOnly: true)) is { } found)
            {
                output.WriteLine($"Seed {seed}: {found.Message}");
                return;
            }
        }

        Assert.Fail($"No check noticed {mistake}.");
    }
}
