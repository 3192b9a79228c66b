using System.CommandLine;
using System.CommandLine.Help;
using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;
using PCache.Lab.Commands;

namespace PCache.Core.Simulation.Commands;

/// <summary>The laboratory's page against its program.</summary>
public sealed partial class LabPageTests
{
    [Fact]
    public void The_page_has_every_verb_and_option()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "laboratory.md"))
            .ReplaceLineEndings("\n");
        RootCommand root = LabCommand.Build(
            new ToolContext
            {
                Out = TextWriter.Null,
                Error = TextWriter.Null,
                OpenInput = () => Stream.Null,
                OpenOutput = () => Stream.Null
            });
        string[] verbs = [.. root.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name)];
        Assert.Equal(verbs, Heading().Matches(page).Select(match => match.Groups["name"].Value));
        foreach (Command verb in root.Subcommands.Where(verb => !verb.Hidden))
        {
            int start = page.IndexOf($"\n## {verb.Name}\n", StringComparison.Ordinal);
            int end = page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
            string section = page[start..(end < 0 ? page.Length : end)];
            string[] options = [.. verb.Options.Where(option => option is not HelpOption).Select(option => option.Name)
                .Order()];
            Assert.Equal(options, OptionName().Matches(UsageLine().Match(section).Value).Select(match => match.Value)
                .Order());
            Assert.Equal(options, OptionRow().Matches(section).Select(match => match.Groups["name"].Value).Order());
        }
    }

    [GeneratedRegex(@"^## (?<name>\w+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^`\w+ \[[^`]+`$", RegexOptions.Multiline)]
    private static partial Regex UsageLine();

    [GeneratedRegex(@"--[a-z]+")]
    private static partial Regex OptionName();

    [GeneratedRegex(@"^\| `(?<name>--[a-z]+)[^`]*` \|", RegexOptions.Multiline)]
    private static partial Regex OptionRow();
}
