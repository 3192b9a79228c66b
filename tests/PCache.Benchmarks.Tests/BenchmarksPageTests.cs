using System.CommandLine;
using System.CommandLine.Help;
using System.Text.RegularExpressions;
using PCache.Benchmarks.Commands;
using PCache.Benchmarks.Scenarios;

namespace PCache.Benchmarks.Tests;

/// <summary>The benchmarks' page against their program.</summary>
public sealed partial class BenchmarksPageTests
{
    private static readonly string[] WithOptions = ["compare", "scenario", "report"];

    private readonly string _page =
        File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "benchmarks.md")).ReplaceLineEndings("\n");
    private readonly RootCommand _root = BenchmarksCommand.Build(
        new ToolContext
        {
            Out = TextWriter.Null,
            Error = TextWriter.Null,
            OpenInput = () => Stream.Null,
            OpenOutput = () => Stream.Null
        });

    [Fact]
    public void The_page_has_every_verb()
    {
        string[] verbs = [.. _root.Subcommands.Select(verb => verb.Name)];
        string[] named =
        [
            .. Heading().Matches(_page).Select(match => match.Groups["name"].Value),
            .. VerbRow().Matches(Section("Others")).SelectMany(row => Verb().Matches(row.Value))
                .Select(match => match.Groups["name"].Value),
        ];
        Assert.Equal(verbs.Order(), named.Order());
    }

    [Fact]
    public void The_page_has_every_option()
    {
        string[] common = Options(Section("Options"));
        foreach (Command verb in _root.Subcommands.Where(verb => WithOptions.Contains(verb.Name)))
        {
            string[] options = [.. verb.Options.Where(option => option is not HelpOption)
                .Select(option => option.Name)];
            Assert.Empty(common.Except(options));
            Assert.Equal(options.Except(common).Order(),
                OptionName().Matches(UsageLine().Match(Section(verb.Name)).Value).Select(match => match.Value).Order());
        }

        Assert.Equal(["--bs", "--fio", "--no-verify", "--rw", "--writeback"], Options(Section("compare")).Order());
        Assert.Equal(["--dir", "--scenario"], Options(Section("scenario")).Order());
    }

    [Fact]
    public void The_page_has_every_scenario_and_operation()
    {
        Assert.All(BenchScenarios.Names, name =>
            Assert.Contains($"\n| {name} | ", Section("scenario"), StringComparison.Ordinal));
        string operations = Section("compare");
        Assert.All(Tool.Bench.BenchPattern.Operations, name =>
            Assert.Matches($@"(?m)^\| ([\w, -]+, )?{name}(, [\w, -]+)? \|", operations));
    }

    private static string[] Options(string section) =>
        [.. OptionRow().Matches(section).Select(match => match.Groups["name"].Value)];

    private string Section(string heading)
    {
        int start = _page.IndexOf($"\n## {heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"no heading '{heading}'");
        int end = _page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return _page[start..(end < 0 ? _page.Length : end)];
    }

    [GeneratedRegex("^## (?<name>[a-z]+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\| `[^|]+ \|", RegexOptions.Multiline)]
    private static partial Regex VerbRow();

    [GeneratedRegex("`(?<name>[a-z]+)")]
    private static partial Regex Verb();

    [GeneratedRegex(@"^`[a-z]+ [^`]+`$", RegexOptions.Multiline)]
    private static partial Regex UsageLine();

    [GeneratedRegex("--[a-z-]+")]
    private static partial Regex OptionName();

    [GeneratedRegex(@"^\| `(?<name>--[a-z-]+)[^|]*\|", RegexOptions.Multiline)]
    private static partial Regex OptionRow();
}
