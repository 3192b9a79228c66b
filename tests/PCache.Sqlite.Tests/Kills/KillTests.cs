using System.Diagnostics;
using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests.Kills;

/// <summary>
/// Real processes on real files are killed in the middle of transactions; every acknowledged one has to be there, and
/// none half.
/// </summary>
public sealed class KillTests
{
    private static int _names;

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    [InlineData("memory")]
    [InlineData("off")]
    public void Acknowledged_transactions_survive_kills(string mode)
    {
        SQLitePCL.Batteries_V2.Init();
        int kills = (int)(TestRuns.Number("PCACHE_KILLS") ?? 4);
        int seed = (int)(TestRuns.Number("PCACHE_KILL_SEED") ?? 1);
        var random = new Random(seed);
        using var folder = new TempFolder();
        string path = folder.File("killed.db");
        int known = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            int acknowledged = Math.Max(known, WriteUntilKilled(path, mode, random));
            if (random.Next(3) > 0)
            {
                known = Verify(path, acknowledged, drain: random.Next(2) == 0, $"kill {kill}, PCACHE_KILL_SEED={seed}");
            }
            else
            {
                known = acknowledged; // the next process recovers
            }
        }

        _ = Verify(path, known, drain: true, $"the end, PCACHE_KILL_SEED={seed}");
        Assert.True(known > 0);
        using var plain = new SqliteConnection($"Data Source={path};Pooling=False");
        plain.Open();
        Check(plain, known, "plain SQLite at the end");
    }

    /// <summary>The last number that the process has said.</summary>
    private static int WriteUntilKilled(string path, string mode, Random random)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        foreach (string argument in new[] { "exec", typeof(KillWriter).Assembly.Location, path, mode })
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        int last = 0;
        int until = random.Next(1, 60);
        for (int lines = 0; process.StandardOutput.ReadLine() is { } line; lines++)
        {
            last = int.Parse(line, CultureInfo.InvariantCulture);
            if (lines == until)
            {
                Thread.Sleep(random.Next(20));
                process.Kill();
            }
        }

        process.WaitForExit();
        Assert.NotEqual(0, last); // else it failed by itself
        return last;
    }

    private static int Verify(string path, int acknowledged, bool drain, string when)
    {
        using PCacheVfsRegistration vfs =
            PCacheVfs.Register(KillWriter.Options($"kill{Interlocked.Increment(ref _names)}", drain));
        using SqliteConnection connection = Connections.OpenPatiently(path, vfs);
        return Check(connection, acknowledged, when);
    }

    private static int Check(SqliteConnection connection, int acknowledged, string when)
    {
        Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
        int[] values = [.. connection.Query<int>("SELECT DISTINCT value FROM t")];
        Assert.True(values.Length == 1, $"{when}: rows of {values.Length} transactions.");
        Assert.True(values[0] >= acknowledged && values[0] <= acknowledged
            + 1, $"{when}: transaction {values[0]}, but {acknowledged} was acknowledged.");
        Assert.Equal(KillWriter.Rows, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
        return values[0];
    }
}
