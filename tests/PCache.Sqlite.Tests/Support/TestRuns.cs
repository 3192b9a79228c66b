using System.Diagnostics;
using System.Globalization;

namespace PCache.Sqlite.Tests.Support;

/// <summary>
/// Seeds and lengths of random runs: short in the suite, longer by environment variables, with the same code.
/// </summary>
internal static class TestRuns
{
    /// <summary>
    /// Runs seeds 1..count; beyond that as long as PCACHE_TEST_SECONDS says; only PCACHE_TEST_SEED where that is set. A
    /// failure tells its seed.
    /// </summary>
    public static void ForSeeds(int count, Action<int> run)
    {
        if (Number("PCACHE_TEST_SEED") is double only)
        {
            run((int)only);
            return;
        }

        var time = Stopwatch.StartNew();
        double seconds = Number("PCACHE_TEST_SECONDS") ?? 0;
        for (int seed = 1; seed <= count || time.Elapsed.TotalSeconds < seconds; seed++)
        {
            try
            {
                run(seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"PCACHE_TEST_SEED={seed}: {e.Message}", e);
            }
        }
    }

    public static double? Number(string variable) =>
        double.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out double value)
            ? value : null;
}
