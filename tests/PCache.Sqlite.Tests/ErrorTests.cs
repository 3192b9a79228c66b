using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Sqlite.Native;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests;

/// <summary>What SQLite and the registration are told when memory or storage fails.</summary>
public sealed class ErrorTests
{
    [Fact]
    public void A_failed_synchronisation_fails_the_commit_and_nothing_else()
    {
        SQLitePCL.Batteries_V2.Init();
        using var folder = new TempFolder();
        var source = new SimulatedSource();
        using var region = SimulatedPmem.Allocate(2 << 20);
        source.Add(folder.File("a.db"), region, new SimulatedFileStore());
        using PCacheVfsRegistration vfs =
            PCacheVfs.Register(new PCacheVfsOptions { Name = "failing" }, (_, _) => source);
        var told = new List<PCacheVfsError>();
        vfs.ErrorOccurred += (_, error) => told.Add(error);
        vfs.ErrorOccurred += (_, _) => throw new InvalidOperationException("A handler's own mistake.");
        using var connection = new SqliteConnection($"Data Source={folder.File("a.db")};Vfs=failing;Pooling=False");
        connection.Open();
        connection.Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        Assert.Empty(told);

        region.DrainError = new IOException("The memory failed.");
        SqliteException failure = Assert.Throws<SqliteException>(() => connection.Execute("INSERT INTO t VALUES (2)"));
        Assert.Equal(SqliteCode.IoError, failure.SqliteErrorCode);
        region.DrainError = null;
        Assert.Contains(told, error => error.Path.StartsWith(folder.File("a.db"), StringComparison.Ordinal)
            && error.Exception.Message == "The memory failed.");
        Assert.Same(told[^1], vfs.LastError);

        connection.Execute("INSERT INTO t VALUES (3)");
        Assert.Equal([1, 3], connection.Query<int>("SELECT a FROM t ORDER BY a"));
        Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData("ReadWrite")]
    [InlineData("ReadOnly")]
    public void Asking_whether_there_is_a_database_is_no_error(string mode)
    {
        SQLitePCL.Batteries_V2.Init();
        using var folder = new TempFolder();
        using PCacheVfsRegistration vfs = PCacheVfs.Register(new PCacheVfsOptions { Name = "probed" });
        var told = new List<PCacheVfsError>();
        vfs.ErrorOccurred += (_, error) => told.Add(error);
        using var connection = new SqliteConnection(
            $"Data Source={folder.File("none.db")};Mode={mode};Vfs=probed;Pooling=False");
        Assert.Equal(SqliteCode.CantOpen, Assert.Throws<SqliteException>(connection.Open).SqliteErrorCode);
        Assert.Empty(told);
        Assert.Null(vfs.LastError);
        Assert.Empty(Directory.GetFileSystemEntries(Path.GetDirectoryName(folder.File("none.db"))!));

        // A path that can't have a database is an error where one was to be made.
        using var wanted = new SqliteConnection(
            $"Data Source={folder.File("no/such/folder.db")};Vfs=probed;Pooling=False");
        Assert.Throws<SqliteException>(wanted.Open);
        Assert.NotEmpty(told);
    }

    [Fact]
    public void Each_exception_has_its_code()
    {
        Assert.Equal(SqliteCode.Full, ErrorCodes.Of(new PCacheFullException(), SqliteCode.IoErrorWrite));
        Assert.Equal(SqliteCode.Busy, ErrorCodes.Of(new PCacheInUseException(), SqliteCode.CantOpen));
        Assert.Equal(SqliteCode.CantOpen, ErrorCodes.Of(new PCacheCorruptionException(), SqliteCode.CantOpen));
        Assert.Equal(SqliteCode.IoErrorCorruptFs,
            ErrorCodes.Of(new PCacheDamagedDataException(), SqliteCode.IoErrorRead));
        Assert.Equal(SqliteCode.IoErrorNoMemory,
            ErrorCodes.Of(new InsufficientMemoryException(), SqliteCode.IoErrorWrite));
        Assert.Equal(SqliteCode.IoErrorWrite, ErrorCodes.Of(new InvalidOperationException(), SqliteCode.IoErrorWrite));
        Assert.Equal(SqliteCode.Full,
            ErrorCodes.Of(new IOException("full", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28),
            SqliteCode.IoErrorWrite));
    }
}
