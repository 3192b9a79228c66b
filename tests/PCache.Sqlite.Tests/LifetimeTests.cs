using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>Cache files, registrations, other users of a database, errors.</summary>
public sealed class LifetimeTests
{
    private const int CannotOpen = 14;
    private const int Busy = 5;

    [Fact]
    public void Without_draining_the_data_stays_in_the_cache_and_is_there_at_the_next_open()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs);
        Assert.True(File.Exists(vfs.PathOf() + ".pcache"));
        Assert.Equal(0, new FileInfo(vfs.PathOf()).Length);
        using SqliteConnection connection = vfs.Open();
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.True(vfs.Registration.Drain(vfs.PathOf()));
        Assert.NotEqual(0, new FileInfo(vfs.PathOf()).Length);
        Assert.False(vfs.Registration.Drain(vfs.PathOf("other.db")));
    }

    [Fact]
    public void What_a_close_has_no_time_for_stays_in_the_cache_and_is_told()
    {
        using var vfs = new TestVfs(options => options with { DrainOnCloseTimeout = TimeSpan.Zero });
        Fill(vfs);
        Assert.True(File.Exists(vfs.PathOf() + ".pcache"));
        Assert.Contains("DrainOnCloseTimeout", vfs.Registration.LastError?.Exception.Message, StringComparison.Ordinal);
        using SqliteConnection connection = vfs.Open();
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.True(vfs.Registration.Drain(vfs.PathOf()));
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(31 * 24 * 3600)]
    public void A_time_for_the_close_has_its_range(int seconds) => Assert.Throws<ArgumentOutOfRangeException>(() =>
    {
        using var vfs = new TestVfs(options => options with { DrainOnCloseTimeout = TimeSpan.FromSeconds(seconds) });
    });

    [Fact]
    public void A_clean_cache_is_forgotten_since_plain_sqlite_may_have_changed_the_database()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs);
        using (SqliteConnection connection = vfs.Open())
        {
            Assert.True(vfs.Registration.Drain(vfs.PathOf()));
        }

        Assert.True(File.Exists(vfs.PathOf() + ".pcache"));
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)");
        }

        using SqliteConnection again = vfs.Open();
        Assert.Equal(3, again.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal("ok", again.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void Plain_sqlite_that_wrote_beside_a_dirty_cache_is_noticed()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs);
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE other (a)");
        }

        SqliteException error = Assert.Throws<SqliteException>(() => vfs.Open());
        Assert.Equal(CannotOpen, error.SqliteErrorCode);
        Assert.Equal(BackingMismatchReason.Content,
            Assert.IsType<PCacheBackingMismatchException>(vfs.Registration.LastError?.Exception).Reason);
    }

    [Fact]
    public void A_folder_that_takes_no_cache_file_is_an_error_not_a_database_without_a_cache()
    {
        const string Unwritable = "/sys"; // not even root can make files there
        if (!OperatingSystem.IsLinux())
        {
            return; // there is no such folder elsewhere
        }

        using var vfs = new TestVfs(options => options with { CacheDirectory = Unwritable });
        SqliteException error = Assert.Throws<SqliteException>(() => vfs.Open());
        Assert.Equal(CannotOpen, error.SqliteErrorCode);
        Assert.Contains("CacheDirectory", Assert.IsType<IOException>(vfs.Registration.LastError?.Exception).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Cache_files_of_one_folder_differ_by_the_whole_path_of_their_databases()
    {
        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with { CacheDirectory = caches.Path, DrainOnClose = false });
        Directory.CreateDirectory(vfs.Folder.File("sub"));
        using SqliteConnection first = vfs.Open("a.db");
        using SqliteConnection second = vfs.Open("sub/a.db");
        Assert.Equal(2, Directory.GetFiles(caches.Path).Length);
        Assert.Empty(Directory.GetFiles(vfs.Folder.Path, "*.pcache"));
    }

    [Fact]
    public void Plain_sqlite_and_other_registrations_are_kept_out_while_a_database_is_open()
    {
        using var vfs = new TestVfs();
        using SqliteConnection connection = vfs.Open();
        connection.Execute("CREATE TABLE t (a INTEGER)");
        using (SqliteConnection plain = vfs.OpenPlain(more: "Default Timeout=1;"))
        {
            Assert.Equal(Busy, Assert.Throws<SqliteException>(() =>
                plain.ExecuteScalar<int>("SELECT count(*) FROM t")).SqliteErrorCode);
        }

        using var other = new TestVfs();
        using var second = new SqliteConnection(
            $"Data Source={vfs.PathOf()};Vfs={other.Registration.Name};Pooling=False");
        Assert.Equal(Busy, Assert.Throws<SqliteException>(second.Open).SqliteErrorCode);
        Assert.IsType<PCacheInUseException>(other.Registration.LastError!.Exception);
        Assert.Equal(0, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    [Fact]
    public void A_database_in_use_by_plain_sqlite_cannot_be_opened_until_that_has_ended()
    {
        using var vfs = new TestVfs();
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE t (a INTEGER); BEGIN; SELECT * FROM t");
            plain.Execute("INSERT INTO t VALUES (1)");
            Assert.Equal(Busy, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
            plain.Execute("COMMIT;");
        }

        using SqliteConnection connection = vfs.Open();
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    [Fact]
    public void A_hot_journal_of_plain_sqlite_is_rolled_back_through_the_cache()
    {
        using var vfs = new TestVfs();
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute(
                "PRAGMA cache_size=2; CREATE TABLE t (a BLOB); INSERT INTO t VALUES (zeroblob(50000)); BEGIN; "
                + "UPDATE t SET a = randomblob(50000); INSERT INTO t VALUES (zeroblob(90000))");
            foreach (string suffix in new[] { "", "-journal" })
            {
                File.Copy(vfs.PathOf() + suffix, vfs.PathOf("b.db") + suffix);
            }
        }

        using SqliteConnection connection = vfs.Open("b.db");
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t WHERE a = zeroblob(50000)"));
        Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void Read_only_connections_see_what_is_cached_and_cannot_write()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() =>
            vfs.Open(more: "Mode=ReadOnly;")).SqliteErrorCode);
        Assert.Empty(Directory.GetFiles(vfs.Folder.Path));
        Fill(vfs);
        using SqliteConnection reader = vfs.Open(more: "Mode=ReadOnly;");
        Assert.Equal(1, reader.ExecuteScalar<int>("SELECT count(*) FROM t"));
        using SqliteConnection writer = vfs.Open();
        writer.Execute("INSERT INTO t VALUES (2)");
        Assert.Equal(2, reader.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal(8, Assert.Throws<SqliteException>(() =>
            reader.Execute("INSERT INTO t VALUES (3)")).SqliteErrorCode);
    }

    [Fact]
    public void Where_nothing_may_be_written_cache_and_files_are_read_and_left_alone()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs);
        byte[] before = File.ReadAllBytes(vfs.PathOf() + ".pcache");
        var source = new Databases.FileDatabaseSource(new PCacheVfsOptions { Region = new PmemFileOptions() }, null!);
        Databases.Database database = source.Open(vfs.PathOf(), Databases.DatabaseMode.ReadOnly);
        Assert.True(database.IsReadOnly);
        var head = new byte[16];
        Assert.Equal(16, database.Files.Read(Sqlite.Files.FileSlot.Main, 0, head));
        Assert.Equal("SQLite format 3\0"u8.ToArray(), head);
        database.Close();
        Assert.Equal(before, File.ReadAllBytes(vfs.PathOf() + ".pcache"));
        Assert.Equal(0, new FileInfo(vfs.PathOf()).Length);
    }

    [Fact]
    public void A_cache_whose_database_is_gone_is_not_used_for_another_one()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs);
        File.Delete(vfs.PathOf());
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
        Assert.Contains("cache of a database that is gone", vfs.Registration.LastError!.Exception.Message,
            StringComparison.Ordinal);
        File.Delete(vfs.PathOf() + ".pcache");
        using SqliteConnection connection = vfs.Open();
        Assert.Equal(0, connection.ExecuteScalar<int>("SELECT count(*) FROM sqlite_master"));
    }

    [Fact]
    public void Settings_of_the_cache_are_asked_for_and_kept()
    {
        string? asked = null;
        using var vfs = new TestVfs(options => options with
        {
            Region = new PmemFileOptions { PowerSafe = true },
            ConfigureCache = (path, settings) =>
            {
                asked = path;
                return settings with { PayloadCrc = true, Label = "mine" };
            },
        });
        using SqliteConnection connection = vfs.Open();
        connection.Execute("CREATE TABLE t (a INTEGER)");
        Assert.Equal(vfs.PathOf(), asked);
        Assert.True(vfs.Registration.TryGetDevice(vfs.PathOf(), out PCacheDevice? device));
        PCacheStatus status = device.GetStatus();
        Assert.True(status.PayloadCrc && status.IsPowerSafe);
        Assert.Equal("mine", status.Label);
    }

    [Fact]
    public void An_unregistered_vfs_serves_its_connections_to_their_end()
    {
        using var vfs = new TestVfs();
        using SqliteConnection connection = vfs.Open();
        vfs.Registration.Dispose();
        vfs.Registration.Dispose();
        connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        Assert.Throws<SqliteException>(() => vfs.Open());
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    [Fact]
    public void Wrong_settings_are_refused()
    {
        using var vfs = new TestVfs();
        Assert.Throws<InvalidOperationException>(() =>
            PCacheVfs.Register(new PCacheVfsOptions { Name = vfs.Registration.Name }));
        Assert.Throws<ArgumentException>(() => PCacheVfs.Register(new PCacheVfsOptions { Name = "" }));
        Assert.Throws<ArgumentException>(() => PCacheVfs.Register(new PCacheVfsOptions { Name = "größe" }));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            PCacheVfs.Register(new PCacheVfsOptions { CacheLengthBytes = 4096 }));
        Assert.Throws<DirectoryNotFoundException>(() =>
            PCacheVfs.Register(new PCacheVfsOptions { CacheDirectory = vfs.Folder.File("missing") }));
        Assert.Throws<ArgumentException>(() =>
            PCacheVfs.Register(new PCacheVfsOptions { Region = new PmemFileOptions { ReadOnly = true } }));
        Assert.Throws<DllNotFoundException>(() =>
            PCacheVfs.Register(new PCacheVfsOptions { NativeLibrary = "no_such_sqlite" }));
    }

    [Fact]
    public void A_creation_of_a_cache_that_was_killed_is_begun_anew()
    {
        using var vfs = new TestVfs();
        File.WriteAllBytes(vfs.PathOf() + ".pcache-new", new byte[100_000]);
        Fill(vfs);
        Assert.Equal([vfs.PathOf()], Directory.GetFiles(vfs.Folder.Path));
    }

    private static void Fill(TestVfs vfs)
    {
        using SqliteConnection connection = vfs.Open();
        connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    }
}
