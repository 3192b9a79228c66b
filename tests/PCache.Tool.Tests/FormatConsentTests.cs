using PCache.Core.Layout;

namespace PCache.Tool.Tests;

/// <summary>
/// Formatting over dirty data, or over what may be some, needs consent of its own; sizes that are too small are told so
/// that people can act on it.
/// </summary>
public sealed class FormatConsentTests : IDisposable
{
    private readonly ToolDirectory _directory = new();

    public FormatConsentTests()
    {
        _directory.Write("B", new byte[256 << 10]);
        _directory.Write("I", SectorPattern.Make(0, 16, 7));
    }

    public static TheoryData<string> Damages => ["superblock", "cache info", "tails", "kset", "generation", "cut"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("1M")]
    [InlineData("2M")]
    [InlineData("512K")]
    public void Dirty_data_is_told_and_needs_consent(string size)
    {
        Dirty();
        var before = _directory.Print("C");
        Format(size, "--discard-dirty").ExpectError(3, "--force");
        Format(size, "--force").ExpectError(3, "8192 bytes in 1 writes that aren't on its backing");
        Format(size, "--force").ExpectError(3, "--discard-dirty");
        Assert.Equal(before, _directory.Print("C"));
        Assert.Contains("Destroying", Format(size, "--force", "--discard-dirty").Expect(0).Out,
            StringComparison.Ordinal);
        Assert.Equal(0, ToolRun.Run("status", _directory["C"], "--json").Expect(0).Json().GetProperty("dirtyBytes")
            .GetInt64());
    }

    [Theory]
    [InlineData("1M")]
    [InlineData("2M")]
    public void A_clean_cache_and_other_content_need_force_only(string size)
    {
        Dirty();
        ToolRun.Run("writeback", _directory["C"], _directory["B"]).Expect(0);
        Format(size).ExpectError(3, "--force");
        Format(size, "--force").Expect(0);
        Format(size, "--force").Expect(0); // a new one
        _directory.Write("C", SectorPattern.Make(0, 2048, 3));
        Format(size, "--force").Expect(0);
        _directory.Write("C", [1, 2, 3]);
        Format(size, "--force").Expect(0);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public void A_damaged_cache_counts_as_maybe_dirty(string damage)
    {
        Dirty();
        Damage(damage);
        var before = _directory.Print("C");
        foreach (string size in (string[])["1M", "2M"])
        {
            Format(size, "--force").ExpectError(3, "--discard-dirty");
            Assert.Equal(before, _directory.Print("C"));
        }

        Format("1M", "--force", "--discard-dirty").Expect(0);
        ToolRun.Run("check", _directory["C"]).Expect(0);
    }

    [Fact]
    public void A_format_that_was_interrupted_is_begun_anew_with_force_alone()
    {
        ToolRun.Run("format", _directory["C"], "--size", "1M", "--segment-size", "64K").Expect(0);
        Overwrite(MediaConstants.SuperblockOffset, new byte[4096]);
        Format("1M", "--force").Expect(0);
    }

    [Fact]
    public void A_size_that_is_too_small_names_what_is_enough_and_the_other_geometry()
    {
        ToolRun run = ToolRun.Run("format", _directory["N"], "--size", "1M")
            .ExpectError(2, "at least 64.1 MiB (--size 65556K)");
        Assert.Contains("--segment-size 128K or less", run.Error, StringComparison.Ordinal);
        ToolRun.Run("format", _directory["N"], "--size", "1M", "--segment-size", "128K").Expect(0);
        ToolRun.Run("format", _directory["M"], "--size", "100K").ExpectError(2, "276K");
        ToolRun.Run("format", _directory["M"], "--size", "276K", "--segment-size", "64K").Expect(0);
        ToolRun.Run("format", _directory["L"], "--size", "4M", "--segment-size", "1M")
            .ExpectError(2, "4.1 MiB (--size 4116K); or give --segment-size 512K or less");
    }

    [Theory]
    [InlineData(1L, "1 bytes")]
    [InlineData(1024L, "1.0 KiB")]
    [InlineData(1025L, "1.1 KiB")]
    [InlineData((16L << 20) + 20480, "16.1 MiB")]
    [InlineData(64L << 20, "64.0 MiB")]
    [InlineData((1L << 30) + 1, "1.1 GiB")]
    public void A_least_size_is_rounded_up(long bytes, string text) => Assert.Equal(text, SizeText.RoundedUp(bytes));

    [Theory]
    [InlineData("status")]
    [InlineData("check")]
    [InlineData("dump")]
    [InlineData("export --output X")]
    public void What_is_no_cache_is_called_that(string command)
    {
        _directory.Write("text", "hello"u8.ToArray());
        _directory.Write("empty", []);
        _directory.Write("page", SectorPattern.Make(0, 8, 1));
        _directory.Write("rubbish", SectorPattern.Make(0, 2048, 1));
        _directory.Zeros("zeros", 1 << 20);
        foreach (string name in (string[])["text", "empty", "page", "rubbish", "zeros"])
        {
            string[] words = command.Split(' ');
            ToolRun.Run([words[0], _directory[name],
                .. words[1..].Select(word => word == "X" ? _directory[word] : word)]).ExpectError(3, "isn't a cache");
        }

        if (Path.Exists("/dev/null"))
        {
            ToolRun.Run("check", "/dev/null").ExpectError(3, "isn't a cache");
        }
    }

    private ToolRun Format(string size, params string[] more) =>
        ToolRun.Run(["format", _directory["C"], "--size", size, "--segment-size", "64K", .. more]);

    private void Dirty()
    {
        ToolRun.Run("format", _directory["C"], "--size", "1M", "--segment-size", "64K", "--data-crc").Expect(0);
        ToolRun.Run("write", _directory["C"], _directory["B"], "--input", _directory["I"]).Expect(0);
    }

    private void Damage(string what)
    {
        byte[] bad = new byte[32];
        bad.AsSpan().Fill(0xEE);
        switch (what)
        {
            case "superblock":
                Overwrite(MediaConstants.SuperblockOffset, new byte[4096]);
                break;
            case "cache info":
                Overwrite(MediaConstants.CacheInfoOffset, new byte[8192]);
                break;
            case "tails":
                Overwrite(MediaConstants.KeyTailOffset, bad);
                Overwrite(MediaConstants.DirtyTailOffset, bad);
                break;
            case "kset":
                ToolRun.Run("write", _directory["C"], _directory["B"], "--input", _directory["I"], "--offset", "64K")
                    .Expect(0);
                Overwrite(MediaConstants.SegmentsOffset + MediaConstants.SegmentDataOffset + 30, bad[..8]);
                break;
            case "generation":
                Overwrite(MediaConstants.SegmentsOffset + (5 * 65536) + MediaConstants.SegmentControlOffset, bad);
                break;
            default:
                using (var file = new FileStream(_directory["C"], FileMode.Open))
                {
                    file.SetLength(600 << 10);
                }

                break;
        }
    }

    private void Overwrite(long offset, byte[] bytes)
    {
        using var file = new FileStream(_directory["C"], FileMode.Open);
        file.Position = offset;
        file.Write(bytes);
    }
}
