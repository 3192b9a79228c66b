using System.Diagnostics;
using System.Globalization;

namespace PCache.Core.Tests.Support;

/// <summary>
/// Seeds and lengths of random runs: short in the suite, longer by environment variables, with the same code.
/// </summary>
internal static class TestRuns
{
    /// <summary>A time-out against hangs only, generous.</summary>
    public static readonly TimeSpan HangLimit = TimeSpan.FromSeconds(60);

    /// <summary>Seconds that each random test may go on for; 0 in the suite.</summary>
    public static double Seconds { get; } = Number("PCACHE_TEST_SECONDS") ?? 0;

    /// <summary>The only seed to run, where PCACHE_TEST_SEED is set.</summary>
    public static int? Only { get; } = (int?)Number("PCACHE_TEST_SEED");

    /// <summary>
    /// How much of something: what the suite does, or what a long run does, one with PCACHE_TEST_SECONDS.
    /// </summary>
    public static int Many(int suite, int longRun) => Seconds > 0 ? longRun : suite;

    /// <summary>
    /// Runs seeds 1..count; beyond that as long as PCACHE_TEST_SECONDS says; only PCACHE_TEST_SEED where that is set.
    /// </summary>
    public static void ForSeeds(int count, Action<int> run)
    {
        if (Number("PCACHE_TEST_SEED") is double only)
        {
            run((int)only);
            return;
        }

        var time = Stopwatch.StartNew();
        for (int seed = 1; seed <= count || time.Elapsed.TotalSeconds < Seconds; seed++)
        {
            run(seed);
        }
    }

    private static double? Number(string variable) =>
        double.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out double value)
            ? value : null;
}
