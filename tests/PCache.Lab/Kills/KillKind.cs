namespace PCache.Lab.Kills;

/// <summary>What kills of writers hit.</summary>
/// <param name="PowerSafe">On a disk, where flushes and msync take their real time; else in memory, where there are
/// many turns of log and segments between two kills.</param>
/// <param name="PersistWrites">The writers never flush, and each write that has returned counts as
/// acknowledged.</param>
internal readonly record struct KillKind(bool PowerSafe, bool PersistWrites)
{
    /// <summary>All kinds.</summary>
    public static readonly IReadOnlyList<KillKind> All = [new(false, false), new(true, false), new(false, true),
        new(true, true)];

    /// <summary>The seed of this kind's loop, of a common one.</summary>
    public int SeedOf(int seed) => seed + (PowerSafe ? 1000 : 0) + (PersistWrites ? 2000 : 0);
}
