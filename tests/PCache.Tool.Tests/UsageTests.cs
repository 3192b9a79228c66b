using System.CommandLine;

namespace PCache.Tool.Tests;

/// <summary>Wrong usage is exit code 2 and one line that helps; help has examples.</summary>
public class UsageTests
{
    public static TheoryData<string> VisibleCommands() => [.. Names()];

    [Fact]
    public void A_word_that_is_no_command_is_named() => ToolRun.Run("nope").ExpectError(2, "'nope'");

    [Fact]
    public void Commands_are_those_of_the_design() => Assert.Equal(
        ["apply", "bench", "bind", "check", "demo", "dump", "export", "format", "read", "recover", "set",
            "sqlite", "status", "write", "writeback"],
        Names().Order());

    [Theory]
    [MemberData(nameof(VisibleCommands))]
    public void Every_command_has_help_with_examples(string command)
    {
        ToolRun run = ToolRun.Run(command, "--help").Expect(0);
        Assert.Contains("Example", run.Out, StringComparison.Ordinal);
        Assert.Contains("pcache " + command, run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Root_help_lists_commands_and_exit_codes()
    {
        ToolRun run = ToolRun.Run("--help").Expect(0);
        Assert.Contains("Exit codes", run.Out, StringComparison.Ordinal);
        Assert.Contains("writeback", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("demo-writer", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("--nonsense")]
    [InlineData("format")]
    [InlineData("format c")]
    [InlineData("format c --size")]
    [InlineData("format c --size 1T")]
    [InlineData("format c --size -1")]
    [InlineData("format c --size 99999999999G")]
    [InlineData("format c --size 0")]
    [InlineData("format c --size 16M")]
    [InlineData("format c --size 64M --segment-size 100K")]
    [InlineData("format c --size 64M --segment-size 32K")]
    [InlineData("format c --size 64M --segment-size 32M")]
    [InlineData("format c --size 255K --segment-size 64K")]
    [InlineData("format c --size 1G --gc-percent 91")]
    [InlineData("format c --size 1G --gc-percent x")]
    [InlineData("format c --size 1G --label 12345678901234567890123456789012345678901234567890123456789012345")]
    [InlineData("format c d --size 1G")]
    [InlineData("status")]
    [InlineData("status a b")]
    [InlineData("status a --keys")]
    [InlineData("check")]
    [InlineData("check c --backing")]
    [InlineData("dump")]
    [InlineData("dump c --keys --nonsense")]
    [InlineData("read c b")]
    [InlineData("read c --output -")]
    [InlineData("read c b --output - --damaged maybe")]
    [InlineData("read c b --output - --offset x")]
    [InlineData("read c b --output - --length -5")]
    [InlineData("write c b")]
    [InlineData("write c --input -")]
    [InlineData("write c b --input - --offset 1X")]
    [InlineData("writeback c")]
    [InlineData("writeback c b --force")]
    [InlineData("writeback c b --segment-size 100K")]
    [InlineData("read c b --output - --segment-size 32M")]
    [InlineData("export c")]
    [InlineData("export --output o")]
    [InlineData("export c --output o --segment-size 1K")]
    [InlineData("apply e b")]
    [InlineData("apply e --list l")]
    [InlineData("bind c")]
    [InlineData("bind c b --any-backing")]
    [InlineData("set c")]
    [InlineData("set c --gc-percent 100")]
    [InlineData("set c --gc-percent -1")]
    [InlineData("sqlite")]
    [InlineData("sqlite drain")]
    [InlineData("sqlite status d --any-backing")]
    [InlineData("demo --seconds 0")]
    [InlineData("demo --seconds 601")]
    [InlineData("demo --seed x")]
    [InlineData("demo extra")]
    [InlineData("bench --rw sideways")]
    [InlineData("bench --rw randwrite,")]
    [InlineData("bench --bs 100")]
    [InlineData("bench --bs 32M")]
    [InlineData("bench --bs 4k,x")]
    [InlineData("bench --threads 0")]
    [InlineData("bench --threads 65")]
    [InlineData("bench --size 4k")]
    [InlineData("bench --seconds 0")]
    [InlineData("demo-writer c b")]
    public void Wrong_usage(string line) =>
        ToolRun.Run(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ExpectError(2);

    [Fact]
    public void Empty_path_is_wrong_usage() => ToolRun.Run("status", "").ExpectError(2);

    [Fact]
    public void A_path_that_begins_with_an_at_sign_is_a_path() =>
        ToolRun.Run("status", "@missing").ExpectError(3, "@missing");

    private static IEnumerable<string> Names() =>
        PCacheCommand.Build(ToolContext.ForConsole()).Subcommands.Where(command => !command.Hidden)
            .Select(command => command.Name);
}
