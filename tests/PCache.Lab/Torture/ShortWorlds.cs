namespace PCache.Lab.Torture;

/// <summary>
/// Short scripts, each for a moment that random ones come to rarely: a flush of many keys, a log that goes on, a drain
/// that fails wherever it can. Keeps true: the list is the same on every machine; what is looked for afterwards is what
/// is looked for in any other world.
/// </summary>
internal static class ShortWorlds
{
    private const int Stripe = 4 << 20;

    private static readonly ExplorerOptions Points = new() { StatesPerDrain = 32, KillOneStoreIn = 1 };
    private static readonly WorldSettings Usual = new() { GcPercent = 0, WritebackDelayMs = 0, PayloadCrc = false };

    private static readonly WorldAction Flush = new(ActionKind.Flush);
    private static readonly WorldAction Read = new(ActionKind.Read);
    private static readonly WorldAction Drain = new(ActionKind.Drain);
    private static readonly WorldAction Reopen = new(ActionKind.Reopen);

    private static readonly ShortWorld[] Worlds =
    [
        new("a flush of several ksets", Usual, 1,
            _ => [.. Zeroes(0, 100), .. Zeroes(Stripe, 100), Flush]) { Explored = 200, Options = Points },
        new("the log goes on in a segment that was never made ready",
            Usual with { Segments = 8, LogReserveSegments = 1 }, 1,
            _ => [new(ActionKind.Churn, 0, 120), new(ActionKind.FillLog, 1, 200),
            .. Forced(0, 512, 5)]) { Explored = 2, Options = Points with { NestOneIn = 0, SecondLifeOneIn = 0 } },
        new("write-back, and what it leaves used again", Usual, 1,
            _ => [.. Forced(0, 4096, 3), Flush, Drain]) { Explored = 3, Options = Points with { SecondLifeOneIn = 1 } },
        new("calls of the backing fail", Usual, 16,
            n => [.. Forced(0, 4096, 2), .. Forced(Stripe, 4096, 1), new(ActionKind.Fault, n / 8, n % 8),
            new(ActionKind.Maintain, 0, 20), new(ActionKind.Wait, 0, 90_000), Drain]),
        new("a format over another cache", Usual with { Aged = true }, 3,
            _ => [new(ActionKind.Force, 0, 512), Flush]) { Explored = 0,
            Options = Points with { StatesPerDrain = 96 } },
        new("a format over a cache that was young", Usual with { Aged = true, AgedTurns = 1 }, 1,
            _ => [new(ActionKind.Force, 0, 512), Flush]) { Explored = 0, Options = Points },
        new("a write in the middle of a read", Usual, 3, n =>
            [new(ActionKind.Within, 0, 1 + n), new(ActionKind.Write, (n == 2 ? Stripe : 0) + 1024, 512), Read, Reopen]),
        new("drains fail while GC is at work", Usual, 40,
            n => [.. Forced(0, 8192, 8), new(ActionKind.Wait, 0, 2000), new(ActionKind.DrainFault, 0, 1 + n),
            new(ActionKind.Maintain, 0, 40), .. Forced(0, 512, 3), Drain]),
        new("drains fail while GC leaves log segments", Usual with { Segments = 8 }, 48,
            n => [new(ActionKind.FillLog, 0, 200), Drain, new(ActionKind.Maintain, 0, 60), .. Forced(0, 512, 4),
            new(ActionKind.DrainFault, 0, 1 + n), new(ActionKind.Maintain, 0, 200), Drain, Read]),
        new("misses beside what is cached, large blocks", Usual with { BlockSize = 4096 }, 1, _ =>
            [.. Forced(512, 512, 1), Read, Drain, Read]),
        new("write-back after an open, and GC behind it", Usual, 1,
            _ => [.. Forced(0, 4096, 2), Drain, new(ActionKind.Maintain, 0, 40), .. Forced(0, 4096, 2), Drain, Reopen,
            .. Forced(0, 4096, 1), Drain, new(ActionKind.Maintain, 0, 40), Reopen, Drain]) { Explored = 7,
            Options = Points with { LoseReplicaOneIn = 2 } },
        new("a log segment that was left is used again", Usual with { LogReserveSegments = 1 }, 36,
            n => [new(ActionKind.FillLog, 0, 200), Drain, new(ActionKind.Maintain, 0, 60),
            .. Forced(0, 512, 1 + (n % 3)), Drain, new(ActionKind.Maintain, 0, 60),
            new(ActionKind.Churn, 0, 4 + (n / 3 * 3)), .. Forced(0, 8192, 1)]) { Explored = 6,
            Options = Points with { StatesPerDrain = 4, PointOneIn = 4, NestOneIn = 0, SecondLifeOneIn = 0 } },
        new("drains of a flush fail", Usual, 6,
            n => [.. Written(0, 512, 2), new(ActionKind.DrainFault, 0, 1 + n), Flush, .. Written(0, 1024, 1), Flush,
            .. Forced(4096, 512, 1)]) { Explored = 4, Options = Points },
        new("keys until there is no room", Usual with { Segments = 5 }, 1, _ =>
            [new(ActionKind.FillKeys), .. Forced(0, 512, 1)]),
        new("a flush of several shards", Usual, 3,
            n => [.. Written(0, 512, 1), .. Written(Stripe, 512, 1), Flush]) { Explored = 2,
            Options = Points with { SecondLifeOneIn = 0 } },
        new("segments given to another writer", Usual with { GcPercent = 70 }, 2,
            n => [.. Forced(0, 8192, 2 + (n * 10)), .. Forced(Stripe, 512, 2), new(ActionKind.GiveAway),
            .. Forced(0, 4096, 3), new(ActionKind.Maintain, 0, 20), new(ActionKind.Churn, 0, 40), Drain]),
        new("a write in the middle of a write of a part of a sector", Usual with { NestsOverlaps = true }, 2,
            n => [.. Written(512, 512 * n, n), Drain, new(ActionKind.Within, 0, 1), .. Written(0, 1024, 1),
            new(ActionKind.Write, 100, 600), Flush, Read, Reopen]),
        new("a write in the middle of a write", Usual with { NestsOverlaps = true }, 2,
            n => [new(ActionKind.Within, 0, 1), .. Written(0, 1024, 1), new(ActionKind.Write, 0, 1024 * (n + 1)), Read,
            Reopen]),
    ];

    private static WorldAction Pause => new(ActionKind.Pause);

    /// <summary>What a world is about.</summary>
    /// <param name="number">From 1.</param>
    public static string Name(int number) => Worlds[number - 1].Name;

    /// <summary>Runs a world.</summary>
    /// <param name="number">From 1.</param>
    /// <param name="counters">What was done.</param>
    /// <param name="mostStates">When there were so many states, nothing more is explored.</param>
    /// <exception cref="TortureViolation">A promise was broken.</exception>
    public static void Run(int number, TortureCounters counters, long mostStates = long.MaxValue)
    {
        ShortWorld world = Worlds[number - 1];
        for (int i = 0; i < world.Variants; i++)
        {
            WorldSettings settings = world.Settings with
            {
                Seed = 1 + i,
                Cores = 1
                + (i % 3),
                Segments = world.Settings.Segments + (world.Settings.Aged ? i : 0)
            };
            CrashExplorer? explorer = world.Explored < 0 ? null
                : new CrashExplorer(world.Options with { MostStates = mostStates }, 1
                + i, counters)
                { FirstAction = world.Explored, ExploresCreation = world.Explored == 0 };
            new World(settings, explorer).Run([.. world.Script(i)]);
        }
    }

    private static IEnumerable<WorldAction> Zeroes(long offset, int count) =>
        Enumerable.Range(0, count).Select(i => new WorldAction(ActionKind.Zeroes, offset + (i % 8 * 512), 512));

    private static IEnumerable<WorldAction> Forced(long offset, int length, int count) =>
        Enumerable.Range(0, count).Select(i => new WorldAction(ActionKind.Force, offset, length));

    private static IEnumerable<WorldAction> Written(long offset, int length, int count) =>
        Enumerable.Range(0, count).Select(i => new WorldAction(ActionKind.Write, offset, length));

    private sealed record ShortWorld(string Name, WorldSettings Settings, int Variants, Func<int,
        IEnumerable<WorldAction>> Script)
    {
        /// <summary>The action from which on every moment is explored; below 0: none is.</summary>
        public int Explored { get; init; } = -1;

        public ExplorerOptions Options { get; init; } = Points;
    }
}
