namespace PCache.Core.Tests.Testing;

/// <summary>What a name may be after a crash, by what was begun and promised.</summary>
public sealed class CrashTestLogTests
{
    [Theory]
    [InlineData("", "-")] // nothing begun: absent
    [InlineData("b1", "- 1")] // begun: absent or new
    [InlineData("b1 p1", "1")] // promised: new
    [InlineData("b1 p1 b2", "1 2")]
    [InlineData("b1 p1 b2 b3", "1 2 3")]
    [InlineData("b1 b2 p1", "1 2")] // the second may be there already
    [InlineData("b1 b2 p2 p1", "2")] // acknowledged in another order: what was begun last counts
    [InlineData("b1 p b-", "1 -")] // a removal
    [InlineData("b1 b- p", "-")] // a promise for all that was begun
    [InlineData("b1 b2 p b3", "2 3")]
    [InlineData("p7", "7")] // promised without having been begun
    public void Allowed_values_follow_what_was_said(string said, string expected)
    {
        var log = new CrashTestLog([], null);
        log.Begin("other", "x");
        foreach (string word in said.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string? value = word[1..] == "-" ? null : word[1..];
            if (word == "p")
            {
                log.Promise();
            }
            else if (word[0] == 'p')
            {
                log.Promise("name", value);
            }
            else
            {
                log.Begin("name", value);
            }
        }

        string?[] allowed = [.. expected.Split(' ').Select(word => word == "-" ? null : word)];
        Assert.Equal(allowed, log.Allowed("name"));
        foreach (string? value in allowed)
        {
            log.Check("name", value);
        }

        foreach (string? value in new[] { null, "1", "2", "3", "7", "never" }.Except(allowed))
        {
            Assert.Contains("'name'", Assert.Throws<CrashTestException>(() => log.Check("name", value)).Message,
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_verification_goes_on_with_a_log_of_its_own()
    {
        var log = new CrashTestLog([], null);
        log.Begin("a", "1");
        var copy = new CrashTestLog(log.Entries, null);
        copy.Promise();
        copy.Note("seen");
        Assert.Equal([null, "1"], log.Allowed("a"));
        Assert.Equal(["1"], copy.Allowed("a"));
        Assert.Equal(["a"], copy.Names);
        Assert.Equal("note: seen", copy.Entries[^1].ToString());
    }

    [Fact]
    public void Long_values_are_told_apart_in_messages()
    {
        string one = new('x', 500);
        string other = one[..499] + "y";
        Assert.NotEqual(CrashTestLog.Shown(one), CrashTestLog.Shown(other));
        Assert.True(CrashTestLog.Shown(one).Length < 80);
    }
}
