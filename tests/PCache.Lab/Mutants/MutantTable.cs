// Keeps true: names are unique; the parts of the table are by folder of the sources, in files beside this one.
namespace PCache.Lab.Mutants;

/// <summary>The changes that tests have to notice.</summary>
internal static partial class MutantTable
{
    /// <summary>All of them, by part.</summary>
    public static IReadOnlyList<Mutant> All { get; } =
        [.. Log, .. Upkeep, .. Requests, .. Storage, .. Liveness, .. Sqlite, .. SqliteAtomic];
}
