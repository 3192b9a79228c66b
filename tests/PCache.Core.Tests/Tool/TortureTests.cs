using System.Text.Json;

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

    [Theory]
    [InlineData("--seed", "0")]
    [InlineData("--seconds", "-1")]
    [InlineData("--seconds", "x")]
    public void Bad_numbers_are_wrong_usage(params string[] options) => ToolRun.Run(["torture", .. options]).Expect(2);
}
