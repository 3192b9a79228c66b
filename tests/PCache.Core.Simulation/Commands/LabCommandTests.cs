using System.Text.Json;
using PCache.Lab.Commands;
using PCache.Lab.Torture;
using PCache.Tool.Tests.Support;

namespace PCache.Core.Simulation.Commands;

/// <summary>The form of the laboratory's verbs; what they find is the other tests' business.</summary>
public sealed class LabCommandTests
{
    [Fact]
    public void Torture_json_has_what_scripts_rely_on()
    {
        JsonElement document = ToolRun.Run("torture", "--seed", "6", "--seconds", "0", "--json").Expect(0).Json();
        Assert.Equal(6, document.GetProperty("seed").GetInt32());
        Assert.InRange(document.GetProperty("workloads").GetInt64(), 1, Environment.ProcessorCount);
        Assert.True(document.GetProperty("crashStates").GetInt64() > 100);
        Assert.True(document.GetProperty("recoveries").GetInt64() > 100);
        Assert.Equal(0, document.GetProperty("violations").GetInt32());
        Assert.Empty(document.GetProperty("failures").EnumerateArray());
    }

    [Fact]
    public void Torture_text_has_the_seed_and_the_counts()
    {
        ToolRun run = ToolRun.Run("torture", "--seed", "12", "--seconds", "0").Expect(0);
        Assert.Contains("seed          12", run.Out, StringComparison.Ordinal);
        Assert.Contains("crash states  ", run.Out, StringComparison.Ordinal);
        Assert.Contains("violations    0", run.Out, StringComparison.Ordinal);
    }

    /// <summary>A run that gets stuck ends with a report, as a violation does.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_torture_that_is_stuck_is_told_with_its_seed_and_ends_with_1(bool json)
    {
        var session = new TortureSession(4)
        {
            HangLimit = TimeSpan.FromSeconds(1),
            Sabotage = world => Thread.Sleep(world.ActionNumber == 1 ? Timeout.Infinite : 0),
        };
        session.Run(TimeSpan.Zero, threads: 1);
        ToolRun run = ToolRun.Of(context => TortureCommand.Report(context, session, json)).Expect(1);
        if (json)
        {
            JsonElement failure = run.Json().GetProperty("failures")[0];
            Assert.Equal(4, failure.GetProperty("seed").GetInt32());
            Assert.Contains("makes no progress: in action 1", failure.GetProperty("text").GetString(),
                StringComparison.Ordinal);
            Assert.NotEmpty(failure.GetProperty("script").EnumerateArray());
        }
        else
        {
            Assert.Contains("violations    1", run.Out, StringComparison.Ordinal);
            Assert.Contains("makes no progress: in action 1", run.Error, StringComparison.Ordinal);
            Assert.Contains("Thread.Sleep", run.Error, StringComparison.Ordinal);
            Assert.Contains("tests/PCache.Lab -- torture --seed 4 --seconds 0", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Hostile_looks_at_one_image_when_there_is_no_time()
    {
        JsonElement document = ToolRun.Run("hostile", "--seed", "3", "--seconds", "0", "--json").Expect(0).Json();
        Assert.Equal(3, document.GetProperty("seed").GetInt32());
        Assert.Equal(1, document.GetProperty("images").GetInt64());
        Assert.InRange(document.GetProperty("opened").GetInt64(), document.GetProperty("workedWith").GetInt64(), 1);
        Assert.Equal(0, document.GetProperty("violations").GetInt32());
    }

    [Fact]
    public void Kills_counts_writers_of_all_kinds()
    {
        JsonElement document = ToolRun.Run("kills", "--kills", "1", "--json").Expect(0).Json();
        // more where a writer was killed before it had done anything
        Assert.True(document.GetProperty("kills").GetInt64() >= 32);
        Assert.True(document.GetProperty("acknowledged").GetInt64() > 0);
        Assert.Equal(0, document.GetProperty("violations").GetInt32());
    }

    [Theory]
    [InlineData("torture", "--seed", "0")]
    [InlineData("torture", "--seconds", "-1")]
    [InlineData("hostile", "--seconds", "x")]
    [InlineData("soak", "--seconds", "-1")]
    [InlineData("kills", "--kills", "0")]
    [InlineData("murder")]
    public void Bad_words_and_numbers_are_wrong_usage(params string[] args) => ToolRun.Run(args).Expect(2);
}
