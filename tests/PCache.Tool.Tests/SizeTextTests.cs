using System.Numerics;
using FsCheck;
using FsCheck.Fluent;

namespace PCache.Tool.Tests;

public class SizeTextTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("512", 512L)]
    [InlineData("0512", 512L)]
    [InlineData("4k", 4096L)]
    [InlineData("4K", 4096L)]
    [InlineData("64M", 64L << 20)]
    [InlineData("1g", 1L << 30)]
    [InlineData("8589934591G", 8589934591L << 30)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void Reads_what_people_write(string text, long expected)
    {
        Assert.True(SizeText.TryParse(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData(" 1")]
    [InlineData("1 ")]
    [InlineData("1 K")]
    [InlineData("1.5G")]
    [InlineData("1,000")]
    [InlineData("0x10")]
    [InlineData("1T")]
    [InlineData("1KB")]
    [InlineData("1KiB")]
    [InlineData("KK")]
    [InlineData("1KK")]
    [InlineData("8589934592G")]
    [InlineData("9223372036854775808")]
    [InlineData("9223372036854775807K")]
    [InlineData("99999999999999999999999999")]
    [InlineData("\u0663")]
    public void Refuses_everything_else(string? text)
    {
        Assert.False(SizeText.TryParse(text, out long bytes));
        Assert.Equal(0, bytes);
    }

    [Fact]
    public void What_it_writes_it_reads() => Prop.ForAll<long>(value =>
    {
        long bytes = value & long.MaxValue;
        return SizeText.TryParse(SizeText.Exact(bytes), out long read) && read == bytes;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Units_never_overflow() => Prop.ForAll<ulong, byte>((value, unit) =>
    {
        int shift = (unit % 3 + 1) * 10;
        BigInteger exact = (BigInteger)value << shift;
        bool accepted = SizeText.TryParse(value.ToString(System.Globalization.CultureInfo.InvariantCulture)
            + "KMG"[unit % 3], out long bytes);
        return accepted ? exact == bytes : exact > long.MaxValue;
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1023, "1023 bytes")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(3221225472, "3.0 GiB")]
    public void Rounds_for_people(long bytes, string expected) => Assert.Equal(expected, SizeText.Rounded(bytes));
}
