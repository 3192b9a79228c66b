using System.Text.Json;

namespace PCache.Tool.Tests;

/// <summary>The inspection commands on images that Linux wrote.</summary>
public sealed class GoldenImageCommandTests : IDisposable
{
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("fresh")]
    [InlineData("dirty-small")]
    [InlineData("dirty-nocrc")]
    [InlineData("read-fill")]
    public void Status_check_and_dump_agree(string set)
    {
        GoldenSet golden = GoldenSet.Load(set);
        string cache = _directory["c"];
        golden.WritePmem(cache);
        DateTime modified = File.GetLastWriteTimeUtc(cache);
        JsonElement status = ToolRun.Run("status", cache, "--json").Expect(0).Json();
        Assert.Equal("linux", status.GetProperty("format").GetString());
        Assert.Equal(golden.LastDmStatus, status.GetProperty("dmStatus").GetString());
        Assert.Equal(golden.Manifest.GetProperty("data_crc").GetBoolean(), status.GetProperty("dataCrc").GetBoolean());

        JsonElement check = ToolRun.Run("check", cache, "--linux", "--json").Expect(0).Json();
        Assert.True(check.GetProperty("sound").GetBoolean());
        Assert.True(check.GetProperty("linux").GetBoolean());

        JsonElement[] ksets = [.. ToolRun.Run("dump", cache, "--keys", "--json").Expect(0).Json().GetProperty("ksets")
            .EnumerateArray()];
        Assert.Equal(status.GetProperty("ksets").GetInt32(), ksets.Length);
        int liveKeys = 0;
        foreach (JsonElement kset in ksets)
        {
            Assert.Equal(0u, kset.GetProperty("sequence").GetUInt32());
            Assert.True(kset.GetProperty("barrier").GetBoolean());
            Assert.False(kset.GetProperty("last").GetBoolean());
            Assert.Matches("^[0-9]+:[0-9]+$", kset.GetProperty("position").GetString());
            Assert.Equal(kset.GetProperty("keyCount").GetInt32(), kset.GetProperty("keys").GetArrayLength());
            liveKeys += kset.GetProperty("keys").EnumerateArray().Count(key => key.GetProperty("live").GetBoolean());
        }

        Assert.Equal(status.GetProperty("liveKeys").GetInt32(), liveKeys);
        string text = ToolRun.Run("dump", cache).Expect(0).Out;
        Assert.Equal(ksets.Length + 1, text.TrimEnd().Split('\n').Length);
        Assert.Equal(modified, File.GetLastWriteTimeUtc(cache));
    }

    [Fact]
    public void Damaged_payload_is_found_by_check()
    {
        string cache = _directory["c"];
        GoldenSet.Load("dirty-small").WritePmem(cache);
        JsonElement key = ToolRun.Run("dump", cache, "--keys", "--json").Expect(0).Json().GetProperty("ksets")[0]
            .GetProperty("keys")[0];
        long place = 20480 + (key.GetProperty("segment").GetInt64() * (16 << 20)) + 12288
            + key.GetProperty("segmentOffset").GetInt64();
        using (var file = new FileStream(cache, FileMode.Open))
        {
            file.Position = place;
            int old = file.ReadByte();
            file.Position = place;
            file.WriteByte((byte)(old ^ 1));
        }

        ToolRun.Run("status", cache).Expect(0);
        JsonElement check = ToolRun.Run("check", cache, "--json").Expect(1).Json();
        Assert.False(check.GetProperty("sound").GetBoolean());
        Assert.Contains(check.GetProperty("findings").EnumerateArray(), finding =>
            finding.GetProperty("severity").GetString() == "damage");
        Assert.Contains("NOT sound", ToolRun.Run("check", cache).Expect(1).Out, StringComparison.Ordinal);
    }
}
