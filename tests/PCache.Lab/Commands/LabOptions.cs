// Keeps true: a seed and a length mean the same in each verb.
using System.CommandLine;

namespace PCache.Lab.Commands;

/// <summary>Options that the verbs share.</summary>
internal static class LabOptions
{
    /// <summary>Largest seed.</summary>
    public const int MaxSeed = 1_000_000_000;

    /// <summary>Seconds without <c>--seconds</c>.</summary>
    public const int DefaultSeconds = 10;

    private const int MaxSeconds = 10_000_000;

    /// <summary>The seed to begin with.</summary>
    public static Option<int?> Seed(string description) => CommonOptions.Number("--seed", description, 1, MaxSeed);

    /// <summary>How long to go on.</summary>
    public static Option<int?> Seconds(string description) =>
        CommonOptions.Number("--seconds", description, 0, MaxSeconds);

    /// <summary>What the parse has, or a random seed.</summary>
    public static int SeedOf(ParseResult parse, Option<int?> seed) =>
        parse.GetValue(seed) ?? Random.Shared.Next(1, MaxSeed);
}
