using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Native;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Atomic;

/// <summary>
/// SQLite itself with transactions without a journal: what fails is rolled back, what others see is whole.
/// </summary>
public sealed class AtomicSqlTests
{
    private static int _names;

    [Theory]
    [InlineData("NORMAL", "FULL")]
    [InlineData("NORMAL", "OFF")]
    [InlineData("EXCLUSIVE", "FULL")]
    [InlineData("EXCLUSIVE", "OFF")]
    public void A_transaction_that_is_too_large_is_rolled_back_and_the_next_one_works(string locking, string sync)
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using (SqliteConnection connection = Open(vfs, $"PRAGMA locking_mode={locking}; PRAGMA synchronous={sync}"))
        {
            connection.Execute("CREATE TABLE t (a INTEGER, b BLOB); INSERT INTO t VALUES (1, randomblob(3000))");
            for (int round = 0; round < 2; round++)
            {
                SqliteException failure = Assert.Throws<SqliteException>(() => connection.Execute(Rows(3000)));
                Assert.Equal(SqliteCode.IoError, failure.SqliteErrorCode);
                Assert.Contains("AtomicBatchBytes", vfs.Registration.LastError!.Exception.Message,
                    StringComparison.Ordinal);
                Assert.Equal(1 + round, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
                Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
                connection.Execute("UPDATE t SET a = a + 1; INSERT INTO t VALUES (0, randomblob(3000))");
            }
        }

        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal([3, 1, 0], plain.Query<int>("SELECT a FROM t"));
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    /// <summary>Each event of the memory fails once; whatever SQLite says, the database is whole.</summary>
    [Theory]
    [InlineData("memory", "NORMAL")]
    [InlineData("memory", "EXCLUSIVE")]
    [InlineData("off", "NORMAL")]
    public void Whatever_fails_the_database_is_after_one_of_the_two_transactions(string mode, string locking)
    {
        SQLitePCL.Batteries_V2.Init();
        for (int failing = 0; failing < 200; failing += 1 + (failing / 10))
        {
            using var folder = new TempFolder();
            var source = new SimulatedSource();
            using var region = SimulatedPmem.Allocate(3 << 20);
            var store = new SimulatedFileStore();
            source.Add(folder.File("a.db"), region, store);
            using PCacheVfsRegistration vfs = PCacheVfs.Register(
                new PCacheVfsOptions { Name = $"aerr{Interlocked.Increment(ref _names)}", AtomicCommits = true },
                (_, _) => source);
            bool isCommitted = false;
            using (SqliteConnection connection = Connections.Open(folder.File("a.db"), vfs))
            {
                connection.Execute($"PRAGMA locking_mode={locking}; PRAGMA journal_mode={mode}; PRAGMA page_size=1024; "
                    + "PRAGMA cache_size=5; CREATE TABLE t (id INTEGER PRIMARY KEY, value INTEGER, body BLOB)");
                connection.Execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) "
                    + "INSERT INTO t SELECT i, 0, randomblob(600) FROM n");
                int events = 0;
                region.BeforeEvent = _ => region.DrainError =
                    events++ == failing ? new IOException("The memory failed.") : null;
                try
                {
                    connection.Execute(
                        "BEGIN; UPDATE t SET value = 1, body = randomblob(900); INSERT INTO t (value, body) "
                        + "SELECT 1, randomblob(700) FROM t; COMMIT");
                    isCommitted = true;
                }
                catch (SqliteException)
                {
                    _ = Record.Exception(() => connection.Execute("ROLLBACK")); // it may have been already
                }

                region.BeforeEvent = null;
                region.DrainError = null;
            }

            using PCacheVfsRegistration again = PCacheVfs.Register(
                new PCacheVfsOptions { Name = $"aerr{Interlocked.Increment(ref _names)}" }, (_, _) => source);
            using SqliteConnection check = Connections.Open(folder.File("a.db"), again);
            Assert.Equal("ok", check.ExecuteScalar<string>("PRAGMA integrity_check"));
            int[] values = [.. check.Query<int>("SELECT DISTINCT value FROM t")];
            int rows = check.ExecuteScalar<int>("SELECT count(*) FROM t");
            Assert.Equal((1, values[0] == 0 ? 30 : 60), (values.Length, rows));
            Assert.True(!isCommitted || values[0] == 1, $"Event {failing}: committed, and not there.");
        }
    }

    [Fact]
    public void Two_attached_databases_commit_each_as_a_whole()
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using (SqliteConnection connection = Open(vfs))
        {
            connection.Execute("ATTACH @path AS other", new { path = vfs.PathOf("b.db") });
            connection.Execute(
                "PRAGMA other.journal_mode=MEMORY; CREATE TABLE t (a BLOB); CREATE TABLE other.u (a BLOB)");
            connection.Execute("BEGIN; INSERT INTO t VALUES (randomblob(9000)); INSERT INTO u SELECT a FROM t; COMMIT");
            Assert.Empty(Directory.GetFiles(vfs.Folder.Path, "*-mj*"));
            connection.Execute("BEGIN; DELETE FROM t; DELETE FROM u; ROLLBACK");
            Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t JOIN u USING (a)"));
        }

        foreach (string name in new[] { "a.db", "b.db" })
        {
            using SqliteConnection plain = vfs.OpenPlain(name);
            Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
        }
    }

    /// <summary>In OFF mode SQLite can't roll back what it has spilled; dropping it can.</summary>
    [Fact]
    public void In_mode_off_a_rollback_after_spilled_pages_brings_everything_back()
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using SqliteConnection connection = Open(vfs);
        connection.Execute("CREATE TABLE t (a INTEGER, b BLOB)");
        connection.Execute(Rows(100));
        connection.Execute("PRAGMA journal_mode=OFF; PRAGMA cache_size=5");
        _ = Record.Exception(() => connection.Execute("BEGIN; UPDATE t SET a = -1, b = randomblob(2000); ROLLBACK"));
        using SqliteConnection other = vfs.Open();
        Assert.Equal("ok", other.ExecuteScalar<string>("PRAGMA integrity_check"));
        Assert.Equal(100, other.ExecuteScalar<int>("SELECT count(*) FROM t WHERE a >= 0"));
    }

    /// <summary>Connections of one database, each with a journal mode of its own.</summary>
    [Fact]
    public void Connections_in_other_modes_see_committed_transactions_only()
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using SqliteConnection first = Open(vfs);
        first.Execute("CREATE TABLE t (a INTEGER, b BLOB); PRAGMA cache_size=2000"); // nothing is spilled
        using SqliteConnection second = vfs.Open();
        using SqliteConnection third = vfs.Open();
        second.Execute("PRAGMA journal_mode=PERSIST");
        third.Execute("PRAGMA journal_mode=TRUNCATE");
        for (int i = 1; i <= 20; i++)
        {
            foreach (SqliteConnection writer in new[] { first, second, third })
            {
                int before = writer.ExecuteScalar<int>("SELECT count(*) FROM t");
                writer.Execute("BEGIN; INSERT INTO t VALUES (1, randomblob(2500)); UPDATE t SET a = a + 1");
                Assert.All(new[] { first, second, third }.Where(one => one != writer),
                    one => Assert.Equal(before, one.ExecuteScalar<int>("SELECT count(*) FROM t")));
                writer.Execute(i % 4 == 0 ? "ROLLBACK" : "COMMIT");
            }

            Assert.Equal("ok", second.ExecuteScalar<string>("PRAGMA integrity_check"));
        }

        Assert.Equal(45, first.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Null(vfs.Registration.LastError);
    }

    [Fact]
    public void Changes_of_the_journal_mode_lose_nothing()
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using (SqliteConnection connection = Open(vfs))
        {
            connection.Execute("CREATE TABLE t (a INTEGER, b BLOB)");
            string[] modes = ["wal", "memory", "delete", "wal", "off", "persist", "memory", "truncate", "memory"];
            foreach (string mode in modes)
            {
                Assert.Equal(mode, connection.ExecuteScalar<string>($"PRAGMA journal_mode={mode}"));
                connection.Execute("BEGIN; INSERT INTO t VALUES (1, randomblob(5000)); COMMIT; VACUUM");
            }

            Assert.Equal(modes.Length, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
        }

        Assert.Null(vfs.Registration.LastError);
        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    /// <summary>SQLite's backup writes pages of another size, cuts off and synchronises on its own.</summary>
    [Theory]
    [InlineData(512)]
    [InlineData(16384)]
    public void A_backup_into_a_database_without_a_journal_is_whole(int pageBytes)
    {
        using var vfs = new TestVfs(options => options with { AtomicCommits = true });
        using (SqliteConnection source = vfs.OpenPlain("source.db"))
        using (SqliteConnection target = Open(vfs))
        {
            source.Execute($"PRAGMA page_size={pageBytes}; CREATE TABLE t (a INTEGER, b BLOB)");
            source.Execute(Rows(100));
            target.Execute("CREATE TABLE old (b BLOB); INSERT INTO old VALUES (randomblob(600000))");
            source.BackupDatabase(target);
            Assert.Equal(100, target.ExecuteScalar<int>("SELECT count(*) FROM t"));
        }

        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
        Assert.Equal(100, plain.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    private static SqliteConnection Open(TestVfs vfs, string pragmas = "")
    {
        SqliteConnection connection = vfs.Open();
        connection.Execute($"{pragmas}; PRAGMA journal_mode=MEMORY; PRAGMA cache_size=10");
        return connection;
    }

    private static string Rows(int count) =>
        $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
        + "INSERT INTO t SELECT i, randomblob(1500) FROM n";
}
