// Keeps true: a scenario cleans up what it made, also when it fails.
using PCache.Benchmarks.Compare;

namespace PCache.Benchmarks.Scenarios;

/// <summary>The scenarios by name.</summary>
internal static class BenchScenarios
{
    private static readonly Dictionary<string, Func<CompareSettings, CancellationToken, ScenarioResult>> Known = new()
    {
        ["threads"] = SweepScenarios.Threads,
        ["blocks"] = SweepScenarios.Blocks,
        ["fill"] = FillScenario.Run,
        ["writeback"] = WritebackScenario.Run,
        ["appends"] = AppendsScenario.Run,
        ["commits"] = CommitsScenario.Run,
        ["full"] = FullScenario.Run,
        ["gc"] = GcScenario.Run,
        ["sync"] = SyncScenario.Run,
        ["open"] = OpenScenario.Run,
        ["index"] = IndexScenario.Run,
    };

    public static IReadOnlyList<string> Names { get; } = [.. Known.Keys];

    public static ScenarioResult Run(string name, CompareSettings settings, CancellationToken cancellation) =>
        Known[name](settings, cancellation);
}
