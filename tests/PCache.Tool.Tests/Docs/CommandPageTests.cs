using System.CommandLine;
using System.CommandLine.Help;
using System.Text.RegularExpressions;

namespace PCache.Tool.Tests.Docs;

/// <summary>The command's page against the command.</summary>
public sealed partial class CommandPageTests
{
    [Fact]
    public void Command_page_has_every_command_and_option()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "command.md"))
            .ReplaceLineEndings("\n");
        RootCommand root = PCacheCommand.Build(
            new ToolContext
            {
                Out = TextWriter.Null,
                Error = TextWriter.Null,
                OpenInput = () => Stream.Null,
                OpenOutput = () => Stream.Null
            });
        Command[] commands = [.. root.Subcommands.Where(command => !command.Hidden)];
        Assert.True(commands.Length >= 11);
        foreach (Command command in commands)
        {
            string section = Section(page, command.Name);
            Assert.Contains($"`pcache {command.Name} ", section, StringComparison.Ordinal);
            string[] expected = [.. command.Options.Where(option => option is not HelpOption && !option.Hidden)
                .Select(option => option.Name).Order()];
            string[] usage = [.. OptionName().Matches(UsageLine().Match(section).Value).Select(match => match.Value)
                .Distinct().Order()];
            Assert.Equal(expected, usage);
            foreach (Command sub in command.Subcommands)
            {
                Assert.Contains($"`pcache {command.Name} {sub.Name} ", section, StringComparison.Ordinal);
                Assert.All(sub.Options.Where(option => option is not HelpOption), option =>
                    Assert.Contains(option.Name, section, StringComparison.Ordinal));
            }
        }
    }

    /// <summary>The text below a heading of the second level, up to the next one.</summary>
    private static string Section(string page, string heading)
    {
        int start = page.IndexOf($"\n## {heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"no heading '{heading}'");
        int end = page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return page[start..(end < 0 ? page.Length : end)];
    }

    [GeneratedRegex(@"^`pcache [^`]+`$", RegexOptions.Multiline)]
    private static partial Regex UsageLine();

    [GeneratedRegex(@"--[a-z][a-z-]*")]
    private static partial Regex OptionName();
}
