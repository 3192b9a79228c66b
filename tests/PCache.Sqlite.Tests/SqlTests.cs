using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>What programs do with databases: growing, shrinking, several connections, several databases.</summary>
public sealed partial class SqlTests
{
    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void A_database_that_grew_and_was_vacuumed_has_its_exact_length_on_the_storage(string mode)
    {
        using var vfs = new TestVfs();
        long pages;
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute($"PRAGMA journal_mode={mode}; CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)");
            for (int round = 0; round < 3; round++)
            {
                connection.Execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300) INSERT INTO t (body) "
                    + "SELECT randomblob(3000) FROM n");
                connection.Execute("DELETE FROM t WHERE id % 3 <> 0");
                connection.Execute("VACUUM");
                Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
            }

            pages = connection.ExecuteScalar<long>("PRAGMA page_count")
                * connection.ExecuteScalar<long>("PRAGMA page_size");
        }

        Assert.Equal(pages, new FileInfo(vfs.PathOf()).Length);
        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Threads_with_connections_of_their_own_share_a_database(string mode)
    {
        const int Threads = 4;
        const int Rounds = 15;
        using var vfs = new TestVfs();
        using SqliteConnection first = vfs.Open();
        first.Execute($"PRAGMA journal_mode={mode}; CREATE TABLE t (thread INTEGER, round INTEGER)");
        var failures = new ConcurrentQueue<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
        {
            try
            {
                using SqliteConnection connection = vfs.Open(more: "Default Timeout=60;");
                for (int round = 0; round < Rounds; round++)
                {
                    using SqliteTransaction transaction = connection.BeginTransaction();
                    connection.Execute("INSERT INTO t VALUES (@thread, @round)", new { thread, round }, transaction);
                    int mine = connection.ExecuteScalar<int>("SELECT count(*) FROM t WHERE thread=@thread",
                        new { thread }, transaction);
                    transaction.Commit();
                    Assert.Equal(round + 1, mine);
                }
            }
            catch (Exception e)
            {
                failures.Enqueue(e);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Empty(failures);
        Assert.Equal(Threads * Rounds, first.ExecuteScalar<int>("SELECT count(DISTINCT thread * 1000 + round) FROM t"));
        Assert.Equal("ok", first.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void A_reader_keeps_a_writer_from_committing_only_with_a_rollback_journal()
    {
        using var vfs = new TestVfs();
        using SqliteConnection reader = vfs.Open(more: "Default Timeout=1;");
        using SqliteConnection writer = vfs.Open(more: "Default Timeout=1;");
        reader.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        foreach (string mode in new[] { "delete", "wal" })
        {
            Assert.Equal(mode, reader.ExecuteScalar<string>($"PRAGMA journal_mode={mode}"));
            reader.Execute("BEGIN;");
            int before = reader.ExecuteScalar<int>("SELECT count(*) FROM t");
            var write = Record.Exception(() => writer.Execute("INSERT INTO t VALUES (2)"));
            Assert.Equal(mode == "delete" ? 5 : 0, (write as SqliteException)?.SqliteErrorCode ?? 0);
            Assert.Equal(before, reader.ExecuteScalar<int>("SELECT count(*) FROM t"));
            reader.Execute("COMMIT;");
        }

        Assert.Equal(2, reader.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    [Fact]
    public void Two_attached_databases_commit_together_each_with_its_own_cache()
    {
        using var vfs = new TestVfs();
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("ATTACH @path AS other", new { path = vfs.PathOf("b.db") });
            connection.Execute("CREATE TABLE main.t (a INTEGER); CREATE TABLE other.u (a INTEGER)");
            for (int i = 0; i < 5; i++)
            {
                connection.Execute("BEGIN; INSERT INTO t VALUES (1); INSERT INTO u VALUES (1); COMMIT");
            }

            connection.Execute("BEGIN; INSERT INTO t VALUES (1); INSERT INTO u VALUES (1); ROLLBACK");
            Assert.Equal(2, vfs.Registration.OpenDatabases.Count);
            Assert.True(vfs.Registration.TryGetDevice(vfs.PathOf("b.db"), out _));
            Assert.DoesNotContain(Directory.GetFiles(vfs.Folder.Path), file =>
                file.Contains("-mj", StringComparison.Ordinal));
        }

        using SqliteConnection plain = vfs.OpenPlain("b.db");
        Assert.Equal(5, plain.ExecuteScalar<int>("SELECT count(*) FROM u"));
    }

    [Fact]
    public void Temporary_tables_and_big_sorts_go_past_the_cache()
    {
        using var vfs = new TestVfs();
        using SqliteConnection connection = vfs.Open();
        connection.Execute("PRAGMA temp_store=FILE; PRAGMA cache_size=10; CREATE TEMP TABLE t (a BLOB)");
        connection.Execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) INSERT INTO t SELECT "
            + "randomblob(500) FROM n");
        Assert.Equal(3000, connection.Query<byte[]>("SELECT a FROM t ORDER BY a").Count());
        Assert.True(vfs.Registration.TryGetDevice(vfs.PathOf(), out PCacheDevice? device));
        Assert.InRange(device.GetStatus().WrittenBytes, 0, 100_000);
        Assert.Null(vfs.Registration.LastError);
    }

    [Fact]
    public void A_transaction_larger_than_the_cache_goes_through()
    {
        using var vfs = new TestVfs(options => options with { CacheLengthBytes = 1 << 20 });
        using SqliteConnection connection = vfs.Open();
        connection.Execute("PRAGMA cache_size=20; CREATE TABLE t (a BLOB)");
        connection.Execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500) INSERT INTO t SELECT "
            + "randomblob(3000) FROM n");
        connection.Execute("BEGIN; UPDATE t SET a = randomblob(3000); ROLLBACK");
        Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void Pooled_connections_keep_the_database_open_until_the_pool_is_cleared()
    {
        using var vfs = new TestVfs();
        string text = $"Data Source={vfs.PathOf()};Vfs={vfs.Registration.Name}";
        using (var connection = new SqliteConnection(text))
        {
            connection.Open();
            connection.Execute("CREATE TABLE t (a INTEGER)");
        }

        Assert.Equal([vfs.PathOf()], vfs.Registration.OpenDatabases);
        using (var connection = new SqliteConnection(text))
        {
            SqliteConnection.ClearPool(connection);
        }

        Assert.Empty(vfs.Registration.OpenDatabases);
    }

    [Fact]
    public void A_wal_is_kept_where_the_connection_wants_it()
    {
        using var vfs = new TestVfs();
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("PRAGMA journal_mode=wal; CREATE TABLE t (a INTEGER)");
            int keep = 1;
            Assert.Equal(0, FileControl(connection, 10, ref keep));
            Assert.Equal(1, keep);
            int moved = 7;
            Assert.Equal(0, FileControl(connection, 20, ref moved));
            Assert.Equal(0, moved);
            Assert.Equal(12, FileControl(connection, 9999, ref moved));
        }

        Assert.True(File.Exists(vfs.PathOf() + "-wal"));
    }

    private static unsafe int FileControl(SqliteConnection connection, int operation, ref int value)
    {
        fixed (int* argument = &value)
        {
            return FileControl(connection.Handle!.DangerousGetHandle(), "main", operation, argument);
        }
    }

    [LibraryImport("e_sqlite3", EntryPoint = "sqlite3_file_control", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int FileControl(nint database, string name, int operation, int* argument);
}
