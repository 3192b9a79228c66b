using System.Diagnostics;
using PCache.Testing.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation;

public sealed class CrashExplorationTests(ITestOutputHelper output)
{
    [Fact]
    public void Random_worlds()
    {
        var counters = new TortureCounters();
        var time = Stopwatch.StartNew();
        for (int seed = 1; seed <= 20; seed++)
        {
            WorldSettings settings = WorldSettings.FromSeed(seed);
            var explorer = new CrashExplorer(new ExplorerOptions(), seed, counters);
            output.WriteLine($"{seed}: {counters.Points} points, {counters.States} states, {counters.Recoveries} recoveries, {counters.SecondLives} lives, {time.Elapsed}");
            List<WorldAction> script = Workloads.Random(settings, seed, 40, crashes: false);
            try
            {
                new World(settings, explorer).Run(script);
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed} {settings}: {e}\n" + string.Join("\n", script.Select((a, i) => $"{i}: {a}")));
            }
        }

        output.WriteLine($"{counters.Points} points, {counters.States} states, {counters.Recoveries} recoveries, {time.Elapsed}");
    }
}
