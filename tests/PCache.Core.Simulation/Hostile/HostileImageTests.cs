using PCache.Core.Tests.Support;
using PCache.Lab.Hostile;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Hostile;

/// <summary>
/// Small images, hostile in every way: whatever stands in them, the engine says what the model reader says, or refuses
/// as documented.
/// </summary>
public sealed class HostileImageTests(ITestOutputHelper output)
{
    /// <summary>
    /// Images from seed 200 on: as many as it takes to find each validation that is left out, see
    /// <see cref="BrokenValidationTests"/>.
    /// </summary>
    internal const int SuiteImages = Rows * ImagesPerRow;

    /// <summary>The first seed.</summary>
    internal const int FirstSeed = ImagesPerRow;

    private const int Rows = 50;
    private const int ImagesPerRow = 200;

    [Fact]
    public void No_small_image_does_any_harm()
    {
        using var run = new HostileRun(BaseImages.Make());
        if (TestRuns.Only is int only)
        {
            Assert.Null(run.Run(only));
            return;
        }

        TestRuns.ForSeeds(Rows, row => Assert.Null(run.Run(row * ImagesPerRow, ImagesPerRow)));
        output.WriteLine(run.Summary());

        // The mutations reach every outcome often enough to mean something.
        Assert.All(
            new[] { HostileRun.OpenedOutcome, nameof(PCacheCorruptionException),
                nameof(PCacheBackingMismatchException), nameof(PCacheNotFormattedException) },
            outcome => Assert.InRange(run.Outcomes.GetValueOrDefault(outcome), run.Images / 200, run.Images));
        Assert.InRange(run.Sessions, run.Images / 4, run.Images);
        Assert.InRange(run.Unharmed, run.Images / 20, run.Images);
        Assert.InRange(run.Recognised, run.Images / 20, run.Images);
    }
}
