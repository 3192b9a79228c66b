using PCache.Core;

namespace PCache.Lab.Torture;

/// <summary>
/// Worlds whose backing goes from flush to flush in one step. Keeps true: small segments and little room, so that a window is often pressed for.
/// </summary>
internal static class CheckpointWorlds
{
    private const int Stripe = 4 << 20;

    /// <summary>Where the backing ends at first; the universe goes on for 4 KiB.</summary>
    private const int End = Stripe + (24 << 10);

    private static readonly WorldAction Flush = new(ActionKind.Flush);
    private static readonly WorldAction Drain = new(ActionKind.Drain);

    private static readonly World[] Worlds =
    [
        new("windows of several flushes", 1, _ => [.. Two(0), Flush, .. Two(0), Flush, .. Later(2000), .. Two(Stripe), Flush, Drain]),
        new("keys that no flush has ended", 1, _ => [.. Two(0), Flush, new(ActionKind.Write, 8192, 512), .. Later(600), new(ActionKind.Write, 512, 512), .. Later(1500), Drain]),
        new("a checkpoint is cut off", 24, n => [.. Two(0), Flush, .. Two(0), Flush, new(n % 2 == 0 ? ActionKind.Kill : ActionKind.PowerCut, 0, 2 + n), .. Later(2000), .. Two(8192), Flush, .. Later(2000), Drain]),
        new("a checkpoint fails", 4, n => [.. Two(0), Flush, new(ActionKind.Fault, 1, n), .. Later(2000), .. Two(8192), Flush, .. Later(90_000), Drain]),
        new("a truncation behind a checkpoint", 1, _ => [new(ActionKind.Write, Stripe + (16 << 10), 4096), Flush, new(ActionKind.Wait, 0, 2000), new(ActionKind.Maintain, 0, 4), new(ActionKind.SetLength, Stripe + 1000), .. Two(0), Flush, Drain]) { CanResize = true },
        new("appends", 1, _ => Appends()) { CanResize = true },
        new("appends, flush by flush", 1, _ => Appends())
        {
            CanResize = true,
            Consistency = BackingConsistency.EachFlush,
        },
    ];

    /// <summary>A machine of a seed.</summary>
    public static WorldSettings Settings(int seed) => WorldSettings.FromSeed(seed) with
    {
        Consistency = BackingConsistency.Checkpoint,
        SegmentBytes = 64 << 10,
        Segments = 6 + (seed % 3),
    };

    /// <summary>Number of worlds.</summary>
    public static int Count => Worlds.Length;

    /// <summary>What a world is about.</summary>
    public static string Name(int number) => Worlds[number].Name;

    /// <summary>Runs a world, stopped at every moment.</summary>
    /// <exception cref="TortureViolation">A promise was broken.</exception>
    public static void Run(int number, TortureCounters counters)
    {
        World world = Worlds[number];
        for (int n = 0; n < world.Variants; n++)
        {
            var settings = new WorldSettings
            {
                Seed = 1 + number + (n * 16),
                Consistency = world.Consistency,
                CanResize = world.CanResize,
                GcPercent = 0,
                WritebackDelayMs = 0,
            };
            var explorer = new CrashExplorer(new ExplorerOptions { StatesPerDrain = 4, StatesPerDiskCall = 8, SecondLifeOneIn = 8, NestOneIn = 0, PointOneIn = world.Variants > 4 ? 2 : 1 }, 1 + n, counters) { ExploresCreation = false };
            new Torture.World(settings, explorer).Run([.. world.Script(n)]);
        }
    }

    private static IEnumerable<WorldAction> Later(int milliseconds) => [new(ActionKind.Wait, 0, milliseconds), new(ActionKind.Maintain, 0, 20)];

    /// <summary>Growth by writes, with and without a flush, and by itself; written back in between.</summary>
    private static IEnumerable<WorldAction> Appends() =>
    [
        new(ActionKind.Write, End, 700), Flush, new(ActionKind.Write, End + 700, 600), Flush, .. Later(2000),
        new(ActionKind.Write, End + 1300, 900), .. Later(600), new(ActionKind.Write, End + 2200, 500), Flush,
        new(ActionKind.SetLength, End + 3000), Flush, new(ActionKind.Write, 0, 512), .. Later(2000),
        new(ActionKind.SetLength, End + 3500), Flush, new(ActionKind.Kill, 0, 1), .. Later(100),
        new(ActionKind.Write, End + 3500, 300), Flush, Drain,
    ];

    private static IEnumerable<WorldAction> Two(long offset) => [new(ActionKind.Write, offset, 2048), new(ActionKind.Write, offset + 4096, 1024)];

    private sealed record World(string Name, int Variants, Func<int, IEnumerable<WorldAction>> Script)
    {
        public bool CanResize { get; init; }

        public BackingConsistency Consistency { get; init; } = BackingConsistency.Checkpoint;
    }
}
