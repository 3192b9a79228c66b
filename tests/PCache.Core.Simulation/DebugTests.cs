using PCache.Testing.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation;

public sealed class DebugTests(ITestOutputHelper output)
{
    [Fact]
    public void Plain()
    {
        for (int seed = 1; seed <= 300; seed++)
        {
            WorldSettings settings = WorldSettings.FromSeed(seed);
            List<WorldAction> script = Workloads.Random(settings, seed, 40, crashes: false);
            try
            {
                new World(settings, null).Run(script);
            }
            catch (Exception e)
            {
                output.WriteLine($"seed {seed} : {e.Message} {e.StackTrace!.Split('\n')[3]}");
            }
        }
    }
}
