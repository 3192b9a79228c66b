namespace PCache.Core.Primitives;

/// <summary>
/// The machine that a device runs on, as far as its behaviour depends on it. It is the real one, but for simulations
/// and tests, whose clock brings one that they made up (see <see cref="IMachineClock"/>).
/// </summary>
internal sealed record Machine
{
    /// <summary>The machine itself.</summary>
    public static readonly Machine Real = new();

    /// <summary>Cores, and random numbers.</summary>
    public Chance Chance { get; init; } = Chance.Machine;

    /// <summary>Threads that help the replay; null: as fits the machine and the device's settings.</summary>
    public int? ReplayHelpers { get; init; }

    /// <summary>Keys of one batch of the replay; 0: as fits the machine.</summary>
    public int ReplayBatchKeys { get; init; }

    /// <summary>The machine of a device with this clock.</summary>
    public static Machine Of(TimeProvider clock) => clock is IMachineClock made ? made.Machine : Real;
}

/// <summary>A clock that brings a machine with it.</summary>
internal interface IMachineClock
{
    /// <summary>The machine.</summary>
    Machine Machine { get; }
}
