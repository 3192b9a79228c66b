using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>A broken database must not harm others.</summary>
public sealed class AttachedHostileTests
{
    [Fact]
    public void Wal_recovery_while_the_last_connection_closes_loses_nothing()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        using (SqliteConnection c = vfs.Open())
        {
            c.Execute("PRAGMA journal_mode=WAL; CREATE TABLE t (a INTEGER)");
        }

        int sum = 0;
        Parallel.For(0, 3, thread =>
        {
            for (int i = 0; i < 60; i++)
            {
                using SqliteConnection c = vfs.Open(more: "Default Timeout=60;");
                c.Execute("PRAGMA synchronous=NORMAL; INSERT INTO t VALUES (1)");
                Interlocked.Increment(ref sum);
                Assert.True(c.ExecuteScalar<int>("SELECT count(*) FROM t") >= i + 1);
            }
        });
        using SqliteConnection check = vfs.Open();
        Assert.Equal(sum, check.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal("ok", check.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void Many_databases_at_once_with_transactions_over_two_of_them()
    {
        using var vfs = new TestVfs(options => options with { CacheLengthBytes = 2 << 20 });
        Parallel.For(0, 3, new ParallelOptions { MaxDegreeOfParallelism = 3 }, thread =>
        {
            using SqliteConnection c = vfs.Open($"m{thread}.db", "Default Timeout=60;");
            c.Execute(
                $"ATTACH '{vfs.PathOf($"x{thread}.db")}' AS x; CREATE TABLE main.t (a INTEGER); CREATE TABLE x.t (a "
                + "INTEGER)");
            for (int i = 0; i < 8; i++)
            {
                c.Execute($"BEGIN; INSERT INTO main.t VALUES ({i}); INSERT INTO x.t VALUES ({i}); COMMIT");
                using SqliteConnection other = vfs.Open($"o{thread}-{i % 2}.db", "Default Timeout=60;");
                other.Execute("CREATE TABLE IF NOT EXISTS o (a); INSERT INTO o VALUES (1)");
            }

            Assert.Equal(28, c.ExecuteScalar<int>("SELECT sum(a) FROM x.t"));
        });
        Assert.Empty(vfs.Registration.OpenDatabases);
        Assert.All(Directory.GetFiles(vfs.Folder.Path), file => Assert.EndsWith(".db", file, StringComparison.Ordinal));
    }

    [Fact]
    public void Memory_and_temporary_databases_go_past_the_cache()
    {
        using var vfs = new TestVfs();
        using var memory = new SqliteConnection(
            $"Data Source=shared;Mode=Memory;Cache=Shared;Vfs={vfs.Registration.Name};Pooling=False");
        memory.Open();
        memory.Execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
        using var temporary = new SqliteConnection($"Data Source=;Vfs={vfs.Registration.Name};Pooling=False");
        temporary.Open();
        temporary.Execute(
            "PRAGMA cache_size=2; CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(900000)); CREATE TEMP TABLE "
            + "u AS SELECT * FROM t");
        Assert.Equal(900000, temporary.ExecuteScalar<int>("SELECT length(a) FROM u"));
        Assert.Empty(vfs.Registration.OpenDatabases);
    }
}
