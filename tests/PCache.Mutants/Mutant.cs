// Keeps true: a mutant is one change of one source file, told by a text that stands in the file exactly once and has
// the changed part in it.
namespace PCache.Mutants;

/// <summary>A change that somebody could make to the sources, and the tests that have to notice it.</summary>
/// <param name="Name">Unique, and what is broken in a few words.</param>
/// <param name="File">From the repository's root, with slashes.</param>
/// <param name="Text">Stands in the file once; what the mutant changes is between « and », or all of it. Either an
/// expression, or statements, which then declare nothing that is used behind them.</param>
/// <param name="New">What the mutant puts there.</param>
/// <param name="Tests">Classes, or Class.Method, of the test project: at least one of their tests must fail.</param>
internal sealed record Mutant(string Name, string File, string Text, string New, params string[] Tests)
{
    /// <summary>The test project, a folder of tests.</summary>
    public string Project { get; init; } = "PCache.Core.Tests";

    /// <summary>Why no test can tell it from the code as it is; then there are no tests, and it doesn't
    /// count.</summary>
    public string? Equivalent { get; init; }

    /// <summary>The project that has the file: src/NAME.</summary>
    public string Product => File.Split('/')[1];

    /// <summary>What has to stand in the file.</summary>
    public string Context => Text.Replace("«", "", StringComparison.Ordinal).Replace("»", "", StringComparison.Ordinal);

    /// <summary>What is changed of it.</summary>
    public string Old => Text.Contains('«', StringComparison.Ordinal) ? Text[(Text.IndexOf('«', StringComparison.Ordinal) + 1)..Text.IndexOf('»', StringComparison.Ordinal)] : Text;

    /// <summary>Whether the changed part is statements; else it is an expression.</summary>
    public bool IsStatement => Old.TrimEnd() is var old && (old.EndsWith(';') || old.EndsWith('}'));

    /// <summary>Where the changed part begins in a source.</summary>
    public int PlaceIn(string source) => source.IndexOf(Context, StringComparison.Ordinal) + Math.Max(0, Text.IndexOf('«', StringComparison.Ordinal));

    /// <summary>How often the text stands in a source.</summary>
    public int CountIn(string source)
    {
        int count = 0;
        for (int at = source.IndexOf(Context, StringComparison.Ordinal); at >= 0; at = source.IndexOf(Context, at + 1, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
