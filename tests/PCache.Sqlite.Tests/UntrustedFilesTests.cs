using System.Runtime.InteropServices;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// What others may have put at names that can be known beforehand: nothing of it is used, written into or deleted, and
/// the open says why.
/// </summary>
public sealed partial class UntrustedFilesTests
{
    private const int CannotOpen = 14;
    private const uint Nobody = 65534;

    public static TheoryData<string, string> Names()
    {
        var data = new TheoryData<string, string>();
        foreach (string suffix in new[] { "-wal", "-journal", ".pcache", ".pcache-mark", ".pcache-new" })
        {
            foreach (string kind in new[] { "link", "dangling link", "hard link", "folder", "pipe" })
            {
                data.Add(suffix, kind);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Only_ordinary_files_with_one_name_are_used_beside_a_database(string suffix, string kind)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs();
        using var elsewhere = new TempFolder();
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        }

        string victim = elsewhere.File("victim");
        string planted = vfs.PathOf() + suffix;
        File.WriteAllText(victim, "precious");
        switch (kind)
        {
            case "link":
                File.CreateSymbolicLink(planted, victim);
                break;
            case "dangling link":
                File.CreateSymbolicLink(planted, elsewhere.File("nowhere"));
                break;
            case "hard link":
                Assert.Equal(0, HardLink(victim, planted));
                break;
            case "folder":
                Directory.CreateDirectory(planted);
                break;
            default:
                Assert.Equal(0, MakePipe(planted, 0x1B6));
                break;
        }

        SqliteException error = Assert.Throws<SqliteException>(() =>
        {
            using SqliteConnection connection = vfs.Open();
            connection.Execute("PRAGMA journal_mode=WAL; INSERT INTO t VALUES (2)");
        });
        Assert.Equal(CannotOpen, error.SqliteErrorCode);
        Assert.Contains(planted, vfs.Registration.LastError?.Exception.Message ?? "", StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(victim));
        Assert.Equal([victim], Directory.GetFiles(elsewhere.Path));
        Assert.True(Path.Exists(planted) || new FileInfo(planted).LinkTarget is not null);
        if (kind == "folder")
        {
            Directory.Delete(planted);
        }
        else
        {
            File.Delete(planted);
        }

        using SqliteConnection after = vfs.Open(); // nothing is left locked or half made
        after.Execute("PRAGMA journal_mode=WAL; INSERT INTO t VALUES (2)");
        Assert.Equal(3, after.ExecuteScalar<int>("SELECT sum(a) FROM t"));
    }

    [Theory]
    [InlineData("owner")]
    [InlineData("everybody")]
    [InlineData("group")]
    public void A_cache_that_others_could_have_made_or_changed_is_refused(string who)
    {
        if (!OperatingSystem.IsLinux() || (who != "everybody" && Environment.UserName != "root"))
        {
            return; // giving files away is root's privilege
        }

        using var caches = new TempFolder();
        foreach (bool marked in new[] { false, true })
        {
            using var vfs = new TestVfs(options =>
                options with { DrainOnClose = false, CacheDirectory = marked ? caches.Path : null });
            using (SqliteConnection connection = vfs.Open())
            {
                connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
            }

            string cache = marked ? Directory.GetFiles(caches.Path).Single() : vfs.PathOf() + ".pcache";
            foreach (string file in marked ? [cache, vfs.PathOf() + ".pcache-mark"] : new[] { cache })
            {
                Spoil(file, who);
                Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open()).SqliteErrorCode);
                Assert.Contains("isn't used", vfs.Registration.LastError!.Exception.Message, StringComparison.Ordinal);
                Assert.True(File.Exists(file));
                Assert.Equal(0, Own(file, 0, 0));
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            using SqliteConnection again = vfs.Open();
            Assert.Equal(1, again.ExecuteScalar<int>("SELECT a FROM t"));
        }
    }

    [Fact]
    public void Who_may_write_the_database_may_have_written_its_cache()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        const UnixFileMode Shared =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        File.WriteAllBytes(vfs.PathOf(), []);
        File.SetUnixFileMode(vfs.PathOf(), Shared);
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        }

        Assert.Equal(Shared, File.GetUnixFileMode(vfs.PathOf() + ".pcache"));
        using SqliteConnection again = vfs.Open();
        Assert.Equal(1, again.ExecuteScalar<int>("SELECT a FROM t"));
    }

    [Fact]
    public void Caches_journals_and_marks_are_private_from_their_first_moment()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with
        {
            CacheDirectory = caches.Path,
            ConfigureCache = (_, settings) =>
            {
                Assert.Empty(Directory.GetFiles(caches.Path)); // asked before there is anything to see
                return settings with { WritebackDelay = TimeSpan.Zero, OpenProgress = null };
            },
        });
        File.WriteAllBytes(vfs.PathOf(), []);
        File.SetUnixFileMode(vfs.PathOf(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var seen = new System.Collections.Concurrent.ConcurrentBag<(string, UnixFileMode)>();
        using var stop = new CancellationTokenSource();
        var watching = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (string file in Directory.GetFiles(caches.Path).Concat(Directory.GetFiles(vfs.Folder.Path)))
                {
                    try
                    {
                        seen.Add((Path.GetFileName(file), OperatingSystem.IsLinux() ? File.GetUnixFileMode(file)
                            : UnixFileMode.None));
                    }
                    catch (FileNotFoundException)
                    {
                    }
                }
            }
        });
        watching.Start();
        for (int i = 0; i < 5; i++)
        {
            using SqliteConnection connection = vfs.Open();
            connection.Execute(
                $"PRAGMA journal_mode={(i % 2 == 0 ? "WAL" : "DELETE")}; CREATE TABLE IF NOT EXISTS t (a INTEGER); "
                + "INSERT INTO t VALUES (1)");
            vfs.Registration.Drain(vfs.PathOf());
        }

        stop.Cancel();
        watching.Join();
        Assert.Contains(seen, one => one.Item1.Contains(".pcache", StringComparison.Ordinal));
        Assert.All(seen, one => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, one.Item2));
    }

    [Fact]
    public void A_cache_of_another_database_is_refused_wherever_it_is_put()
    {
        using var caches = new TempFolder();
        using var vfs = new TestVfs(options => options with { DrainOnClose = false, CacheDirectory = caches.Path });
        foreach (string name in new[] { "a.db", "b.db" })
        {
            using SqliteConnection connection = vfs.Open(name);
            connection.Execute($"CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('{name}')");
        }

        // The caches change places, as do what the marks say: the same length, the same owner, even the same plain
        // content.
        string[] files = [.. Directory.GetFiles(caches.Path).Order()];
        File.Move(files[0], files[0] + "-other");
        File.Move(files[1], files[0]);
        File.Move(files[0] + "-other", files[1]);
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("a.db")).SqliteErrorCode);
        string[] marks = [vfs.PathOf("a.db.pcache-mark"), vfs.PathOf("b.db.pcache-mark")];
        File.Move(marks[0], marks[0] + "-other");
        File.Move(marks[1], marks[0]);
        File.Move(marks[0] + "-other", marks[1]);
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("a.db")).SqliteErrorCode);
        File.Delete(marks[0]);
        File.Delete(marks[1]);
        Assert.Equal(CannotOpen, Assert.Throws<SqliteException>(() => vfs.Open("a.db")).SqliteErrorCode);
        Assert.Contains("another file", vfs.Registration.LastError!.Exception.Message, StringComparison.Ordinal);
        Assert.Contains("b.db", vfs.Registration.LastError!.Exception.Message, StringComparison.Ordinal);
        File.Move(files[0], files[0] + "-other");
        File.Move(files[1], files[0]);
        File.Move(files[0] + "-other", files[1]);
        using SqliteConnection right = vfs.Open("a.db");
        Assert.Equal("a.db", right.ExecuteScalar<string>("SELECT a FROM t"));
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static void Spoil(string file, string who)
    {
        const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        switch (who)
        {
            case "owner":
                Assert.Equal(0, UntrustedFilesTests.Own(file, Nobody, Nobody));
                break;
            case "everybody":
                File.SetUnixFileMode(file, Own | UnixFileMode.OtherWrite);
                break;
            default:
                Assert.Equal(0, UntrustedFilesTests.Own(file, 0, Nobody));
                File.SetUnixFileMode(file, Own | UnixFileMode.GroupWrite);
                break;
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int HardLink(string from, string to);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Own(string path, uint owner, uint group);
}
