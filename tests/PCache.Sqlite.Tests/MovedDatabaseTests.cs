using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// A database whose file is deleted, renamed or replaced while connections have it open: its name is another database
/// then, and nothing that was acknowledged is lost unsaid.
/// </summary>
public sealed class MovedDatabaseTests
{
    private const int ReadOnlyMoved = 1032;
    private const int CannotOpen = 14;

    public static TheoryData<string, bool, string> Ways()
    {
        var data = new TheoryData<string, bool, string>();
        foreach (string mode in new[] { "DELETE", "WAL", "PERSIST" })
        {
            foreach (bool drain in new[] { true, false })
            {
                data.Add(mode, drain, "delete");
                data.Add(mode, drain, "delete and copy");
                data.Add(mode, drain, "rename over");
                data.Add(mode, drain, "rename away");
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void The_next_open_sees_the_new_file_and_old_connections_are_told(string mode, bool drain, string how)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // elsewhere an open file can't be deleted, or isn't known again
        }

        using var vfs = new TestVfs(options => options with { DrainOnClose = drain });
        using (SqliteConnection backup = vfs.OpenPlain("backup.db"))
        {
            backup.Execute("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('backup')");
        }

        using SqliteConnection old = vfs.Open();
        old.Execute($"PRAGMA journal_mode={mode}; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('old')");
        Replace(vfs, how);
        Assert.Equal(ReadOnlyMoved, Assert.Throws<SqliteException>(() =>
            old.Execute("INSERT INTO t VALUES ('lost')")).SqliteExtendedErrorCode);
        Assert.Equal("moved", vfs.Registration.LastError?.Operation);
        Assert.Equal("old", old.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));

        using (SqliteConnection fresh = vfs.OpenPatiently())
        {
            fresh.Execute("CREATE TABLE IF NOT EXISTS t (a TEXT); INSERT INTO t VALUES ('new')");
            Assert.Equal(HasBackup(how) ? "backup,new"
                : "new", fresh.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
            Assert.Equal("old", old.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
            Assert.Equal([vfs.PathOf()], vfs.Registration.OpenDatabases);
        }

        old.Dispose();
        Assert.Empty(vfs.Registration.OpenDatabases);
        using (SqliteConnection again = vfs.Open())
        {
            Assert.Equal(HasBackup(how) ? "backup,new"
                : "new", again.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
            vfs.Registration.Drain(vfs.PathOf());
        }

        using (SqliteConnection again = vfs.OpenPlain())
        {
            Assert.Equal("ok", again.ExecuteScalar<string>("PRAGMA integrity_check"));
            Assert.Equal(HasBackup(how) ? "backup,new"
                : "new", again.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
        }

        if (how == "rename away" && mode != "WAL")
        {
            // in WAL mode its last transactions are in the WAL, which has the other name
            using SqliteConnection away = vfs.OpenPlain("away.db");
            Assert.Equal("old", away.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
        }
    }

    [Theory]
    [InlineData("DELETE")]
    [InlineData("WAL")]
    public void Deleting_and_making_a_database_with_a_second_pool_open_works_as_often_as_one_likes(string mode)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs();
        string first = $"Data Source={vfs.PathOf()};Vfs={vfs.Registration.Name}";
        string second = first + ";Default Timeout=20";
        using var keptOpen = new SqliteConnection(second);
        for (int round = 1; round <= 4; round++)
        {
            // What a mapper does that deletes a database and makes it anew: it clears its own pool, and deletes the one
            // file.
            using (var connection = new SqliteConnection(first))
            {
                SqliteConnection.ClearPool(connection);
            }

            File.Delete(vfs.PathOf());
            Use(first, $"PRAGMA journal_mode={mode}; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES ({round})");
            using (var other = new SqliteConnection(second))
            {
                other.Open();
                int code = round == 1 ? 0 : ExtendedCode(() => other.Execute("INSERT INTO t VALUES (0)"));
                Assert.Equal(round == 1 ? 0 : ReadOnlyMoved, code); // the pooled one has the database that was deleted
                if (code != 0)
                {
                    SqliteConnection.ClearPool(other);
                }
            }

            Use(second, $"INSERT INTO t VALUES ({10 * round})");
            using var check = new SqliteConnection(first);
            check.Open();
            Assert.Equal(11 * round, check.ExecuteScalar<int>("SELECT sum(a) FROM t"));
        }

        SqliteConnection.ClearAllPools();
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            Assert.Equal(44, plain.ExecuteScalar<int>("SELECT sum(a) FROM t"));
        }

        Assert.DoesNotContain(Directory.GetFiles(vfs.Folder.Path), file =>
            file.Contains(".pcache", StringComparison.Ordinal));
    }

    [Fact]
    public void A_deleted_database_is_not_opened_again_without_being_made()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs();
        var errors = new List<string>();
        vfs.Registration.ErrorOccurred += (_, error) => errors.Add(error.Operation);
        SqliteConnection old = vfs.Open();
        old.Execute("CREATE TABLE t (a TEXT)");
        File.Delete(vfs.PathOf());
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() =>
            vfs.Open(more: "Mode=ReadWrite;")).SqliteErrorCode);
        old.Dispose();
        Assert.Equal(["moved"], errors); // an open that makes none only asks whether there is one
        Assert.Empty(Directory.GetFiles(vfs.Folder.Path));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_committed_before_a_rename_is_in_the_renamed_file_though_no_other_is_opened(bool drain)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs(options => options with { DrainOnClose = drain });
        using (SqliteConnection old = vfs.Open())
        {
            old.Execute("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('old')");
            File.Move(vfs.PathOf(), vfs.PathOf("away.db"));
        }

        using (SqliteConnection plain = vfs.OpenPlain("away.db"))
        {
            Assert.Equal("old", plain.ExecuteScalar<string>("SELECT a FROM t"));
        }

        Assert.Equal([vfs.PathOf("away.db")], Directory.GetFiles(vfs.Folder.Path));
    }

    [Fact]
    public void A_database_that_is_overwritten_in_place_while_open_is_never_mixed()
    {
        using var vfs = new TestVfs(options =>
            options with { ConfigureCache = (_, o) => o with { WritebackDelay = TimeSpan.FromDays(1) } });
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('first')");
        }

        byte[] backup = File.ReadAllBytes(vfs.PathOf());
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("INSERT INTO t VALUES ('second')");
        }

        SqliteConnection connection = vfs.Open();
        connection.Execute("INSERT INTO t VALUES ('third')");
        // as programs do that ask for no lock
        using (SafeFileHandle file = PrivateFile.Open(vfs.PathOf(), FileAccess.ReadWrite, followLinks: false))
        {
            RandomAccess.Write(file, backup, 0);
        }

        connection.Dispose(); // drains, or would
        Assert.Contains("changed by another program", Describe(vfs.Registration.LastError?.Exception),
            StringComparison.Ordinal);
        Assert.Equal(backup, File.ReadAllBytes(vfs.PathOf()));
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
    }

    private static string Describe(Exception? error) =>
        error is null ? "" : error.Message + " " + Describe(error.InnerException);

    private static bool HasBackup(string how) => how is "delete and copy" or "rename over";

    private static void Replace(TestVfs vfs, string how)
    {
        switch (how)
        {
            case "delete":
                File.Delete(vfs.PathOf());
                break;
            case "delete and copy":
                File.Delete(vfs.PathOf());
                File.Copy(vfs.PathOf("backup.db"), vfs.PathOf());
                break;
            case "rename over":
                File.Move(vfs.PathOf("backup.db"), vfs.PathOf(), overwrite: true);
                break;
            default:
                File.Move(vfs.PathOf(), vfs.PathOf("away.db"));
                break;
        }
    }

    private static void Use(string connectionString, string sql)
    {
        using var connection = new SqliteConnection(connectionString);
        connection.Open();
        connection.Execute(sql);
    }

    private static int ExtendedCode(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (SqliteException e)
        {
            return e.SqliteExtendedErrorCode;
        }
    }
}
