namespace PCache.Lab.Torture;

/// <summary>How thoroughly crashes are explored. Immutable.</summary>
internal sealed record ExplorerOptions
{
    /// <summary>States drawn at a drain of the region where not all are tried.</summary>
    public int StatesPerDrain { get; init; } = 64;

    /// <summary>
    /// All states are tried at a drain where there are no more than this; never fewer than
    /// <see cref="StatesPerDrain"/>.
    /// </summary>
    public int AllUpTo { get; init; }

    /// <summary>States tried before a call of the backing.</summary>
    public int StatesPerDiskCall { get; init; } = 6;

    /// <summary>One store in so many is a point at which the process is killed.</summary>
    public int KillOneStoreIn { get; init; } = 4;

    /// <summary>One point in so many is looked at; 1: each.</summary>
    public int PointOneIn { get; init; } = 1;

    /// <summary>When its counters have so many states, nothing more is explored.</summary>
    public long MostStates { get; init; } = long.MaxValue;

    /// <summary>Of one recovery in so many, each persist point is a crash again; 0: never.</summary>
    public int NestOneIn { get; init; } = 24;

    /// <summary>Most states tried at each persist point of a recovery.</summary>
    public int NestedStatesPerDrain { get; init; } = 8;

    /// <summary>Recoveries within recoveries.</summary>
    public int Depth { get; init; } = 3;

    /// <summary>After one recovery in so many the cache has to accept, drain and collect; 0: never.</summary>
    public int SecondLifeOneIn { get; init; } = 8;

    /// <summary>One state in so many is also opened read-only; 0: never.</summary>
    public int ReadOnlyOneIn { get; init; } = 16;

    /// <summary>In one state in so many one replica of a tail is lost besides; 0: never.</summary>
    public int LoseReplicaOneIn { get; init; } = 8;

    /// <summary>All subsets where at most 12 words are open, at a choice of points: for short scripts.</summary>
    public static ExplorerOptions AllSubsets { get; } =
        new() { AllUpTo = 1 << CrashStates.ExhaustiveWords, StatesPerDrain = 32, PointOneIn = 16 };
}
