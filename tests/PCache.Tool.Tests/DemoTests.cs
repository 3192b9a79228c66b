using System.Text.RegularExpressions;
using PCache.Tool.Demo;
using PCache.Tool.Kills;

namespace PCache.Tool.Tests;

/// <summary>The demo, and the writer process that it kills.</summary>
public sealed class DemoTests : IDisposable
{
    private const uint Sectors = 1024;
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(60);
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_writer_that_ends_on_its_own_is_an_error()
    {
        var settings = new WriterSettings
        {
            CachePath = _directory["missing"],
            BackingPath = _directory["b"],
            Seed = 1,
            Sectors = Sectors
        };
        KillImages.CreateBacking(settings.BackingPath, Sectors);
        using WriterProcess writer = WriterProcess.Start(DemoWriterCommand.Name, settings,
            new KillVerifier(settings.CreatePlan()));
        Assert.False(writer.WaitReady(ReadyTimeout));
        ToolException error = Assert.Throws<ToolException>(writer.Kill);
        Assert.Equal(ExitCode.Refused, error.ExitCode);
        Assert.Contains("no cache file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Demo_holds_its_promises_and_cleans_up()
    {
        ToolRun run = ToolRun.Run("demo", "--seconds", "1", "--seed", "5").Expect(0);
        Assert.Contains("All proofs hold.", run.Out, StringComparison.Ordinal);
        Assert.Contains("with the cache", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("NO:", run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);

        // The run says where its files were; other runs on this machine have theirs beside it.
        Match folder = Regex.Match(run.Out, @"Backing: (?<path>.*pcache-demo-[^/\\]+)");
        Assert.True(folder.Success, run.Out);
        Assert.False(Directory.Exists(folder.Groups["path"].Value));
    }

    [Fact]
    public void Demo_leaves_its_files_where_it_is_told_to()
    {
        ToolRun.Run("demo", "--seconds", "1", "--dir", _directory["demo"]).Expect(0);
        ToolRun.Run("check", _directory["demo/demo-cache.img"], "--backing", _directory["demo/demo-backing.img"])
            .Expect(0);
        Assert.True(ToolRun.Run("status", _directory["demo/demo-cache.img"], "--json").Expect(0).Json()
            .GetProperty("clean").GetBoolean());
        ToolRun.Run("demo", "--dir", _directory["demo"]).ExpectError(3, "exists already");
    }
}
