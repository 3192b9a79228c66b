// Keeps true: a source mutant is one change, and who changes what it names finds out.
namespace PCache.Lab.Mutants;

/// <summary>A slip of the pen in the sources, and the tests that have to notice it.</summary>
/// <param name="Name">Unique, and what is broken in a few words.</param>
/// <param name="File">From the repository's root, with slashes.</param>
/// <param name="Text">See <see cref="Change"/>.</param>
/// <param name="New">What the mutant puts there.</param>
/// <param name="Tests">Classes, or Class.Method, of the test project: at least one of their tests must fail.</param>
internal sealed record Mutant(string Name, string File, string Text, string New, params string[] Tests)
    : Change(File, Text, New)
{
    /// <summary>The test project, a folder of tests.</summary>
    public string Project { get; init; } = "PCache.Core.Tests";

    /// <summary>
    /// Why no test can tell it from the code as it is; then there are no tests, and it doesn't count.
    /// </summary>
    public string? Equivalent { get; init; }
}
