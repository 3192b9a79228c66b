using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core.Pmem;

namespace PCache.Sqlite.Tests.Kills;

/// <summary>
/// Commits numbered transactions until it is killed. Keeps true: a number is on standard output only after its commit
/// has returned.
/// </summary>
internal static class KillWriter
{
    public const int Rows = 20;

    public static int Run(string[] arguments)
    {
        (string path, string mode) = (arguments[0], arguments[1]);
        SQLitePCL.Batteries_V2.Init();
        _ = PCacheVfs.Register(
            Options("pcache", drainOnClose: true) with { AtomicCommits = mode is "memory" or "off" });
        using var connection = new SqliteConnection($"Data Source={path};Vfs=pcache;Pooling=False");
        connection.Open();
        connection.Execute(
            $"PRAGMA journal_mode={mode}; PRAGMA synchronous=FULL; PRAGMA cache_size=8; PRAGMA wal_autocheckpoint=30");
        connection.Execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, value INTEGER, body BLOB)");
        int number = connection.ExecuteScalar<int?>("SELECT max(value) FROM t") ?? 0;
        var random = new Random(number);
        using Stream output = Console.OpenStandardOutput();
        while (true)
        {
            number++;
            using (SqliteTransaction transaction = connection.BeginTransaction())
            {
                for (int id = 0; id < Rows; id++)
                {
                    connection.Execute(
                        "INSERT OR REPLACE INTO t VALUES (@id, @number, randomblob(@length))",
                            new { id, number, length = random.Next(2500) }, transaction);
                }

                transaction.Commit();
            }

            output.Write(System.Text.Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture) + "\n"));
            output.Flush();
        }
    }

    public static PCacheVfsOptions Options(string name, bool drainOnClose) => new()
    {
        Name = name,
        CacheLengthBytes = 2 << 20,
        Region = new PmemFileOptions(),
        DrainOnClose = drainOnClose,
        ConfigureCache = (_, settings) => settings with { WritebackDelay = TimeSpan.FromMilliseconds(20) },
    };
}
