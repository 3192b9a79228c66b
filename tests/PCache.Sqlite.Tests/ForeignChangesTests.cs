using System.Diagnostics;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// Plain files that a user changed, restored or replaced while a cache with something in it lay about, be it after a
/// crash: never overwritten in silence. A crash is a copy of everything, to the last time stamp, while it is in use:
/// what the death of the process leaves.
/// </summary>
public sealed class ForeignChangesTests
{
    private const int CannotOpen = 14;

    public static TheoryData<string, string> Changes()
    {
        var data = new TheoryData<string, string>();
        foreach (string mode in new[] { "DELETE", "WAL", "PERSIST" })
        {
            data.Add(mode, "commit of plain SQLite");
            data.Add(mode, "commit that changes no counter");
            data.Add(mode, "backup copied over");
            data.Add(mode, "backup renamed over");
            data.Add(mode, "backup copied over with its times");
            data.Add(mode, "backup of the same header");
            data.Add(mode, "cut");
            data.Add(mode, "journal planted");
        }

        data.Add("WAL", "WAL deleted");
        data.Add("WAL", "WAL of an earlier moment");
        data.Add("PERSIST", "journal deleted");
        return data;
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void What_was_changed_after_a_crash_is_refused_with_the_ways_out(string mode, string change)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // files aren't known again elsewhere
        }

        using var vfs = new TestVfs();
        MakeCrash(vfs, mode);
        string database = vfs.PathOf("after/a.db");
        Change(vfs, database, change);
        Dictionary<string, byte[]> before = Contents(vfs.PathOf("after"));

        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("after/a.db")).SqliteErrorCode);
        var error = Assert.IsType<PCacheBackingMismatchException>(vfs.Registration.LastError?.Exception);
        Assert.Contains("--any-backing", error.Message, StringComparison.Ordinal);
        Assert.Contains("move the cache file away", error.Message, StringComparison.Ordinal);
        Assert.NotNull(PCacheDatabase.GetStatus(database).Mismatch);
        Assert.Throws<PCacheBackingMismatchException>(() => PCacheDatabase.Drain(database));
        Assert.Equal(before.Where(file => !file.Key.Contains(".pcache", StringComparison.Ordinal)),
            Contents(vfs.PathOf("after")).Where(file => !file.Key.Contains(".pcache", StringComparison.Ordinal)));

        if (change == "cut")
        {
            return; // no database any more
        }

        // First way out: without the cache.
        File.Move(database + ".pcache", database + ".pcache-away");
        using (SqliteConnection without = vfs.Open("after/a.db", "Mode=ReadOnly;"))
        {
            _ = without.ExecuteScalar<int>("SELECT count(*) FROM sqlite_master");
        }

        Assert.False(File.Exists(database + ".pcache"));
    }

    [Theory]
    [InlineData("DELETE")]
    [InlineData("WAL")]
    [InlineData("PERSIST")]
    public void What_was_left_alone_after_a_crash_goes_on(string mode)
    {
        using var vfs = new TestVfs();
        MakeCrash(vfs, mode);
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        Assert.Null(PCacheDatabase.GetStatus(vfs.PathOf("after/a.db")).Mismatch);
        using (SqliteConnection again = vfs.Open("after/a.db"))
        {
            Assert.Equal("one,two,three", again.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
            again.Execute("INSERT INTO t VALUES ('four')");
        }

        using SqliteConnection plain = vfs.OpenPlain("after/a.db");
        Assert.Equal("one,two,three,four", plain.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void With_consent_what_the_cache_has_is_written_over_whatever_is_there()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs(options =>
            options with { ConfigureCache = (_, o) => Slow(o) with { RebindBacking = true } });
        MakeCrash(vfs, "DELETE");
        string database = vfs.PathOf("after/a.db");
        File.SetLastWriteTimeUtc(database, DateTime.UtcNow.AddHours(-1)); // touched only
        Assert.NotNull(PCacheDatabase.GetStatus(database).Mismatch);
        using (SqliteConnection again = vfs.Open("after/a.db"))
        {
            Assert.Equal("one,two,three", again.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
        }

        MakeCrash(vfs, "DELETE", "second");
        database = vfs.PathOf("second/a.db");
        File.SetLastWriteTimeUtc(database, DateTime.UtcNow.AddHours(-1));
        PCacheDatabaseStatus drained = PCacheDatabase.Drain(database, acceptChangedFiles: true);
        Assert.Equal(database + ".pcache", drained.CachePath);
        Assert.Equal([database], Directory.GetFiles(vfs.PathOf("second")));
        using SqliteConnection plain = vfs.OpenPlain("second/a.db");
        Assert.Equal("one,two,three", plain.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
    }

    [Fact]
    public void A_cache_that_knows_nothing_of_its_files_is_used_only_after_an_orderly_close()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs();
        MakeCrash(vfs, "DELETE");
        string cache = vfs.PathOf("after/a.db.pcache");
        using (var file = new FileStream(cache, FileMode.Open, FileAccess.Write))
        {
            file.Position = file.Length - 8192; // as an older version made it
            file.Write(new byte[8192]);
        }

        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("after/a.db")).SqliteErrorCode);
        Assert.Contains("doesn't know which plain files", vfs.Registration.LastError!.Exception.Message,
            StringComparison.Ordinal);
        _ = PCacheDatabase.Drain(vfs.PathOf("after/a.db"), acceptChangedFiles: true);
        using SqliteConnection plain = vfs.OpenPlain("after/a.db");
        Assert.Equal("one,two,three", plain.ExecuteScalar<string>("SELECT group_concat(a) FROM t"));
    }

    private static PCacheOptions Slow(PCacheOptions options) => options with { WritebackDelay = TimeSpan.FromDays(1) };

    /// <summary>
    /// A database with "one" and "two" on the plain files, and "three" in the cache only, as a killed process leaves
    /// it, in a folder of its own.
    /// </summary>
    private static void MakeCrash(TestVfs vfs, string mode, string folder = "after")
    {
        Directory.CreateDirectory(vfs.PathOf(folder + "-live"));
        using var slow = new TestVfs(options => options with { ConfigureCache = (_, o) => Slow(o) });
        using SqliteConnection connection =
            new($"Data Source={vfs.PathOf(folder + "-live/a.db")};Vfs={slow.Registration.Name};Pooling=False");
        connection.Open();
        connection.Execute(
            $"PRAGMA journal_mode={mode}; PRAGMA page_size=4096; CREATE TABLE t (a TEXT); CREATE TABLE wide (b "
            + "BLOB); INSERT INTO wide VALUES (zeroblob(30000))");
        connection.Execute("INSERT INTO t VALUES ('one')");
        slow.Registration.Drain(vfs.PathOf(folder + "-live/a.db"));
        Run("cp", "-a", vfs.PathOf(folder + "-live"), vfs.PathOf(folder + "-backup"));
        connection.Execute("INSERT INTO t VALUES ('two'); PRAGMA wal_checkpoint(PASSIVE)");
        slow.Registration.Drain(vfs.PathOf(folder + "-live/a.db"));
        connection.Execute("INSERT INTO t VALUES ('three')");
        Run("cp", "-a", vfs.PathOf(folder + "-live"), vfs.PathOf(folder));
    }

    private static void Change(TestVfs vfs, string database, string change)
    {
        string backup = vfs.PathOf("after-backup/a.db");
        switch (change)
        {
            case "commit of plain SQLite":
                Commit(vfs, "INSERT INTO t VALUES ('plain')");
                break;

            case "commit that changes no counter":
                byte[] head = File.ReadAllBytes(database)[..100];
                Commit(vfs, "PRAGMA journal_mode=OFF; UPDATE wide SET b = randomblob(30000)");
                Poke(database, 0, head);
                break;

            case "backup copied over":
                Run("cp", backup, database);
                break;
            case "backup renamed over":
                File.Move(backup, database, overwrite: true);
                break;
            case "backup copied over with its times":
                Run("cp", "-p", backup, database);
                break;
            case "backup of the same header":
                Run("cp", database, backup);
                Poke(backup, 8192, new byte[100]);
                File.Move(backup, database, overwrite: true);
                break;
            case "cut":
                using (var file = new FileStream(database, FileMode.Open))
                {
                    file.SetLength(file.Length - 4096);
                }

                break;

            case "journal planted":
                File.WriteAllBytes(database + (File.Exists(database + "-journal") ? "-wal" : "-journal"),
                    new byte[512]);
                break;
            case "WAL deleted":
                File.Delete(database + "-wal");
                break;
            case "WAL of an earlier moment":
                Run("cp", backup + "-wal", database + "-wal");
                break;
            default:
                File.Delete(database + "-journal");
                break;
        }
    }

    private static void Commit(TestVfs vfs, string sql)
    {
        using SqliteConnection plain = vfs.OpenPlain("after/a.db");
        plain.Execute(sql);
    }

    private static void Poke(string path, long offset, byte[] bytes)
    {
        using var file = new FileStream(path, FileMode.Open);
        file.Position = offset;
        file.Write(bytes);
    }

    private static Dictionary<string, byte[]> Contents(string folder) =>
        Directory.GetFiles(folder).Order().ToDictionary(file => file, File.ReadAllBytes);

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
