using Microsoft.Data.Sqlite;
using PCache.Core.Pmem;

namespace PCache.Sqlite.Tests.Support;

/// <summary>A VFS of the test's own on a folder of its own, and connections to databases there.</summary>
internal sealed class TestVfs : IDisposable
{
    private static int _names;

    public TestVfs(Func<PCacheVfsOptions, PCacheVfsOptions>? configure = null)
    {
        SQLitePCL.Batteries_V2.Init();
        var options = new PCacheVfsOptions
        {
            Name = $"test{Interlocked.Increment(ref _names)}",
            CacheLengthBytes = 4 << 20,
            Region = new PmemFileOptions(),
        };
        Registration = PCacheVfs.Register(configure?.Invoke(options) ?? options);
    }

    public TempFolder Folder { get; } = new();

    public PCacheVfsRegistration Registration { get; }

    public string PathOf(string name = "a.db") => Folder.File(name);

    /// <summary>A connection without a pool.</summary>
    public SqliteConnection Open(string name = "a.db", string more = "")
    {
        var connection = new SqliteConnection(
            $"Data Source={PathOf(name)};Vfs={Registration.Name};Pooling=False;{more}");
        connection.Open();
        return connection;
    }

    /// <summary>The same, while other tests start processes.</summary>
    public SqliteConnection OpenPatiently(string name = "a.db") =>
        Connections.OpenPatiently(PathOf(name), Registration);

    /// <summary>A connection of plain SQLite.</summary>
    public SqliteConnection OpenPlain(string name = "a.db", string more = "")
    {
        var connection = new SqliteConnection($"Data Source={PathOf(name)};Pooling=False;{more}");
        connection.Open();
        return connection;
    }

    public void Dispose()
    {
        Registration.Dispose();
        Folder.Dispose();
    }
}
