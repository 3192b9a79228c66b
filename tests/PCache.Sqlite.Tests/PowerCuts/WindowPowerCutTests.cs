using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests.PowerCuts;

/// <summary>
/// As <see cref="PowerCutTests"/>, with plain files that are written in windows: many commits in one step. The power is
/// cut at each call of the file store during a window, too.
/// </summary>
public sealed class WindowPowerCutTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Theory]
    [InlineData("delete", "")]
    [InlineData("delete", "PRAGMA auto_vacuum=FULL")]
    [InlineData("delete", "PRAGMA locking_mode=EXCLUSIVE")]
    [InlineData("truncate", "")]
    [InlineData("persist", "")]
    [InlineData("wal", "")]
    [InlineData("wal", "PRAGMA auto_vacuum=FULL")]
    [InlineData("wal", "PRAGMA locking_mode=EXCLUSIVE")]
    public void Committed_transactions_survive_every_power_cut(string mode, string pragmas) =>
        TestRuns.ForSeeds(1, seed =>
        {
            using var run = new PowerCutRun(seed, mode, pragmas: pragmas) { Windows = true };
            run.Work(transactions: 25, eventsBetweenCuts: 400);
            output.WriteLine($"{run.WindowCount} windows, {run.CutCount} cuts");
            Assert.InRange(run.CutCount, 5, int.MaxValue);
            bool keepsJournal = mode == "persist" || (mode == "delete" && pragmas.Contains("EXCLUSIVE"));
            if (!keepsJournal)
            {
                Assert.InRange(run.WindowCount, 2, int.MaxValue);
            }

            run.Verify();
        });

    [Theory]
    [InlineData("delete", WindowDefect.JournalNotFlushed)]
    [InlineData("delete", WindowDefect.EndsWithJournal)]
    [InlineData("delete", WindowDefect.NoJournal)]
    internal void A_mistake_made_on_purpose_is_found(string mode, WindowDefect defect)
    {
        for (int seed = 1; seed <= 12; seed++)
        {
            using var run = new PowerCutRun(seed, mode) { Windows = true, WindowDefect = defect };
            if (Record.Exception(() =>
                {
                    run.Work(transactions: 15, eventsBetweenCuts: 200);
                    run.Verify();
                }) is { } found)
            {
                output.WriteLine($"Seed {seed}: {found.Message}");
                return;
            }
        }

        Assert.Fail($"No check noticed {defect}.");
    }
}
