using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// A database whose cache is in another folder, and what becomes of either: the cache is found, or the open is refused;
/// never is the database opened without it.
/// </summary>
public sealed class CacheElsewhereTests
{
    private const int CannotOpen = 14;

    [Theory]
    [InlineData("same")]
    [InlineData("none")]
    [InlineData("another")]
    [InlineData("database moved")]
    [InlineData("caches moved")]
    [InlineData("all moved")]
    [InlineData("cache moved to its database")]
    public void A_cache_is_found_whatever_moved(string how)
    {
        using var caches = new TempFolder();
        using var others = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false, CacheDirectory = caches.Path });
        Directory.CreateDirectory(vfs.PathOf("old"));
        Fill(vfs, "old/a.db");
        string now = caches.Path;
        if (how is "database moved" or "all moved")
        {
            Directory.Move(vfs.PathOf("old"), vfs.PathOf("new"));
        }

        if (how is "caches moved" or "all moved" or "cache moved to its database")
        {
            foreach (string file in Directory.GetFiles(caches.Path))
            {
                File.Move(file, Path.Combine(how == "cache moved to its database" ? vfs.PathOf("old")
                    : others.Path, Path.GetFileName(file)));
            }

            now = others.Path;
        }

        now = how == "another" ? others.Path : now;
        string name = Directory.Exists(vfs.PathOf("new")) ? "new/a.db" : "old/a.db";
        using var then = new TestVfs(options => options with { CacheDirectory = how == "none" ? null : now });
        using (SqliteConnection connection = OpenWith(then, vfs.PathOf(name)))
        {
            Assert.Equal(1, connection.ExecuteScalar<int>("SELECT a FROM t"));
            connection.Execute("INSERT INTO t VALUES (2)");
        }

        Assert.Equal([vfs.PathOf(name)], Directory.GetFiles(Path.GetDirectoryName(vfs.PathOf(name))!));
        Assert.Empty(Directory.GetFiles(caches.Path));
        Assert.Empty(Directory.GetFiles(others.Path));
        using SqliteConnection plain = vfs.OpenPlain(name);
        Assert.Equal(3, plain.ExecuteScalar<int>("SELECT sum(a) FROM t"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_its_cache_the_open_is_refused_and_says_where_it_was(bool anotherDirectory)
    {
        using var caches = new TempFolder();
        using var others = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false, CacheDirectory = caches.Path });
        Fill(vfs, "a.db");
        string cache = Directory.GetFiles(caches.Path).Single();
        File.Move(cache, others.File("unmounted"));
        using var then = new TestVfs(options =>
            options with { CacheDirectory = anotherDirectory ? others.Path : null });
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => OpenWith(then, vfs.PathOf())).SqliteErrorCode);
        string message = then.Registration.LastError!.Exception.Message;
        Assert.Contains(cache, message, StringComparison.Ordinal);
        Assert.Contains("isn't there", message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => PCacheDatabase.Drain(vfs.PathOf()));
        File.Move(others.File("unmounted"), cache);
        using SqliteConnection connection = OpenWith(then, vfs.PathOf());
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT a FROM t"));
    }

    [Fact]
    public void A_cache_beside_its_database_is_found_when_caches_go_elsewhere_now()
    {
        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Fill(vfs, "a.db");
        using var then = new TestVfs(options => options with { CacheDirectory = caches.Path });
        using (SqliteConnection connection = OpenWith(then, vfs.PathOf()))
        {
            Assert.Equal(1, connection.ExecuteScalar<int>("SELECT a FROM t"));
        }

        Assert.Equal([vfs.PathOf()], Directory.GetFiles(vfs.Folder.Path));
    }

    [Fact]
    public void A_copy_of_a_database_is_not_opened_with_the_cache_of_the_other_one()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false, CacheDirectory = caches.Path });
        Directory.CreateDirectory(vfs.PathOf("copy"));
        Fill(vfs, "a.db");
        foreach (string file in Directory.GetFiles(vfs.Folder.Path))
        {
            File.Copy(file, Path.Combine(vfs.PathOf("copy"), Path.GetFileName(file)));
        }

        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("copy/a.db")).SqliteErrorCode);
        Assert.IsType<PCacheBackingMismatchException>(vfs.Registration.LastError!.Exception);
        using SqliteConnection original = vfs.Open();
        Assert.Equal(1, original.ExecuteScalar<int>("SELECT a FROM t"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"pcacheSqliteMark\":2,\"cache\":\"/x\","
        + "\"id\":\"7f0c1d0e-0000-4000-8000-000000000000\",\"database\":\"/y\"}")]
    [InlineData("{\"pcacheSqliteMark\":1,\"cache\":\"relative\","
        + "\"id\":\"7f0c1d0e-0000-4000-8000-000000000000\",\"database\":\"/y\"}")]
    [InlineData("[1,2]")]
    public void A_mark_that_cannot_be_read_is_refused(string text)
    {
        using var vfs = new TestVfs();
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE t (a INTEGER)");
        }

        File.WriteAllText(vfs.PathOf() + ".pcache-mark", text);
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
        Assert.Contains("isn't a mark", vfs.Registration.LastError!.Exception.Message, StringComparison.Ordinal);
        File.Delete(vfs.PathOf() + ".pcache-mark");
        vfs.Open().Dispose();
    }

    [Fact]
    public void Of_two_caches_with_something_in_them_none_is_chosen()
    {
        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false, CacheDirectory = caches.Path });
        Fill(vfs, "a.db");
        string cache = Directory.GetFiles(caches.Path).Single();
        File.Copy(cache, vfs.PathOf() + ".pcache");
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
        Assert.Contains("Two caches", vfs.Registration.LastError!.Exception.Message, StringComparison.Ordinal);
        File.Delete(vfs.PathOf() + ".pcache");
        using SqliteConnection connection = vfs.Open();
        Assert.Equal(1, connection.ExecuteScalar<int>("SELECT a FROM t"));
    }

    private static SqliteConnection OpenWith(TestVfs vfs, string path)
    {
        var connection = new SqliteConnection($"Data Source={path};Vfs={vfs.Registration.Name};Pooling=False");
        connection.Open();
        return connection;
    }

    private static void Fill(TestVfs vfs, string name)
    {
        using SqliteConnection connection = vfs.Open(name);
        connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    }
}
