using PCache.Lab.Hostile;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Hostile;

/// <summary>Proves the hostile images: whichever single validation is left out, one of the suite's images finds it.</summary>
public sealed class BrokenValidationTests(ITestOutputHelper output)
{
    private const int MostImages = 20_000;

    public static TheoryData<string> Rules() => [.. Enum.GetNames<Rule>().Where(n => n.StartsWith("Validation", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_left_out_validation_is_found(string name)
    {
        using var run = new HostileRun(BaseImages.Make());
        using (Mutation.Break(Enum.Parse<Rule>(name)))
        {
            HostileViolation? violation = run.Run(200, MostImages);
            Assert.True(violation is not null, $"{name} was left out, and {MostImages} images didn't notice.");
            output.WriteLine($"{run.Images} images; {violation}");
        }
    }
}
