using FsCheck.Fluent;
using PCache.Core.Files;

namespace PCache.Core.Tests.Files;

/// <summary>Text from media and names is one line and shows as what it is.</summary>
public sealed class SafeTextTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("", "")]
    [InlineData("plain text, Größe, 日本, 😀", "plain text, Größe, 日本, 😀")]
    [InlineData("a\nb\rc\td\0e", "a\\nb\\rc\\td\\0e")]
    [InlineData("x\u001b[31mRED", "x\\u001b[31mRED")]
    [InlineData("\u0085\u2028\u2029", "\\u0085\\u2028\\u2029")]
    [InlineData("abc\u202Ecba\u200B\uFEFF", "abc\\u202ecba\\u200b\\ufeff")]
    [InlineData("C:\\name", "C:\\name")]
    public void What_doesnt_print_as_itself_is_escaped(string? text, string expected) =>
        Assert.Equal(expected, SafeText.Of(text));

    [Fact]
    public void A_lone_half_of_a_pair_is_escaped()
    {
        Assert.Equal("a\\ud83d", SafeText.Of("a\uD83D"));
        Assert.Equal("\\ude00b", SafeText.Of("\uDE00b"));
    }

    [Fact]
    public void Whatever_the_text_the_result_is_one_line_without_controls() =>
        FsCheck.Check.QuickThrowOnFailure(Prop.ForAll(
            ArbMap.Default.ArbFor<string>(),
            text => SafeText.Of(text).All(c => !char.IsControl(c) && c is not '\u2028' and not '\u2029')
                && SafeText.Of(SafeText.Of(text)) == SafeText.Of(text)));
}
