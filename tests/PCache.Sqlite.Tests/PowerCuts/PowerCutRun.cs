using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.PowerCuts;

/// <summary>
/// A workload of transactions on simulated media, with the power cut at many moments of it. Keeps true: each moment
/// leaves copies, and the workload goes on; everything runs on the test's thread, so a seed gives the same run each
/// time.
/// </summary>
/// <remarks>
/// Transaction n sets the counter to n, rewrites rows that all have to say n, and adds or removes others: so a state of
/// the database names the transaction that it is after, and shows whether it is whole.
/// </remarks>
internal sealed class PowerCutRun : IDisposable
{
    private const int CacheBytes = 3 << 20;
    private const int MarkedRows = 12;
    private static int _names;

    private readonly TempFolder _folder = new();
    private readonly SimulatedSource _source;
    private readonly PCacheVfsRegistration _vfs;
    private readonly Random _random;
    private readonly string _mode;
    private readonly string _pragmas;
    private readonly bool _isLazy; // a commit isn't durable, but whole
    private readonly SimulatedPmem _region;
    private readonly SimulatedFileStore _store = new();
    private readonly List<Cut> _cuts = [];
    private int _events;
    private int _nextCut;
    private int _begun;
    private int _committed;
    private int _opened;

    /// <param name="seed">Names the run.</param>
    /// <param name="mode">Journal mode.</param>
    /// <param name="defect">A mistake on purpose.</param>
    /// <param name="pragmas">Set before anything else.</param>
    /// <param name="isAtomic">Whether transactions without a journal are written as a whole; null: in modes without
    /// one.</param>
    /// <param name="isSequential">Whether order alone is kept: then nothing is written back.</param>
    public PowerCutRun(
        int seed, string mode, CachedFilesDefect defect = CachedFilesDefect.None, string pragmas = "",
        bool? isAtomic = null, bool isSequential = false)
    {
        _source = new SimulatedSource { IsSequential = isSequential };
        _region = SimulatedPmem.Allocate(isSequential ? 2 * CacheBytes : CacheBytes);
        SQLitePCL.Batteries_V2.Init();
        _random = new Random((seed * 7919) + mode.Length);
        _mode = mode;
        _pragmas = pragmas;
        _isLazy = pragmas.Contains("synchronous=OFF", StringComparison.Ordinal);
        _source.Defect = defect;
        _vfs = PCacheVfs.Register(
            new PCacheVfsOptions
            {
                Name = $"cut{Interlocked.Increment(ref _names)}",
                AtomicCommits = isAtomic ?? mode is "memory" or "off"
            },
            (_, _) => _source);
    }

    public int CutCount => _cuts.Count;

    /// <summary>Whether plain files are written in windows; from the start, and in every open.</summary>
    public bool Windows
    {
        get => _source.Windows;
        init => _source.Windows = value;
    }

    /// <summary>A mistake in the windows of the work, but not of what is opened after a cut.</summary>
    public WindowDefect WindowDefect { get; init; }

    /// <summary>How many windows the work had.</summary>
    public int WindowCount { get; private set; }

    /// <summary>Works, and keeps what cuts on the way leave.</summary>
    public void Work(int transactions, int eventsBetweenCuts)
    {
        string path = _folder.File("work.db");
        _source.Add(path, _region, _store);
        _source.WindowDefect = WindowDefect;
        using (SqliteConnection connection = Open(path))
        {
            Prepare(connection);
            _source.WindowDefect = WindowDefect.None;
            if (_isLazy && _vfs.TryGetDevice(path, out PCacheDevice? device))
            {
                device.Flush();
            }

            _source.Defect = CachedFilesDefect.None;
            _nextCut = _events + 1;
            _region.BeforeEvent = _ => Step(eventsBetweenCuts);
            _store.BeforeChange = () => Step(_source.LastBacking!.IsUnderWay ? 0 : eventsBetweenCuts);
            for (int i = 1; i <= transactions; i++)
            {
                Transact(connection, i);
                Maintain(path, _random.Next(4) == 0 && !_source.IsSequential ? _random.Next(40) : 0);
            }
        }

        WindowCount = _source.LastBacking!.Windows;
        _region.BeforeEvent = null;
        _store.BeforeChange = null;
    }

    /// <summary>Opens what each cut has left, with the cache and without it.</summary>
    public void Verify(bool cachedOnly = false)
    {
        foreach (Cut cut in _cuts)
        {
            VerifyCached(cut);
            if (!cachedOnly)
            {
                VerifyPlain(cut, cut.PlainFiles, "plain");
            }

            cut.Region.Dispose();
        }
    }

    public void Dispose()
    {
        _vfs.Dispose();
        _source.Clear(); // the registration, and so the source, is never given back
        _region.Dispose();
        _folder.Dispose();
    }

    private SqliteConnection Open(string path) => Connections.Open(path, _vfs);

    private void Prepare(SqliteConnection connection)
    {
        connection.Execute(
            $"PRAGMA page_size=1024; PRAGMA synchronous=FULL; {_pragmas}; PRAGMA journal_mode={_mode}; "
            + "PRAGMA cache_size=8; PRAGMA wal_autocheckpoint=20");
        connection.Execute(
            """
            BEGIN;
            CREATE TABLE counter (value INTEGER);
            INSERT INTO counter VALUES (0);
            CREATE TABLE marks (id INTEGER PRIMARY KEY, value INTEGER, body BLOB);
            CREATE INDEX bodies ON marks (value, body);
            COMMIT;
            """);
        for (int i = 0; i < MarkedRows; i++)
        {
            connection.Execute("INSERT INTO marks VALUES (@i, 0, randomblob(400))", new { i });
        }
    }

    private void Transact(SqliteConnection connection, int number)
    {
        _begun = number;
        using (SqliteTransaction transaction = connection.BeginTransaction())
        {
            connection.Execute("UPDATE counter SET value = @number", new { number }, transaction);
            connection.Execute("UPDATE marks SET value = @number, body = randomblob(@length)",
                new { number, length = _random.Next(100, 900) }, transaction);
            if (_random.Next(3) == 0)
            {
                connection.Execute("DELETE FROM marks WHERE id >= @MarkedRows", new { MarkedRows }, transaction);
            }
            else
            {
                for (int i = _random.Next(4); i > 0; i--)
                {
                    connection.Execute("INSERT INTO marks (value, body) VALUES (@number, randomblob(1500))",
                        new { number }, transaction);
                }
            }

            transaction.Commit();
        }

        _committed = number;
        if (_mode == "memory" && _random.Next(4) == 0)
        {
            using SqliteTransaction undone = connection.BeginTransaction();
            connection.Execute("UPDATE marks SET value = -1, body = randomblob(1200)", transaction: undone);
            connection.Execute(
                "SAVEPOINT inner; INSERT INTO marks (value, body) SELECT -2, randomblob(1000) FROM marks; "
                + "ROLLBACK TO inner; DELETE FROM marks WHERE id < 5", transaction: undone);
            undone.Rollback();
        }

        if (_random.Next(8) == 0)
        {
            connection.Execute("VACUUM");
        }
    }

    private void Maintain(string path, int steps)
    {
        Assert.True(_vfs.TryGetDevice(path, out PCacheDevice? device));
        for (int i = 0; i < steps; i++)
        {
            _source.Clock.Advance(TimeSpan.FromMilliseconds(200));
            _ = device.RunMaintenanceStep();
        }
    }

    /// <summary>
    /// Before each event of memory or files: perhaps a cut, which is any state that losing power right now may leave.
    /// </summary>
    private void Step(int eventsBetweenCuts)
    {
        if (++_events < _nextCut && eventsBetweenCuts > 0)
        {
            return;
        }

        _nextCut = _events + 1 + _random.Next(2 * Math.Max(50, eventsBetweenCuts)); // 0: a window is under way
        _cuts.Add(new Cut(_events, _region.AfterPowerCut(_random), _store.AfterPowerCut(_random), _committed, _begun));
    }

    private void VerifyCached(Cut cut)
    {
        string path = _folder.File($"cut{++_opened}.db");
        _source.Add(path, cut.Region, cut.Store);
        using SqliteConnection connection = Open(path);
        int state = CheckWhole(connection, $"after a cut at event {cut.Event}, with its cache");
        Assert.True((_isLazy || state >= cut.Committed)
            && state <= cut.Begun,
            $"Cut at event {cut.Event}: state {state}, but {cut.Committed} was committed and {cut.Begun} begun.");
        if (Windows)
        {
            // write-back goes on from there, and loses power again
            Maintain(path, 1 + _random.Next(3));
            VerifyPlain(cut, cut.Store.AfterPowerCut(_random), "again");
        }
    }

    private void VerifyPlain(Cut cut, SimulatedFileStore files, string name)
    {
        string path = _folder.File($"{name}{_opened}.db");
        files.SaveTo(path);
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        connection.Execute("PRAGMA synchronous=OFF;"); // nothing is cut any more
        if (connection.ExecuteScalar<int>("SELECT count(*) FROM sqlite_master WHERE name='counter'") == 0)
        {
            return; // from before the first transaction
        }

        if (connection.ExecuteScalar<int>("SELECT count(*) FROM marks") >= MarkedRows)
        {
            int state = CheckWhole(connection, $"after a cut at event {cut.Event}, without its cache");
            Assert.InRange(state, 0, cut.Begun);
        }
    }

    /// <summary>The number of the transaction that the database is after.</summary>
    private static int CheckWhole(SqliteConnection connection, string when)
    {
        string found = connection.ExecuteScalar<string>("PRAGMA integrity_check")!;
        Assert.True(found == "ok", $"{when}: {found}");
        int counter = connection.ExecuteScalar<int>("SELECT value FROM counter");
        int others = connection.ExecuteScalar<int>(
            "SELECT count(*) FROM marks WHERE value <> @counter AND id < @MarkedRows", new { counter, MarkedRows });
        Assert.True(others == 0, $"{when}: {others} rows aren't of transaction {counter}.");
        Assert.Equal(MarkedRows, connection.ExecuteScalar<int>("SELECT count(*) FROM marks WHERE id < @MarkedRows",
            new { MarkedRows }));
        return counter;
    }

    private sealed class Cut(int at, SimulatedPmem region, SimulatedFileStore store, int committed, int begun)
    {
        public int Event { get; } = at;

        public SimulatedPmem Region { get; } = region;

        public SimulatedFileStore Store { get; } = store;

        /// <summary>The same files, for opening them alone.</summary>
        public SimulatedFileStore PlainFiles { get; } = store.AfterPowerCut(new Random(at));

        public int Committed { get; } = committed;

        public int Begun { get; } = begun;
    }
}
