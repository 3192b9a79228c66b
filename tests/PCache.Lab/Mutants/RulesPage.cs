// Keeps true: the page's table of rules, from its mark to the mark behind it, is what the rows say; all else on the
// page is written by hand.
namespace PCache.Lab.Mutants;

/// <summary>The table of docs/testing-rules.md.</summary>
internal static class RulesPage
{
    /// <summary>The page, from the repository's root.</summary>
    public const string File = "docs/testing-rules.md";

    private const string Begin =
        "<!-- rules: `dotnet run -c Release --project tests/PCache.Mutants -- --page` writes this table -->\n";
    private const string End = "<!-- end of rules -->";

    /// <summary>The page with the table as the rows have it.</summary>
    public static string WithTable(string page)
    {
        page = page.ReplaceLineEndings("\n");
        int begin = page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        int end = page.IndexOf(End, StringComparison.Ordinal);
        if (begin < Begin.Length || end < begin)
        {
            throw new InvalidOperationException($"{File} has no \"{Begin.TrimEnd()}\" with \"{End}\" behind it.");
        }

        IEnumerable<string> rows = RuleTable.All.Select(rule =>
            $"| `{rule.Name}` | {rule.Where} | {rule.What} | {rule.FoundBy} |\n");
        return page[..begin] + "| rule | where | what is broken | found by |\n| --- | --- | --- | --- |\n"
            + string.Concat(rows) + page[end..];
    }
}
