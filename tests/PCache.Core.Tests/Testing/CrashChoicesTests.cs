using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Testing;

/// <summary>Which states a crash test tries at one moment.</summary>
public sealed class CrashChoicesTests
{
    [Theory]
    [InlineData(new[] { 1 }, 2)]
    [InlineData(new[] { 1, 1, 1 }, 8)]
    [InlineData(new[] { 2, 1 }, 6)]
    [InlineData(new[] { 3, 2, 1 }, 24)]
    public void Few_items_get_every_state_once_and_the_kill(int[] counts, int states)
    {
        IReadOnlyList<CrashChoice> choices = CrashChoices.For(counts, 24, new Random(1));
        Assert.Equal(states + 1, choices.Count);
        Assert.Equal(states + 1, choices.Select(c => c.ToString()).Distinct().Count());
        Assert.Single(choices, c => c.IsKill);
        Assert.All(choices.Where(c => !c.IsKill), c =>
            Assert.All(c.Versions.Zip(counts), v => Assert.InRange(v.First, 0, v.Second)));
    }

    [Fact]
    public void Nothing_open_has_one_state() =>
        Assert.Equal("none", Assert.Single(CrashChoices.For([], 24, new Random(1))).ToString());

    [Fact]
    public void Many_items_get_the_telling_states_within_the_budget() => TestRuns.ForSeeds(20, seed =>
    {
        int[] counts = [.. Enumerable.Range(0, 100).Select(i => 1 + (i % 3))];
        IReadOnlyList<CrashChoice> choices = CrashChoices.For(counts, 24, new Random(seed));
        Assert.True(choices.Count <= 24 && choices.Count >= 20, $"seed {seed}: {choices.Count}");
        Assert.Equal(choices.Count, choices.Select(c => c.ToString()).Distinct().Count());
        Assert.Equal(["none", "all", "kill"], choices.Take(3).Select(c => c.ToString()));
        Assert.Contains(choices, c => !c.IsKill && c.Kept == 1);
        Assert.Contains(choices, c => !c.IsKill && c.Lost == 1);
        Assert.Contains(choices, c =>
            !c.IsKill && c.Versions.Take(50).All(v => v == 1) && c.Versions.Skip(50).All(v => v == 0));
        Assert.Contains(choices, c => !c.IsKill && c.Size > 5);
        Assert.All(choices.Where(c => !c.IsKill), c =>
            Assert.All(c.Versions.Zip(counts), v => Assert.InRange(v.First, 0, v.Second)));
        Assert.Equal(choices.Select(c => c.ToString()),
            CrashChoices.For(counts, 24, new Random(seed)).Select(c => c.ToString()));
    });

    [Fact]
    public void The_text_of_a_choice_is_the_choice() => TestRuns.ForSeeds(50, seed =>
    {
        var random = new Random(seed);
        int[] counts = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(1, 4))];
        foreach (CrashChoice choice in CrashChoices.For(counts, 16, random))
        {
            var again = CrashChoice.Parse(choice.ToString(), counts);
            Assert.True(again.IsKill == choice.IsKill
                && again.Versions.SequenceEqual(choice.Versions), $"seed {seed}: {choice}, {again}");
        }
    });

    [Fact]
    public void Smaller_states_are_smaller()
    {
        var choice = new CrashChoice(false, [0, 1, 2, 1, 0, 1, 1, 0]);
        CrashChoice[] smaller = [.. CrashChoices.Smaller(choice)];
        Assert.NotEmpty(smaller);
        Assert.All(smaller, s => Assert.True(s.Size < choice.Size));
        Assert.Contains(smaller, s => s.Size == choice.Size - 1);
        Assert.Contains(smaller, s => s.Size == 0);
    }

    [Theory]
    [InlineData("disk/17:all-3/2:kill")]
    [InlineData("cache/fault4half/31:none+1,5=2")]
    [InlineData("disk/end")]
    [InlineData("cache/fault0before/end")]
    public void The_text_of_a_key_is_the_key(string text) => Assert.Equal(text, CrashKey.Parse(text).ToString());
}
