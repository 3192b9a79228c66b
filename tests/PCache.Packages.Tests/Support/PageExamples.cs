// Keeps true: an example is taken from the page word for word, at the time of the test.

using System.Text.RegularExpressions;

namespace PCache.Packages.Tests.Support;

/// <summary>The examples of pages: csharp blocks right below the line "&lt;!-- example: NAME --&gt;".</summary>
internal static partial class PageExamples
{
    public static string Get(string page, string name)
    {
        Match example = Assert.Single(PageExample().Matches(RepositoryPaths.ReadText(page)), match =>
            match.Groups["name"].Value == name);
        return example.Groups["code"].Value;
    }

    /// <summary>
    /// An example without its first lines, the using directives, which may stand at the head of a file only.
    /// </summary>
    public static string GetWithoutUsings(string page, string name) =>
        UsingDirective().Replace(Get(page, name), string.Empty);

    [GeneratedRegex(@"^<!-- example: (?<name>[\w-]+) -->\n```csharp\n(?<code>.*?)\n```$",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex PageExample();

    [GeneratedRegex(@"^using [\w.]+;\n", RegexOptions.Multiline)]
    private static partial Regex UsingDirective();
}
