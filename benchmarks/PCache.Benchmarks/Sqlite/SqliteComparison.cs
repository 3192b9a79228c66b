// Keeps true: what is compared runs in turns in one process, on databases of its own with the same content; figures are
// medians of the rounds. Modes are compared with the same mode of plain SQLite, that without a journal with DELETE.
using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Sqlite;

namespace PCache.Benchmarks.Sqlite;

/// <summary>
/// Transactions per second with synchronous=FULL, by journal mode: plain SQLite against a cache, on the disk of a
/// folder and on throttled files. Arguments: [folder of databases and caches] [rounds].
/// </summary>
internal static class SqliteComparison
{
    private const int DefaultRounds = 9;
    private const int Rows = 500;
    private const string NoJournal = "memory, atomic commits (to: delete)";
    private static readonly string[] Modes = ["delete", "truncate", "persist", "wal", NoJournal];
    private static readonly TimeSpan PerCall = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan PerSync = TimeSpan.FromMilliseconds(3);

    public static void Run(string[] arguments)
    {
        SQLitePCL.Batteries_V2.Init();
        string parent = arguments.Length > 0 ? arguments[0] : Path.GetTempPath();
        int rounds = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : DefaultRounds;
        string folder = Directory.CreateDirectory(
            Path.Combine(parent, $"pcache-sqlite-{Environment.ProcessId}")).FullName;
        try
        {
            using PCacheVfsRegistration process = PCacheVfs.Register(
                new PCacheVfsOptions
                {
                    Name = "process",
                    Region = new PmemFileOptions(),
                    DrainOnClose = false,
                    AtomicCommits = true,
                });
            using PCacheVfsRegistration power =
                PCacheVfs.Register(
                    new PCacheVfsOptions { Name = "power", DrainOnClose = false, AtomicCommits = true });
            using PCacheVfsRegistration direct = PCacheVfs.Register(new PCacheVfsOptions { Name = "direct" }, (_, _) =>
                new ThrottledSource(false, PerCall, PerSync));
            using PCacheVfsRegistration cached = PCacheVfs.Register(
                new PCacheVfsOptions { Name = "cached", AtomicCommits = true },
                (_, _) => new ThrottledSource(true, PerCall, PerSync));
            Console.WriteLine(
                $"One row changed and one added per transaction, synchronous=FULL, median of {rounds} rounds in "
                + "turns; ratio to the first line of each group.");
            Compare(folder, "disk", rounds, 40,
                [("plain SQLite", null, null), ("cache, survives kills", "process", process),
                ("cache on the same disk, survives power cuts", "power", power)]);
            Compare(folder, "1 ms a call, 3 ms a sync", rounds, 10,
                [("without cache", "direct", null), ("cache, survives kills", "cached", cached)]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compare(string folder, string backing, int rounds, int transactions,
        (string Name, string? Vfs, PCacheVfsRegistration? Registration)[] variants)
    {
        Console.WriteLine();
        Console.WriteLine($"| {backing}, transactions/s | {string.Join(" | ", Modes)} |");
        Console.WriteLine($"| --- | {string.Join(" | ", Modes.Select(_ => "---:"))} |");
        var figures = new double[variants.Length, Modes.Length];
        var sustained = new double[variants.Length, Modes.Length];
        for (int m = 0; m < Modes.Length; m++)
        {
            Measure(folder, Modes[m], rounds, transactions, variants, m, figures, sustained);
        }

        for (int v = 0; v < variants.Length; v++)
        {
            Console.WriteLine($"| {variants[v].Name} | {Row(figures, v)} |");
            if (variants[v].Registration is not null)
            {
                Console.WriteLine($"| the same, with the time of a drain at the end | {Row(sustained, v)} |");
            }
        }
    }

    private static string Row(double[,] figures, int variant) => string.Join(
        " | ",
        Enumerable.Range(0, Modes.Length)
            .Select(m => string.Create(CultureInfo.InvariantCulture,
            $"{figures[variant, m]:N0} ({figures[variant, m] / figures[0, m]:0.0}x)")));

    private static void Measure(
        string folder, string mode, int rounds, int transactions,
            (string Name, string? Vfs, PCacheVfsRegistration? Registration)[] variants, int column, double[,] figures,
            double[,] sustained)
    {
        string[] paths =
            [.. variants.Select(variant => Path.Combine(folder, $"{variant.Vfs ?? "plain"}-{column}.db"))];
        SqliteConnection[] connections = [.. variants.Select((variant, v) => Open(paths[v], variant.Vfs, mode))];
        for (int v = 0; v < variants.Length; v++)
        {
            if (variants[v].Registration is { } registration && registration.Drain(paths[v])
                && registration.TryGetDevice(paths[v], out PCacheDevice? device))
            {
                // else it would go on in the turns of the others, and its time would count for none of them
                device.PauseWriteback();
            }
        }

        var seconds = new double[variants.Length, rounds];
        for (int round = 0; round < rounds; round++)
        {
            for (int v = 0; v < variants.Length; v++)
            {
                seconds[v, round] = Transact(connections[v], transactions, round);
            }
        }

        for (int v = 0; v < variants.Length; v++)
        {
            double[] own = [.. Enumerable.Range(0, rounds).Select(round => seconds[v, round]).Order()];
            long begun = Stopwatch.GetTimestamp();
            _ = variants[v].Registration?.Drain(paths[v]);
            figures[v, column] = transactions / own[rounds / 2];
            sustained[v, column] = transactions * rounds / (own.Sum() + Stopwatch.GetElapsedTime(begun).TotalSeconds);
            connections[v].Dispose();
        }
    }

    private static SqliteConnection Open(string path, string? vfs, string mode)
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False{(vfs is null ? "" : $";Vfs={vfs}")}");
        connection.Open();
        Execute(connection, $"PRAGMA journal_mode={JournalMode(mode, vfs)}");
        Execute(connection, "PRAGMA synchronous=FULL");
        Execute(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)");
        Execute(connection,
            $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{Rows}) INSERT INTO t SELECT i, "
            + "randomblob(200) FROM n");
        return connection;
    }

    /// <summary>What has no atomic commits is compared in the mode that is as safe.</summary>
    private static string JournalMode(string mode, string? vfs) =>
        mode != NoJournal ? mode : vfs is null or "direct" ? "delete" : "memory";

    private static double Transact(SqliteConnection connection, int transactions, int round)
    {
        long begun = Stopwatch.GetTimestamp();
        for (int i = 0; i < transactions; i++)
        {
            using SqliteTransaction transaction = connection.BeginTransaction();
            Execute(connection,
                $"UPDATE t SET body = randomblob(200) WHERE id = {1 + (((round * transactions) + i) * 37 % Rows)}");
            Execute(connection, "INSERT INTO t (body) VALUES (randomblob(200))");
            transaction.Commit();
        }

        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        _ = command.ExecuteNonQuery();
    }
}
