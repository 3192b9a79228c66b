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

    /// <summary>
    /// The same, while another test starts a process: for a moment, until it has become another program, that one has
    /// open what this one has, locks included.
    /// </summary>
    public static SqliteConnection OpenPatiently(string path, PCacheVfsRegistration? vfs)
    {
        const int Busy = 5;
        for (int tries = 1; ; tries++)
        {
            var connection = new SqliteConnection(
                $"Data Source={path};Pooling=False{(vfs is null ? "" : $";Vfs={vfs.Name}")}");
            try
            {
                connection.Open();
                return connection;
            }
            catch (SqliteException e) when (e.SqliteErrorCode == Busy && tries < 20)
            {
                connection.Dispose();
                Thread.Sleep(50);
            }
        }
    }

    /// <summary>What was thrown behind a failure of SQLite.</summary>
    public static InvalidOperationException Told(SqliteException failure, PCacheVfsError error) => new(
        $"{failure.Message} {error.Operation} of {error.Path}: {error.Exception.Message}", error.Exception);
}
