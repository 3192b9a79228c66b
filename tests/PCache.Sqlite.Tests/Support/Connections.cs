using Microsoft.Data.Sqlite;

namespace PCache.Sqlite.Tests.Support;

/// <summary>
/// Opens connections. Keeps true: where SQLite only says that it can't, the failure tells what was thrown.
/// </summary>
internal static class Connections
{
    /// <summary>Opens one without a pool; a null VFS is plain SQLite.</summary>
    public static SqliteConnection Open(string path, PCacheVfsRegistration? vfs)
    {
        string more = vfs is null ? "" : $";Vfs={vfs.Name}";
        var connection = new SqliteConnection($"Data Source={path};Pooling=False{more}");
        try
        {
            connection.Open();
            return connection;
        }
        catch (SqliteException e) when (vfs?.LastError is { } error)
        {
            connection.Dispose();
            throw Told(e, error);
        }
    }

    /// <summary>What was thrown behind a failure of SQLite.</summary>
    public static InvalidOperationException Told(SqliteException failure, PCacheVfsError error) => new(
        $"{failure.Message} {error.Operation} of {error.Path}: {error.Exception.Message}", error.Exception);
}
