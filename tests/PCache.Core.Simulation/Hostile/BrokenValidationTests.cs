using PCache.Lab.Hostile;
using Xunit.Abstractions;

namespace PCache.Core.Simulation.Hostile;

/// <summary>
/// Proves the hostile images: whichever single validation is left out, one of the suite's images finds it. Keeps true:
/// a known seed only saves the search; where it finds nothing any more, all of the suite's are tried.
/// </summary>
public sealed class BrokenValidationTests(ITestOutputHelper output)
{
    /// <summary>The first image of the suite that finds it, where that takes long.</summary>
    private static readonly Dictionary<Rule, int> Known = new()
    {
        [Rule.ValidationGcPercent] = 819,
        [Rule.ValidationChainLength] = 1084,
        [Rule.ValidationBoundLength] = 1236,
        [Rule.ValidationByteOrder] = 1344,
        [Rule.ValidationSuperblockChecksum] = 1914,
        [Rule.ValidationMode] = 2029,
        [Rule.ValidationKsetBounds] = 9808,
    };

    public static TheoryData<string> Rules() =>
        [.. Enum.GetNames<Rule>().Where(n => n.StartsWith("Validation", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_left_out_validation_is_found(string name)
    {
        using var run = new HostileRun(BaseImages.Make());
        Rule rule = Enum.Parse<Rule>(name);
        using (Mutation.Break(rule))
        {
            HostileViolation? violation = Known.TryGetValue(rule, out int seed) ? run.Run(seed) : null;
            violation ??= run.Run(HostileImageTests.FirstSeed, HostileImageTests.SuiteImages);
            Assert.True(violation is not null,
                $"{name} was left out, and {HostileImageTests.SuiteImages} images didn't notice.");
            Assert.InRange(violation.Seed, HostileImageTests.FirstSeed, HostileImageTests.FirstSeed
                + HostileImageTests.SuiteImages - 1);
            output.WriteLine($"{run.Images} images; {violation}");
        }
    }
}
