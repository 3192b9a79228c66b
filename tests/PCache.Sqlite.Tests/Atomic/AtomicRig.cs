using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;
using PCache.Sqlite.Native;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Atomic;

/// <summary>
/// One connection's view of a database on simulated media, as the callbacks have it: EXCLUSIVE is held from the start.
/// </summary>
internal sealed class AtomicRig : IDisposable
{
    private const string Name = "/simulated.db";

    public AtomicRig(int lengthBytes = 4096)
    {
        var source = new SimulatedSource();
        source.Add(Name, Region, Store);
        Database = source.Open(Path.GetFullPath(Name), DatabaseMode.Create);
        Lock(LockLevel.Exclusive);
        Atomic = new AtomicCommits(Database, Holder);
        Files.Create(FileSlot.Main);
        if (lengthBytes > 0)
        {
            Files.Write(FileSlot.Main, 0, Filled(1, lengthBytes));
        }

        Files.Sync(FileSlot.Main);
    }

    public SimulatedPmem Region { get; } = SimulatedPmem.Allocate(4 << 20);

    public SimulatedFileStore Store { get; } = new();

    public Database Database { get; }

    public IDatabaseFiles Files => Database.Files;

    public LockHolder Holder { get; } = new();

    public AtomicCommits Atomic { get; }

    public static byte[] Filled(byte value, int count) => [.. Enumerable.Repeat(value, count)];

    public void Lock(LockLevel level)
    {
        Assert.True(Database.Locks.TryLock(Holder, LockLevel.Shared));
        Assert.True(Database.Locks.TryLock(Holder, level));
    }

    /// <summary>What this connection reads: the values that follow one another.</summary>
    public string Seen() => Values(Atomic.Length, Atomic.Read);

    /// <summary>What anybody else would read.</summary>
    public string There() => Values(Files.GetLength(FileSlot.Main), (at, to) => Files.Read(FileSlot.Main, at, to));

    /// <summary>What is there after losing power now, by seed.</summary>
    public string AfterPowerCut(int seed) => Of(Cut(new Random(seed)));

    /// <summary>The states that losing power at any moment of some work may leave.</summary>
    public SortedSet<string> AfterPowerCutsDuring(Action work)
    {
        var random = new Random(7);
        var states = new SortedSet<string>(StringComparer.Ordinal);
        var cuts = new List<(SimulatedPmem Region, SimulatedFileStore Store)>();
        Region.BeforeEvent = _ => cuts.Add(Cut(random));
        work();
        Region.BeforeEvent = null;
        Assert.NotEmpty(cuts);
        cuts.ForEach(cut => states.Add(Of(cut)));
        return states;
    }

    public void Dispose()
    {
        Atomic.Drop();
        Database.CloseDirty(); // a test may have broken it
        Region.Dispose();
    }

    private (SimulatedPmem Region, SimulatedFileStore Store) Cut(Random random) =>
        (Region.AfterPowerCut(random), Store.AfterPowerCut(random));

    private static string Of((SimulatedPmem Region, SimulatedFileStore Store) cut)
    {
        using SimulatedPmem region = cut.Region;
        var source = new SimulatedSource();
        source.Add(Name, region, cut.Store);
        Database database = source.Open(Path.GetFullPath(Name), DatabaseMode.Existing);
        string values = Values(database.Files.GetLength(FileSlot.Main),
            (at, to) => database.Files.Read(FileSlot.Main, at, to));
        database.Close();
        return values;
    }

    /// <summary>As "value x length" for each run of equal bytes.</summary>
    private static string Values(long length, ReadAt read)
    {
        var content = new byte[length];
        Assert.Equal(length, read(0, content));
        var runs = new List<string>();
        for (int from = 0, to; from < content.Length; from = to)
        {
            byte value = content[from];
            int next = content.AsSpan(from).IndexOfAnyExcept(value);
            to = next < 0 ? content.Length : from + next;
            runs.Add($"{value}x{to - from}");
        }

        return string.Join(' ', runs);
    }

    private delegate int ReadAt(long offset, Span<byte> buffer);
}
