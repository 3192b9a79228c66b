using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests;

/// <summary>What users do that they weren't meant to.</summary>
public sealed class HostileTests
{
    private const int CannotOpen = 14;

    [Fact]
    public void Plain_sqlite_that_changed_a_row_in_place_beside_a_dirty_cache_is_noticed()
    {
        using var vfs = new TestVfs(options => options with
        {
            DrainOnClose = false,
            ConfigureCache = (_, o) =>
            o with { WritebackDelay = TimeSpan.FromDays(1) }
        });
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute(
                "CREATE TABLE o (b BLOB); INSERT INTO o VALUES (randomblob(90000)); CREATE TABLE t (a INTEGER); "
                + "INSERT INTO t VALUES (1)");
        }

        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("UPDATE t SET a = 2");
        }

        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("UPDATE t SET a = 3");
        }

        SqliteException error = Assert.Throws<SqliteException>(() => vfs.Open());
        Assert.Equal(CannotOpen, error.SqliteErrorCode);
        Assert.Equal(BackingMismatchReason.Content,
            Assert.IsType<PCacheBackingMismatchException>(vfs.Registration.LastError?.Exception).Reason);
    }

    [Fact]
    public void A_power_cut_after_a_close_with_dirty_data_makes_no_other_backing()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            using var region = SimulatedPmem.Allocate(2 << 20);
            var store = new SimulatedFileStore();
            var backing = new CompositeBacking(store);
            PCacheOptions options = CompositeBacking.Fit(
                new PCacheOptions
                {
                    SegmentSizeBytes = 64 << 10,
                    Maintenance = MaintenanceMode.Manual,
                    LeaveRegionOpen = true,
                    WritebackDelay = TimeSpan.Zero
                });
            PCacheDevice device = PCacheDevice.Create(region, backing, options);
            var files = new CachedFiles(device);
            files.Create(FileSlot.Main);
            files.Write(FileSlot.Main, 0, new byte[700]);
            files.Sync(FileSlot.Main);
            device.Drain();
            Assert.Equal(700, store.GetLength(FileSlot.Main));
            files.Write(FileSlot.Main, 0, new byte[300]);
            new Database("a.db", files, device, new BackingHolder(backing), isReadOnly: false, drainOnClose: false)
                .Close();

            using var after = new CompositeBacking(store.AfterPowerCut(new Random(seed)));
            try
            {
                PCacheDevice again = PCacheDevice.Open(region, after, options with { LeaveBackingOpen = true });
                Assert.Equal(BackingCheck.Matched, again.GetStatus().BackingCheck);
                again.Dispose();
            }
            catch (PCacheBackingMismatchException e)
            {
                Assert.Fail($"Seed {seed}: {e.Message}");
            }
        }
    }

    [Fact]
    public void Plain_sqlite_that_only_reads_beside_a_dirty_cache_does_no_harm()
    {
        using var vfs = new TestVfs(options => options with
        {
            DrainOnClose = false,
            ConfigureCache = (_, o) =>
            o with { WritebackDelay = TimeSpan.FromDays(1) }
        });
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        }

        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("UPDATE t SET a = 2");
        }

        using (SqliteConnection plain = vfs.OpenPlain())
        {
            Assert.Equal(1, plain.ExecuteScalar<int>("SELECT a FROM t"));
        }

        using SqliteConnection again = vfs.Open();
        Assert.Equal(2, again.ExecuteScalar<int>("SELECT a FROM t"));
    }

    [Fact]
    public void No_user_may_read_in_the_cache_or_journal_what_he_may_not_read_in_the_database()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        File.WriteAllBytes(vfs.PathOf(), []);
        File.SetUnixFileMode(vfs.PathOf(), Private);
        using SqliteConnection connection = vfs.Open();
        connection.Execute("PRAGMA journal_mode=PERSIST; CREATE TABLE t (a INTEGER)");
        vfs.Registration.Drain(vfs.PathOf());
        Assert.True(File.Exists(vfs.PathOf() + "-journal"));
        foreach (string file in Directory.GetFiles(vfs.Folder.Path))
        {
            Assert.Equal((file, Private), (file, File.GetUnixFileMode(file)));
        }
    }

    [Fact]
    public void A_database_reached_through_links_is_one_database()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var vfs = new TestVfs();
        Directory.CreateDirectory(vfs.PathOf("real"));
        Directory.CreateSymbolicLink(vfs.PathOf("link"), vfs.PathOf("real"));
        using SqliteConnection first = vfs.Open("real/ä b.db");
        first.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        using SqliteConnection second = vfs.Open("link/ä b.db");
        using SqliteConnection third = vfs.Open("real/../link/./ä b.db");
        second.Execute("INSERT INTO t VALUES (2)");
        Assert.Equal(2, third.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal([vfs.PathOf("real/ä b.db")], vfs.Registration.OpenDatabases);
        Assert.True(vfs.Registration.Drain(vfs.PathOf("link/ä b.db")));
        Assert.True(vfs.Registration.TryGetDevice(vfs.PathOf("link/ä b.db"), out _));
    }

    [Fact]
    public void A_cache_file_that_cannot_be_deleted_keeps_nothing_locked()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var vfs = new TestVfs();
        string cache = vfs.PathOf() + ".pcache";
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
            File.Move(cache, cache + "-moved");
            Directory.CreateDirectory(cache);
        }

        Directory.Delete(cache);
        PmemFile.Open(cache + "-moved").Dispose();
        using SqliteConnection again = vfs.Open();
        Assert.Equal(1, again.ExecuteScalar<int>("SELECT count(*) FROM t"));
    }

    [Fact]
    public void Connections_with_different_rollback_journals_share_one_database()
    {
        using var vfs = new TestVfs();
        string[] modes = ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "DELETE", "PERSIST"];
        SqliteConnection[] connections = [.. modes.Select(_ => vfs.Open())];
        connections[0].Execute("PRAGMA auto_vacuum=INCREMENTAL; VACUUM; CREATE TABLE t (a INTEGER, b BLOB)");
        for (int i = 0; i < modes.Length; i++)
        {
            connections[i].Execute(
                $"PRAGMA journal_mode={modes[i]}; PRAGMA journal_size_limit={i * 1000}; PRAGMA cache_size=3");
        }

        for (int i = 0; i < 60; i++)
        {
            SqliteConnection one = connections[i * 7 % modes.Length];
            if (i % 20 == 19)
            {
                one.Execute("PRAGMA incremental_vacuum");
            }

            one.Execute(
                $"BEGIN; INSERT INTO t VALUES ({i}, randomblob(30000)); DELETE FROM t WHERE a < {i - 5}; "
                + $"{(i % 5 == 4 ? "ROLLBACK" : "COMMIT")}");
            Assert.Equal(one.ExecuteScalar<int>("SELECT sum(a) FROM t"),
                connections[(i + 1) % modes.Length].ExecuteScalar<int>("SELECT sum(a) FROM t"));
        }

        Assert.Equal("ok", connections[3].ExecuteScalar<string>("PRAGMA integrity_check"));
        foreach (SqliteConnection connection in connections)
        {
            connection.Dispose();
        }

        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData("WAL", true)]
    [InlineData("WAL", false)]
    [InlineData("DELETE", true)]
    public async Task Opening_and_closing_on_many_threads_loses_nothing(string mode, bool drain)
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = drain });
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute($"PRAGMA journal_mode={mode}; CREATE TABLE t (a INTEGER)");
        }

        const int Threads = 4;
        const int Rounds = 12;
        string pooled = $"Data Source={vfs.PathOf()};Vfs={vfs.Registration.Name};Default Timeout=60";
        using var stop = new CancellationTokenSource();
        Task clearing = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var any = new SqliteConnection(pooled);
                SqliteConnection.ClearPool(any);
                Thread.Sleep(1);
            }
        });
        int done = 0;
        Task[] writers = [.. Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                for (int i = 0; i < Rounds;)
                {
                    using var connection = new SqliteConnection(thread % 2 == 0 ? pooled : pooled + ";Pooling=False");
                    try
                    {
                        connection.Open();
                        connection.Execute("PRAGMA synchronous=NORMAL; INSERT INTO t VALUES (1)");
                        Interlocked.Increment(ref done);
                        i++;
                    }
                    catch (SqliteException e) when (e.SqliteErrorCode is 5 or 6)
                    {
                    }
                }
            },
            TaskCreationOptions.LongRunning))];
        await Task.WhenAll(writers).WaitAsync(TimeSpan.FromMinutes(3));
        await stop.CancelAsync();
        await clearing;
        using (var any = new SqliteConnection(pooled))
        {
            SqliteConnection.ClearPool(any);
        }

        Assert.Empty(vfs.Registration.OpenDatabases);
        using SqliteConnection check = vfs.Open();
        Assert.Equal(Threads * Rounds, done);
        Assert.Equal(done, check.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal("ok", check.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Fact]
    public void A_connection_goes_on_after_its_cache_was_full()
    {
        using var vfs = new TestVfs(options => options with
        {
            CacheLengthBytes = 2 << 20,
            ConfigureCache = (_, o) => o with { SpaceTimeout = TimeSpan.Zero, WritebackDelay = TimeSpan.FromDays(1) },
        });
        using SqliteConnection connection = vfs.Open();
        connection.Execute(
            "CREATE TABLE t (a INTEGER, b BLOB); INSERT INTO t VALUES (1, zeroblob(9)); PRAGMA cache_size=2");

        // Write-back begins when the cache fills up, and may keep up for once.
        SqliteException? error = null;
        for (int i = 0; error is null && i < 200; i++)
        {
            error = Record.Exception(() => connection.Execute(
                "INSERT INTO t VALUES (2, randomblob(5000000)); DELETE FROM t WHERE a = 2")) as SqliteException;
        }

        Assert.Equal(13, error?.SqliteErrorCode);

        // Nothing waits for room here, and what a drain has to write before it begins needs some, too.
        Eventually(() => Record.Exception(() => vfs.Registration.Drain(vfs.PathOf())) is null);
        Eventually(() => Record.Exception(() =>
            connection.Execute("INSERT INTO t VALUES (3, randomblob(100000))")) is null);
        int[] rows = [.. connection.Query<int>("SELECT a FROM t ORDER BY a")];
        Assert.Equal([1, 3], rows.Except([2])); // where only the deletion found no room, the second row is there
        Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));

        static void Eventually(Func<bool> succeeds) =>
            Assert.True(SpinWait.SpinUntil(succeeds, TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void Exclusive_locking_in_wal_mode_can_be_left_again()
    {
        using var vfs = new TestVfs();
        using SqliteConnection first = vfs.Open();
        first.Execute(
            "PRAGMA journal_mode=WAL; CREATE TABLE t (a INTEGER); PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t "
            + "VALUES (1)");
        using (SqliteConnection blocked = vfs.Open(more: "Default Timeout=1;"))
        {
            Assert.Equal(5, Assert.Throws<SqliteException>(() =>
                blocked.Execute("INSERT INTO t VALUES (9)")).SqliteErrorCode);
        }

        first.Execute("PRAGMA locking_mode=NORMAL; INSERT INTO t VALUES (2)");
        using SqliteConnection second = vfs.Open();
        second.Execute("INSERT INTO t VALUES (3); PRAGMA wal_checkpoint(TRUNCATE)");
        first.Execute("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES (4)");
        Assert.Equal(10, second.ExecuteScalar<int>("SELECT sum(a) FROM t"));
        second.Execute("VACUUM INTO @into", new { into = vfs.PathOf("copy.db") });
        using SqliteConnection copy = vfs.OpenPlain("copy.db");
        Assert.Equal(10, copy.ExecuteScalar<int>("SELECT sum(a) FROM t"));
        using SqliteConnection backup = vfs.OpenPlain("backup.db");
        first.BackupDatabase(backup);
        Assert.Equal(10, backup.ExecuteScalar<int>("SELECT sum(a) FROM t"));
    }

    private sealed class BackingHolder(CompositeBacking backing) : IDatabaseHolder
    {
        public void LeaveDirty() => backing.KeepsExactLengths = true;

        public void Release(bool drained) => backing.Dispose();
    }
}
