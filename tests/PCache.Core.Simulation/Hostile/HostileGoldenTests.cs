using PCache.Core.Tests.Support;
using PCache.Lab.Hostile;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Hostile;

/// <summary>Images that Linux wrote, made hostile. Larger, and so slower, than the small ones: fewer of them.</summary>
public sealed class HostileGoldenTests(ITestOutputHelper output)
{
    private const int Rows = 3;
    private const int ImagesPerRow = 20;

    [Fact]
    public void No_image_from_Linux_does_any_harm()
    {
        using var run = new HostileRun(
            GoldenBases.Load("dirty-small", "dirty-nocrc", "killed", "gc-crash", "multi-link"));
        if (TestRuns.Only is int only)
        {
            Assert.Null(run.Run(only));
            return;
        }

        TestRuns.ForSeeds(Rows, row => Assert.Null(run.Run(row * ImagesPerRow, ImagesPerRow)));
        output.WriteLine(run.Summary());
        Assert.InRange(run.Sessions, run.Images / 4, run.Images);
    }
}
