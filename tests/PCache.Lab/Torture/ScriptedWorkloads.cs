namespace PCache.Lab.Torture;

/// <summary>
/// Short scripts, each operation and each pair of them, each in every situation that matters: an empty cache, a log
/// about to go on in its next segment, GC with work to do, a full cache. Keeps true: the list is the same on every
/// machine; every operation and situation of the tables below is paired with every one.
/// </summary>
internal static class ScriptedWorkloads
{
    private const int Stripe = 4 << 20;

    /// <summary>The operations.</summary>
    private static readonly (string Name, WorldAction[] Actions)[] Operations =
    [
        ("write", [new(ActionKind.Write, 1024, 512)]),
        ("write again", [new(ActionKind.Write, 0, 2048)]),
        ("write a part", [new(ActionKind.Write, 1300, 700)]),
        ("write over a stripe's end", [new(ActionKind.Write, Stripe - 512, 1024)]),
        ("write at the end", [new(ActionKind.Write, Stripe + (24 << 10) - 512, 812)]),
        ("force", [new(ActionKind.Force, 1024, 1024)]),
        ("flush", [new(ActionKind.Flush)]),
        ("zeroes", [new(ActionKind.Zeroes, 512, 1536)]),
        ("discard", [new(ActionKind.Discard, 512, 1536)]),
        ("read", [new(ActionKind.Read)]),
        ("timer", [new(ActionKind.Wait, 0, 1100), new(ActionKind.Maintain, 0, 2)]),
        ("write back", [new(ActionKind.Wait, 0, 4000), new(ActionKind.Maintain, 0, 12)]),
        ("drain", [new(ActionKind.Drain)]),
        ("close", [new(ActionKind.Reopen)]),
        ("drain and close", [new(ActionKind.Reopen, 0, 1)]),
        ("write within write-back", [new(ActionKind.Within, 0, 1), new(ActionKind.Write, 1024, 512),
            new(ActionKind.Wait, 0, 4000), new(ActionKind.Maintain, 0, 12)]),
        ("flush within write-back", [new(ActionKind.Within, 0, 1), new(ActionKind.Flush),
            new(ActionKind.Wait, 0, 4000), new(ActionKind.Maintain, 0, 12)]),
        ("write within a read", [new(ActionKind.Within, 0, 1), new(ActionKind.Write, 1024, 512), new(ActionKind.Read)]),
        ("grow", [new(ActionKind.SetLength, Stripe + (27 << 10))]),
        ("grow by a write", [new(ActionKind.Write, Stripe + (26 << 10), 700)]),
        ("shrink", [new(ActionKind.SetLength, Stripe + 700)]),
    ];

    /// <summary>The situations: what was done before. None of it is explored.</summary>
    private static readonly (string Name, WorldAction[] Actions)[] Situations =
    [
        ("empty", []),
        ("written", [new(ActionKind.Write, 0, 4096), new(ActionKind.Write, Stripe - 1024, 2048), new(ActionKind.Flush),
            new(ActionKind.Write, 1024, 512)]),
        ("end of a log segment", [.. FillLog(), new(ActionKind.Write, 0, 4096)]),
        ("collecting", [.. FillLog(), new(ActionKind.Drain), new(ActionKind.Write, 0, 4096), new(ActionKind.Flush),
            new(ActionKind.Maintain, 0, 3)]),
        ("full", [.. Enumerable.Range(0, 40).Select(i => new WorldAction(ActionKind.Write, i % 2 * 6144, 6144)),
            new(ActionKind.Flush)]),
    ];

    /// <summary>Number of scripts with one operation: the first ones.</summary>
    public static int SingleCount => Situations.Length * Operations.Length * Machines.Length;

    /// <summary>Number of scripts.</summary>
    public static int Count => Situations.Length * (Operations.Length + (Operations.Length * Operations.Length))
        * Machines.Length;

    /// <summary>Number of scripts with one operation; they come first.</summary>
    public static int Singles => Situations.Length * Operations.Length * Machines.Length;

    /// <summary>The machines: checksums on and off, cheap and dear drains, as far as they make a difference.</summary>
    private static WorldSettings[] Machines { get; } =
    [
        new() { CanResize = true, CanDiscard = true, OddBytes = 300 },
        new() { CanResize = true, CanDiscard = true, OddBytes = 300, PayloadCrc = false, DrainIsCheap = false,
            Cores = 1, LogReserveSegments = 1, GcPercent = 0, WritebackDelayMs = 0 },
    ];

    /// <summary>A script: name, machine, what is done without being explored, and what is explored.</summary>
    /// <param name="number">0 to <see cref="Count"/> - 1.</param>
    public static (string Name, WorldSettings Settings, WorldAction[] Before, WorldAction[] Explored) Get(int number)
    {
        (number, int machine) = Math.DivRem(number, Machines.Length);
        (number, int situation) = Math.DivRem(number, Situations.Length);
        int second = (number / Operations.Length) - 1;
        int first = number % Operations.Length;
        string name = $"{Situations[situation].Name}: {Operations[first].Name}"
            + (second < 0 ? "" : $", {Operations[second].Name}") + (machine == 0 ? "" : $" (machine {machine})");
        WorldAction[] explored = [.. Operations[first].Actions, .. second < 0 ? [] : Operations[second].Actions];
        return (name, Machines[machine] with { Seed = number + 1 }, Situations[situation].Actions, explored);
    }

    /// <summary>Ksets of one key each, until less than two of them fit in the log's first segment.</summary>
    private static IEnumerable<WorldAction> FillLog()
    {
        const int Room = (64 << 10) - (12 << 10) - 24;
        for (int used = 0; used + 64 + 128 < Room; used += 64)
        {
            yield return new WorldAction(ActionKind.Zeroes, used / 64 % 8 * 512, 512);
            yield return new WorldAction(ActionKind.Flush);
        }
    }
}
