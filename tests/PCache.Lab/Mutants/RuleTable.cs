// Keeps true: names are unique; what docs/testing-rules.md says of rules is what stands here.
namespace PCache.Lab.Mutants;

/// <summary>Every rule that tests have seen broken: woven into the checked build, and nowhere else.</summary>
internal static partial class RuleTable
{
    private const string Model = "model";
    private const string Crashes = "crash exploration";
    private const string Faults = "faults";
    private const string Images = "hostile images";
    private const string Liveness = "liveness";
    private const string Concurrency = "concurrency";

    /// <summary>The kinds of tests that find something.</summary>
    public static IReadOnlyList<string> Kinds { get; } = [Model, Crashes, Faults, Images, Liveness, Concurrency];

    /// <summary>All of them, in the page's order.</summary>
    public static IReadOnlyList<RuleRow> All { get; } =
        [
            .. OrderOne, .. Prefix, .. OrderTwo, .. Checkpoints, .. ClassesOne, .. ClassesTwo, .. HotPaths,
            .. Validation,
        ];
}
