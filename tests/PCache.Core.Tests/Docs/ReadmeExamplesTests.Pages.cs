using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <content>The pages against the examples, and their links.</content>
public sealed partial class ReadmeExamplesTests
{
    [Fact]
    public void Pages_show_the_examples_word_for_word()
    {
        Dictionary<string, string> tested = TestedExamples();
        var shown = new HashSet<string>();
        foreach (string page in Pages)
        {
            string text = ReadText(page);
            int blocks = CSharpFence().Count(text);
            MatchCollection examples = PageExample().Matches(text);
            Assert.True(examples.Count > 0
                && examples.Count == blocks, $"{page}: {blocks} csharp blocks, {examples.Count} of them named");
            foreach (Match example in examples)
            {
                string name = example.Groups["name"].Value;
                Assert.True(tested.TryGetValue(name, out string? source), $"{page}: no test has the example '{name}'");
                Assert.True(shown.Add(name), $"{page}: '{name}' is shown twice");
                Assert.Equal(source, example.Groups["code"].Value.TrimEnd());
            }
        }

        Assert.Empty(tested.Keys.Except(shown));
    }

    [Fact]
    public void Links_between_pages_lead_somewhere()
    {
        string root = RepositoryPaths.Root;
        string[] pages = [Path.Combine(root, "README.md"), Path.Combine(root, "CHANGELOG.md"),
            Path.Combine(root, "src", "PCache.Testing", "README.md"),
            Path.Combine(root, "src", "PCache.DependencyInjection", "README.md"),
            .. Directory.GetFiles(Path.Combine(root, "docs"), "*.md")];
        var broken = new List<string>();
        int links = 0;
        foreach (string page in pages)
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                string target = link.Groups["target"].Value;
                if (target.Contains("://", StringComparison.Ordinal))
                {
                    continue;
                }

                links++;
                string[] parts = target.Split('#');
                string file = parts[0].Length == 0 ? page : Path.Combine(Path.GetDirectoryName(page)!, parts[0]);
                if (!File.Exists(file) || (parts.Length == 2 && !Anchors(file).Contains(parts[1])))
                {
                    broken.Add($"{Path.GetFileName(page)}: {target}");
                }
            }
        }

        Assert.True(links > 10, $"only {links} links found");
        Assert.True(broken.Count == 0, string.Join(Environment.NewLine, broken));
    }

    private static string ReadText(string relativePath) =>
        File.ReadAllText(Path.Combine(RepositoryPaths.Root, relativePath)).ReplaceLineEndings("\n");

    private static Dictionary<string, string> TestedExamples()
    {
        var examples = new Dictionary<string, string>();
        foreach (Match match in Sources.SelectMany(source => SourceExample().Matches(ReadText(source))))
        {
            string indent = match.Groups["indent"].Value;
            IEnumerable<string> lines = match.Groups["code"].Value.Split('\n')
                .Select(line => line.StartsWith(indent, StringComparison.Ordinal) ? line[indent.Length..] : line);
            examples.Add(match.Groups["name"].Value, string.Join('\n', lines).TrimEnd());
        }

        return examples;
    }

    /// <summary>The anchors that a page's headings make.</summary>
    private static HashSet<string> Anchors(string page)
    {
        var anchors = new HashSet<string>();
        foreach (Match heading in Heading().Matches(File.ReadAllText(page)))
        {
            string text = NotInAnchor().Replace(heading.Groups["text"].Value.Trim(), string.Empty);
#pragma warning disable CA1308 // anchors are in lower case
            anchors.Add(text.ToLowerInvariant().Replace(' ', '-'));
#pragma warning restore CA1308
        }

        return anchors;
    }

    [GeneratedRegex(@"^```csharp$", RegexOptions.Multiline)]
    private static partial Regex CSharpFence();

    [GeneratedRegex(@"^<!-- example: (?<name>[\w-]+) -->\n```csharp\n(?<code>.*?)\n```$",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex PageExample();

    [GeneratedRegex(@"^(?<indent> *)// example: (?<name>[\w-]+)\n(?<code>.*?)\n *// end of example$",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex SourceExample();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<text>[^\r\n]+)", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}
