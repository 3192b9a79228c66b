using System.Text.Json;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Tool.Tests;

public sealed class FormatTests : IDisposable
{
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Makes_a_compact_cache()
    {
        string cache = _directory["c"];
        ToolRun run = ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K", "--data-crc",
            "--gc-percent", "40", "--label", "scratch \u20AC").Expect(0);
        Assert.Contains("15 segments of 64K", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("Linux", run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);
        Assert.Equal(1 << 20, new FileInfo(cache).Length);
        CacheImageStatus status = Status(cache);
        Assert.False(status.IsLinuxGeometry);
        Assert.Equal(15, status.SegmentCount);
        Assert.Equal(40, status.GcThresholdPercent);
        Assert.True(status.PayloadCrc);
        Assert.Equal("scratch \u20AC", status.Label);
        Assert.NotEqual(Guid.Empty, status.CacheId);
        Assert.True(status.IsSound && status.IsClean);
    }

    [Fact]
    public void Makes_a_linux_cache_with_a_note()
    {
        string cache = _directory["c"];
        ToolRun run = ToolRun.Run("format", cache, "--size", "80M").Expect(0);
        Assert.Contains("under 512M", run.Out, StringComparison.Ordinal);
        CacheImageStatus status = Status(cache);
        Assert.True(status.IsLinuxGeometry);
        Assert.Equal(4, status.SegmentCount);
        Assert.Equal(70, status.GcThresholdPercent);
        Assert.False(status.PayloadCrc);
        Assert.Empty(status.Label);
    }

    [Fact]
    public void Makes_a_linux_cache_that_linux_takes()
    {
        string cache = _directory["c"];
        ToolRun run = ToolRun.Run("format", cache, "--size", "512M").Expect(0);
        Assert.DoesNotContain("512M", run.Out, StringComparison.Ordinal);
        Assert.True(ToolRun.Run("check", cache, "--linux", "--json").Expect(0).Json().GetProperty("linux")
            .GetBoolean());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    [InlineData(1 << 20)]
    [InlineData(3 << 20)]
    public void Takes_an_existing_file_of_zeros(int length)
    {
        string cache = _directory.Zeros("c", length);
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K").Expect(0);
        Assert.Equal(1 << 20, new FileInfo(cache).Length);
        Assert.True(Status(cache).IsSound);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1 << 19)]
    [InlineData((1 << 20) - 1)]
    public void Refuses_content_without_force(int at)
    {
        byte[] content = new byte[1 << 20];
        content[at] = 1;
        string cache = _directory.Write("c", content);
        var before = _directory.Print("c");
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K").ExpectError(3, "--force");
        Assert.Equal(before, _directory.Print("c"));
        ToolRun.Run("format", cache, "--size", "2M", "--segment-size", "64K").ExpectError(3, "--force");
        Assert.Equal(before, _directory.Print("c"));
        ToolRun.Run("format", cache, "--size", "2M", "--segment-size", "64K", "--force").Expect(0);
        Assert.True(Status(cache).IsSound);
        ToolRun.Run("format", cache, "--size", "2M", "--segment-size", "64K").ExpectError(3, "--force");
    }

    [Fact]
    public void Refuses_a_file_in_use_even_with_force()
    {
        string cache = _directory["c"];
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K").Expect(0);
        Guid id = Status(cache).CacheId;
        using (PmemFile.Open(cache, new PmemFileOptions { ReadOnly = true }))
        {
            ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K", "--force").ExpectError(3, cache);
        }

        Assert.Equal(id, Status(cache).CacheId);
    }

    [Fact]
    public void Refuses_directories_and_missing_ones()
    {
        ToolRun.Run("format", _directory.FullName, "--size", "1G").ExpectError(3, "directory");
        ToolRun.Run("format", _directory["no/c"], "--size", "1G").ExpectError(3, "directory");
    }

    [Fact]
    public void Failed_format_leaves_no_file()
    {
        ToolRun.Run("format", _directory["c"], "--size", "4000000G").ExpectError(3, _directory["c"]);
        Assert.False(File.Exists(_directory["c"]));
        ToolRun.Run("format", _directory["c"], "--size", "1M").ExpectError(2, "too small");
        Assert.False(File.Exists(_directory["c"]));
    }

    [Fact]
    public void Set_changes_settings_only()
    {
        string cache = _directory["c"];
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K").Expect(0);
        CacheImageStatus before = Status(cache);
        ToolRun run = ToolRun.Run("set", cache, "--gc-percent", "0", "--label", "mail").Expect(0);
        Assert.Contains("mail", run.Out, StringComparison.Ordinal);
        CacheImageStatus after = Status(cache);
        Assert.Equal(0, after.GcThresholdPercent);
        Assert.Equal("mail", after.Label);
        Assert.Equal(before.CacheId, after.CacheId);
        for (int percent = 1; percent <= 90; percent += 30)
        {
            ToolRun.Run("set", cache, "--gc-percent",
                percent.ToString(System.Globalization.CultureInfo.InvariantCulture)).Expect(0);
            Assert.Equal(percent, Status(cache).GcThresholdPercent);
        }

        ToolRun.Run("set", cache, "--label", "").Expect(0);
        Assert.Empty(Status(cache).Label);
        Assert.True(Status(cache).IsSound);
        ToolRun.Run("set", cache).ExpectError(2, "--label");
    }

    [Fact]
    public void Status_says_the_same_to_people_and_scripts()
    {
        string cache = _directory["c"];
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K", "--data-crc", "--label", "a\"b")
            .Expect(0);
        var print = _directory.Print("c");
        JsonElement json = ToolRun.Run("status", cache, "--json").Expect(0).Json();
        Assert.Equal("compact", json.GetProperty("format").GetString());
        Assert.Equal(15, json.GetProperty("segmentCount").GetInt32());
        Assert.Equal(1, json.GetProperty("segmentsUsed").GetInt32());
        Assert.Equal(70, json.GetProperty("gcPercent").GetInt32());
        Assert.True(json.GetProperty("dataCrc").GetBoolean());
        Assert.Equal("writeback", json.GetProperty("mode").GetString());
        Assert.Equal("0:0", json.GetProperty("keyHead").GetString());
        Assert.Equal("0:0", json.GetProperty("keyTail").GetString());
        Assert.Equal("0:0", json.GetProperty("dirtyTail").GetString());
        Assert.Equal(0, json.GetProperty("dirtyBytes").GetInt64());
        Assert.Equal(0, json.GetProperty("dirtyKeys").GetInt64());
        Assert.True(json.GetProperty("clean").GetBoolean());
        Assert.Equal("0 15 15 1 70 1183 0:0 0:0 0:0", json.GetProperty("dmStatus").GetString());
        Assert.Equal("a\"b", json.GetProperty("label").GetString());
        ToolRun text = ToolRun.Run("status", cache).Expect(0);
        Assert.Contains("pcache 0 15 15 1 70 1183 0:0 0:0 0:0", text.Out, StringComparison.Ordinal);
        Assert.Contains("a\"b", text.Out, StringComparison.Ordinal);
        Assert.Empty(text.Error);
        Assert.Equal(print, _directory.Print("c"));
    }

    [Fact]
    public void Check_and_dump_of_a_new_cache_find_nothing()
    {
        string cache = _directory["c"];
        string backing = _directory.Zeros("b", 1 << 20);
        ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K").Expect(0);
        JsonElement check = ToolRun.Run("check", cache, "--backing", backing, "--json").Expect(0).Json();
        Assert.True(check.GetProperty("sound").GetBoolean());
        Assert.False(check.TryGetProperty("linux", out _));
        Assert.Equal(0, check.GetProperty("findings").GetArrayLength());
        Assert.Equal(0, ToolRun.Run("dump", cache, "--json").Expect(0).Json().GetProperty("ksets").GetArrayLength());
        Assert.Contains("end of the log", ToolRun.Run("dump", cache).Expect(0).Out, StringComparison.Ordinal);
        JsonElement linux = ToolRun.Run("check", cache, "--linux", "--json").Expect(1).Json();
        Assert.True(linux.GetProperty("sound").GetBoolean());
        Assert.False(linux.GetProperty("linux").GetBoolean());
        JsonElement reason = linux.GetProperty("findings")[0];
        Assert.Equal("note", reason.GetProperty("severity").GetString());
        Assert.NotEmpty(reason.GetProperty("structure").GetString()!);
        Assert.NotEmpty(reason.GetProperty("text").GetString()!);
        Assert.True(reason.TryGetProperty("offset", out _));
        Assert.Contains("NOT accept", ToolRun.Run("check", cache, "--linux").Expect(1).Out, StringComparison.Ordinal);
    }

    private static CacheImageStatus Status(string path)
    {
        using PmemRegion region = PmemFile.Open(path, new PmemFileOptions { ReadOnly = true });
        return CacheImage.ReadStatus(region);
    }
}
