using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.PowerCuts;

/// <summary>
/// Transactions of two databases, whose super-journal is a plain file next to them: after a power cut both have them or
/// none; without the caches each database is whole.
/// </summary>
public sealed class AttachedPowerCutTests
{
    private const int Transactions = 10;
    private const int Rows = 8;
    private static int _names;

    [Fact]
    public void Two_databases_have_a_transaction_both_or_neither() =>
        TestRuns.ForSeeds(1, seed =>
        {
            SQLitePCL.Batteries_V2.Init();
            using var folder = new TempFolder();
            string[] paths = [folder.File("a.db"), folder.File("b.db")];
            List<Cut> cuts = Work(folder, paths, new Random(seed));
            Assert.InRange(cuts.Count, 10, int.MaxValue);
            foreach (Cut cut in cuts)
            {
                VerifyCached(folder, paths, cut);
                VerifyPlain(folder, paths, cut);
                Array.ForEach(cut.Regions, region => region.Dispose());
            }
        });

    private static List<Cut> Work(TempFolder folder, string[] paths, Random random)
    {
        var cuts = new List<Cut>();
        SimulatedPmem[] regions = [.. paths.Select(_ => SimulatedPmem.Allocate(3 << 20))];
        SimulatedFileStore[] stores = [.. paths.Select(_ => new SimulatedFileStore())];
        (int committed, int begun, int events, int nextCut) = (0, 0, 0, int.MaxValue);
        using PCacheVfsRegistration vfs = Register(paths, regions, stores);
        using (SqliteConnection connection = Open(paths, vfs))
        {
            connection.Execute(
                "CREATE TABLE main.t (id INTEGER PRIMARY KEY, value INTEGER, body BLOB); CREATE TABLE other.u (id "
                + "INTEGER PRIMARY KEY, value INTEGER, body BLOB)");
            for (int i = 0; i < Rows; i++)
            {
                connection.Execute(
                    "INSERT INTO t VALUES (@i, 0, zeroblob(900)); INSERT INTO u VALUES (@i, 0, zeroblob(900))",
                    new { i });
            }

            nextCut = events + 1;
            for (int i = 0; i < paths.Length; i++)
            {
                regions[i].BeforeEvent = _ => Step();
                stores[i].BeforeChange = Step;
            }

            for (begun = 1; begun <= Transactions; begun++)
            {
                using SqliteTransaction transaction = connection.BeginTransaction();
                connection.Execute(
                    "UPDATE t SET value = @begun, body = randomblob(900); UPDATE u SET value = @begun, body = "
                    + "randomblob(900)", new { begun }, transaction);
                transaction.Commit();
                committed = begun;
            }

            begun = Transactions;
        }

        return cuts;

        void Step()
        {
            if (++events >= nextCut)
            {
                nextCut = events + 1 + random.Next(140);
                Dictionary<string, byte[]> supers =
                    Directory.GetFiles(folder.Path, "*-mj*").ToDictionary(file => file, File.ReadAllBytes);
                cuts.Add(new Cut(
                    events, [.. regions.Select(region => region.AfterPowerCut(random))],
                        [.. stores.Select(store => store.AfterPowerCut(random))], supers, committed, begun));
            }
        }
    }

    private static void VerifyCached(TempFolder folder, string[] paths, Cut cut)
    {
        Restore(folder, cut);
        SimulatedFileStore[] stores = [.. cut.Stores.Select(store => store.AfterPowerCut(new Random(cut.Event)))];
        using PCacheVfsRegistration vfs = Register(paths, cut.Regions, stores);
        using SqliteConnection connection = Open(paths, vfs);
        (int first, int second) = Check(connection, cut);
        Assert.True(first == second,
            $"Cut at {cut.Event}: transaction {first} in one database, {second} in the other.");
        Assert.InRange(first, cut.Committed, cut.Begun);
    }

    private static void VerifyPlain(TempFolder folder, string[] paths, Cut cut)
    {
        Restore(folder, cut);
        for (int i = 0; i < paths.Length; i++)
        {
            cut.Stores[i].SaveTo(paths[i]);
        }

        using SqliteConnection connection = Open(paths, null);
        if (connection.ExecuteScalar<int>(
            "SELECT (SELECT count(*) FROM main.sqlite_master) + (SELECT count(*) FROM other.sqlite_master)") == 2)
        {
            _ = Check(connection, cut);
        }
    }

    /// <summary>The number of the transaction that each is after.</summary>
    private static (int First, int Second) Check(SqliteConnection connection, Cut cut)
    {
        var states = new List<int>();
        foreach ((string database, string table) in new[] { ("main", "t"), ("other", "u") })
        {
            string found = connection.ExecuteScalar<string>($"PRAGMA {database}.integrity_check")!;
            Assert.True(found == "ok", $"Cut at {cut.Event}, {database}: {found}");
            int[] values = [.. connection.Query<int>($"SELECT DISTINCT value FROM {table}")];
            Assert.True(values.Length <= 1, $"Cut at {cut.Event}, {database}: rows of {values.Length} transactions.");
            states.Add(values.FirstOrDefault());
        }

        return (states[0], states[1]);
    }

    private static void Restore(TempFolder folder, Cut cut)
    {
        foreach (string file in Directory.GetFiles(folder.Path))
        {
            File.Delete(file);
        }

        foreach ((string path, byte[] content) in cut.SuperJournals)
        {
            File.WriteAllBytes(path, content);
        }
    }

    private static PCacheVfsRegistration Register(string[] paths, SimulatedPmem[] regions, SimulatedFileStore[] stores)
    {
        var source = new SimulatedSource();
        for (int i = 0; i < paths.Length; i++)
        {
            source.Add(paths[i], regions[i], stores[i]);
        }

        return PCacheVfs.Register(new PCacheVfsOptions { Name = $"two{Interlocked.Increment(ref _names)}" }, (_, _) =>
            source);
    }

    private static SqliteConnection Open(string[] paths, PCacheVfsRegistration? vfs)
    {
        SqliteConnection connection = Connections.Open(paths[0], vfs);
        try
        {
            connection.Execute("ATTACH @path AS other", new { path = paths[1] });
        }
        catch (SqliteException e) when (vfs?.LastError is { } error)
        {
            throw Connections.Told(e, error);
        }

        if (vfs is null)
        {
            connection.Execute("PRAGMA main.synchronous=OFF; PRAGMA other.synchronous=OFF"); // nothing is cut any more
        }

        return connection;
    }

    private sealed record Cut(
        int Event, SimulatedPmem[] Regions, SimulatedFileStore[] Stores, Dictionary<string, byte[]> SuperJournals,
            int Committed, int Begun);
}
