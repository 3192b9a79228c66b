using System.Text.Json;
using PCache.Testing.Torture;
using PCache.Tool;
using PCache.Tool.Commands;

namespace PCache.Core.Tests.Tool;

/// <summary>The command's form; what the simulator finds is the simulation's tests' business.</summary>
public sealed class TortureTests
{
    [Fact]
    public void Json_has_what_scripts_rely_on()
    {
        JsonElement document = ToolRun.Run("torture", "--seed", "3", "--seconds", "0", "--json").Expect(0).Json();
        Assert.Equal(3, document.GetProperty("seed").GetInt32());
        Assert.InRange(document.GetProperty("workloads").GetInt64(), 1, Environment.ProcessorCount);
        Assert.True(document.GetProperty("crashStates").GetInt64() > 100);
        Assert.True(document.GetProperty("recoveries").GetInt64() > 100);
        Assert.Equal(0, document.GetProperty("violations").GetInt32());
    }

    [Fact]
    public void Text_has_the_seed_and_the_counts()
    {
        ToolRun run = ToolRun.Run("torture", "--seed", "11", "--seconds", "0").Expect(0);
        Assert.Contains("seed          11", run.Out, StringComparison.Ordinal);
        Assert.Contains("violations    0", run.Out, StringComparison.Ordinal);
    }

    /// <summary>A run that gets stuck ends with a report, as a violation does.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_run_that_is_stuck_is_told_with_its_seed_and_ends_with_1(bool json)
    {
        var session = new TortureSession(4)
        {
            HangLimit = TimeSpan.FromSeconds(2),
            Sabotage = world => Thread.Sleep(world.ActionNumber == 1 ? Timeout.Infinite : 0),
        };
        session.Run(TimeSpan.Zero, threads: 1);
        using var output = new StringWriter();
        using var error = new StringWriter();
        var context = new ToolContext { Out = output, Error = error, OpenInput = () => Stream.Null, OpenOutput = () => Stream.Null };
        Assert.Equal(1, TortureCommand.Report(context, session, json));
        if (json)
        {
            JsonElement failure = new ToolRun(1, output.ToString(), error.ToString(), []).Json().GetProperty("failures")[0];
            Assert.Equal(4, failure.GetProperty("seed").GetInt32());
            Assert.Contains("makes no progress: in action 1", failure.GetProperty("text").GetString(), StringComparison.Ordinal);
            Assert.NotEmpty(failure.GetProperty("script").EnumerateArray());
        }
        else
        {
            Assert.Contains("violations    1", output.ToString(), StringComparison.Ordinal);
            Assert.Contains("makes no progress: in action 1", error.ToString(), StringComparison.Ordinal);
            Assert.Contains("Thread.Sleep", error.ToString(), StringComparison.Ordinal);
            Assert.Contains("pcache torture --seed 4 --seconds 0", error.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("--seed", "0")]
    [InlineData("--seconds", "-1")]
    [InlineData("--seconds", "x")]
    public void Bad_numbers_are_wrong_usage(params string[] options) => ToolRun.Run(["torture", .. options]).Expect(2);
}
