using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;
using PCache.Tool;
using PCache.Tool.Shell;

namespace PCache.Sqlite.Tests;

/// <summary>A database's cache in the hands of an operator who doesn't have the application: by the command.</summary>
public sealed class OperatorTests
{
    private const int Refused = 3;

    [Theory]
    [InlineData(true, "WAL")]
    [InlineData(false, "DELETE")]
    public void The_command_shows_a_cache_and_drains_it(bool elsewhere, string mode)
    {
        using var caches = new TempFolder();
        using var vfs = new TestVfs(options =>
            options with { DrainOnClose = false, CacheDirectory = elsewhere ? caches.Path : null });
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute($"PRAGMA journal_mode={mode}; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        }

        string cache = elsewhere ? Directory.GetFiles(caches.Path).Single() : vfs.PathOf() + ".pcache";
        (int code, string output, string error) = Run("sqlite", "status", vfs.PathOf());
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(cache, output, StringComparison.Ordinal);
        Assert.Contains("as the cache has left them", output, StringComparison.Ordinal);
        (code, output, _) = Run("sqlite", "status", vfs.PathOf(), "--json");
        Assert.Equal(0, code);
        JsonElement json = JsonDocument.Parse(output).RootElement;
        Assert.False(json.GetProperty("clean").GetBoolean());
        Assert.NotEqual(0, json.GetProperty("dirtyBytes").GetInt64());

        (code, output, error) = Run("sqlite", "drain", vfs.PathOf());
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("ordinary", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(caches.Path));
        Assert.Empty(Directory.GetFiles(vfs.Folder.Path, "*.pcache*"));
        using (SqliteConnection plain = vfs.OpenPlain())
        {
            Assert.Equal(1, plain.ExecuteScalar<int>("SELECT a FROM t"));
            Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
        }

        Assert.Equal(0, Run("sqlite", "drain", vfs.PathOf()).Code);
        Assert.Contains("no cache is needed", Run("sqlite", "status", vfs.PathOf()).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_database_in_use_is_not_drained_from_outside()
    {
        using var vfs = new TestVfs();
        using SqliteConnection connection = vfs.Open();
        connection.Execute("CREATE TABLE t (a INTEGER)");
        foreach (string what in new[] { "status", "drain" })
        {
            (int code, _, string error) = Run("sqlite", what, vfs.PathOf());
            Assert.Equal(Refused, code);
            Assert.Contains("in use", error, StringComparison.Ordinal);
        }

        connection.Execute("INSERT INTO t VALUES (1)");
    }

    [Fact]
    public void A_database_that_plain_sqlite_has_changed_is_drained_with_consent_only()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("CREATE TABLE t (a INTEGER)");
        }

        using (SqliteConnection plain = vfs.OpenPlain())
        {
            plain.Execute("CREATE TABLE u (a INTEGER)");
        }

        byte[] before = File.ReadAllBytes(vfs.PathOf());
        Assert.Equal(1, Run("sqlite", "status", vfs.PathOf()).Code);
        (int code, _, string error) = Run("sqlite", "drain", vfs.PathOf());
        Assert.Equal(Refused, code);
        Assert.Contains("--any-backing", error, StringComparison.Ordinal);
        Assert.DoesNotContain("pcache bind", error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(vfs.PathOf()));
        Assert.Equal(0, Run("sqlite", "drain", vfs.PathOf(), "--any-backing").Code);
        Assert.NotEqual(before, File.ReadAllBytes(vfs.PathOf()));
    }

    [Fact]
    public void Commands_that_do_not_know_databases_send_there()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("CREATE TABLE t (a INTEGER)");
        }

        string cache = vfs.PathOf() + ".pcache";
        byte[] before = File.ReadAllBytes(cache);
        foreach (string[] command in new[]
        {
            new[] { "writeback", cache, vfs.PathOf() },
            ["writeback", cache, vfs.PathOf(), "--any-backing"],
            ["read", cache, vfs.PathOf(), "--output", vfs.PathOf("out")],
            ["bind", cache, vfs.PathOf()],
            ["bind", cache, vfs.PathOf(), "--force"],
            ["write", cache, vfs.PathOf(), "--input", vfs.PathOf()],
            ["export", cache, "--output", vfs.PathOf("out")],
        })
        {
            (int code, _, string error) = Run(command);
            Assert.Equal((command[0], Refused), (command[0], code));
            Assert.Contains("pcache sqlite drain", error, StringComparison.Ordinal);
        }

        Assert.False(File.Exists(vfs.PathOf("out")));
        Assert.Equal(before, File.ReadAllBytes(cache));
        Assert.Equal(0, Run("status", cache).Code);
    }

    [Fact]
    public void What_is_missing_is_said()
    {
        using var vfs = new TestVfs(options => options with { DrainOnClose = false });
        Assert.Equal(Refused, Run("sqlite", "drain", vfs.PathOf("none.db")).Code);
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute("CREATE TABLE t (a INTEGER)");
        }

        File.Delete(vfs.PathOf());
        Assert.Throws<FileNotFoundException>(() => PCacheDatabase.GetStatus(vfs.PathOf()));
        (int code, _, string error) = Run("sqlite", "drain", vfs.PathOf());
        Assert.Equal(Refused, code);
        Assert.Contains("Put the database back", error, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => PCacheDatabase.Drain(""));
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var context = new ToolContext
        {
            Out = output,
            Error = error,
            OpenInput = () => Stream.Null,
            OpenOutput = () =>
            Stream.Null
        };
        int code = PCacheCommand.Invoke(arguments, context);
        return (code, output.ToString(), error.ToString());
    }
}
