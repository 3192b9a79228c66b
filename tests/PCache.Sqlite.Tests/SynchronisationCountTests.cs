using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests;

/// <summary>
/// What a commit of one row costs: synchronisations of a cache in a power-safe file, in each journal mode. Two of them
/// are a flush: payload, then log.
/// </summary>
public sealed class SynchronisationCountTests
{
    private const int Commits = 20;
    private static int _names;

    [Theory]
    [InlineData("delete", "UPDATE", false, 10)]
    [InlineData("truncate", "UPDATE", false, 10)]
    [InlineData("persist", "UPDATE", false, 8)]
    [InlineData("wal", "UPDATE", false, 4)]
    [InlineData("wal", "UPDATE of a WAL that has its length", false, 2)]
    [InlineData("memory", "UPDATE", false, 2)]
    [InlineData("memory", "INSERT", false, 2)]
    [InlineData("delete", "UPDATE", true, 2)]
    [InlineData("truncate", "UPDATE", true, 2)]
    [InlineData("persist", "UPDATE", true, 2)]
    [InlineData("wal", "UPDATE", true, 2)]
    [InlineData("memory", "UPDATE", true, 2)]
    [InlineData("memory", "INSERT", true, 2)]
    public void A_commit_costs(string mode, string change, bool isSequential, int synchronisations)
    {
        SQLitePCL.Batteries_V2.Init();
        using var folder = new TempFolder();
        using var region = SimulatedPmem.Allocate(3 << 20, drainIsCheap: false);
        var source = new SimulatedSource { IsSequential = isSequential };
        source.Add(folder.File("a.db"), region, new SimulatedFileStore());
        using PCacheVfsRegistration vfs = PCacheVfs.Register(
            new PCacheVfsOptions { Name = $"count{Interlocked.Increment(ref _names)}", AtomicCommits = true },
            (_, _) => source);
        using SqliteConnection connection = Connections.Open(folder.File("a.db"), vfs);
        connection.Execute($"PRAGMA journal_mode={mode}; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; "
            + "CREATE TABLE t (a INTEGER, b BLOB); INSERT INTO t VALUES (1, randomblob(100))");
        if (change.Contains("length", StringComparison.Ordinal))
        {
            connection.Execute("CREATE TABLE u AS SELECT randomblob(400000) AS b");
            connection.Execute("PRAGMA wal_checkpoint(RESTART)");
        }

        var counts = new List<int>();
        int count = 0;
        region.BeforeEvent = e => count += e == PmemEvent.Drain ? 1 : 0;
        for (int i = 0; i < Commits; i++)
        {
            count = 0;
            connection.Execute(change == "INSERT"
                ? "INSERT INTO t VALUES (1, randomblob(3000))" : "UPDATE t SET a = a + 1");
            counts.Add(count);
        }

        region.BeforeEvent = null;
        counts.Sort(); // one that takes the next segment costs one flush more
        Assert.Equal((synchronisations, synchronisations), (counts[0], counts[Commits / 2]));
        Assert.InRange(counts[^1], synchronisations, synchronisations + 2);
    }
}
