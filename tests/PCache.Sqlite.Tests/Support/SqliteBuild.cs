using Dapper;
using Microsoft.Data.Sqlite;

namespace PCache.Sqlite.Tests.Support;

/// <summary>What the native SQLite was compiled with.</summary>
internal static class SqliteBuild
{
    /// <summary>Whether it writes transactions as batches where a VFS says that it takes them as a whole.</summary>
    public static bool WritesBatches { get; } = Has("ENABLE_BATCH_ATOMIC_WRITE");

    private static bool Has(string option)
    {
        SQLitePCL.Batteries_V2.Init();
        using var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();
        return connection.ExecuteScalar<int>("SELECT sqlite_compileoption_used(@option)", new { option }) == 1;
    }
}
