using System.Globalization;
using System.Text.Json;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Tests;

/// <summary>read, write, writeback and bind on real files.</summary>
public sealed class DeviceCommandTests : IDisposable
{
    private const int BackingBytes = (1 << 20) + 300;
    private readonly ToolDirectory _directory = new();
    private readonly byte[] _content = new byte[BackingBytes];

    public DeviceCommandTests()
    {
        new Random(3).NextBytes(_content);
        _directory.Write("b", _content);
        ToolRun.Run("format", Cache, "--size", "4M", "--segment-size", "64K", "--data-crc").Expect(0);
    }

    private string Cache => _directory["c"];

    private string Backing => _directory["b"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Written_data_is_dirty_then_read_then_written_back()
    {
        byte[] data = Random(7, 100_000);
        string input = _directory.Write("i", data);
        var backing = _directory.Print("b");
        ToolRun write = ToolRun.Run("write", Cache, Backing, "--input", input, "--offset", "12345").Expect(0);
        Assert.Contains("100000 bytes at 12345", write.Out, StringComparison.Ordinal);
        Assert.Equal(backing, _directory.Print("b"));
        data.CopyTo(_content, 12345);

        JsonElement status = Status();
        Assert.False(status.GetProperty("clean").GetBoolean());
        Assert.InRange(status.GetProperty("dirtyBytes").GetInt64(), 100_000, 100_000 + 1024);
        Assert.Equal(BackingBytes, status.GetProperty("backingLength").GetInt64());

        var cache = _directory.Print("c");
        Assert.Equal(_content, ToolRun.Run("read", Cache, Backing, "--output", "-").Expect(0).Bytes);
        ToolRun.Run("read", Cache, Backing, "--output", _directory["o"], "--offset", "12K", "--length", "64K")
            .Expect(0);
        Assert.Equal(_content[(12 << 10)..(76 << 10)], File.ReadAllBytes(_directory["o"]));
        Assert.Equal(cache, _directory.Print("c"));
        Assert.Equal(backing, _directory.Print("b"));

        ToolRun.Run("check", Cache, "--backing", Backing).Expect(0);
        ToolRun drain = ToolRun.Run("writeback", Cache, Backing).Expect(0);
        Assert.Contains("the cache is clean", drain.Out, StringComparison.Ordinal);
        Assert.Equal(_content, File.ReadAllBytes(Backing));
        Assert.True(Status().GetProperty("clean").GetBoolean());
        Assert.Equal(0, Status().GetProperty("dirtyBytes").GetInt64());
        Assert.Contains("Wrote back 0 bytes", ToolRun.Run("writeback", Cache, Backing).Expect(0).Out,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_program_appended_is_read_exported_and_written_back(bool rescue)
    {
        byte[] data = Random(9, 5000);
        string cache = _directory["grown"];
        var options = new PCacheOptions { SegmentSizeBytes = 64 << 10, PayloadCrc = true };
        using (PCacheDevice device = PCacheDevice.OpenOrCreate(
            cache, 4 << 20, BlockDevice.OpenFile(Backing), options with { DrainOnDispose = false }))
        {
            device.PauseWriteback();
            device.Write(BackingBytes, data);
            device.Flush();
        }

        Assert.Equal(BackingBytes, new FileInfo(Backing).Length);
        byte[] all = [.. _content, .. data];
        Assert.Equal(all, ToolRun.Run("read", cache, Backing, "--output", "-").Expect(0).Bytes);
        ToolRun.Run("check", cache, "--backing", Backing).Expect(0);
        ToolRun.Run("export", cache, "--output", _directory["x"]).Expect(0);
        Assert.Equal(data, File.ReadAllBytes(_directory["x"])[BackingBytes..]);
        ToolRun.Run(rescue ? ["writeback", cache, Backing, "--rescue"] : ["writeback", cache, Backing]).Expect(0);
        Assert.Equal(all, File.ReadAllBytes(Backing));
    }

    [Fact]
    public void Standard_input_is_input()
    {
        byte[] data = Random(8, 5000);
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-", "--offset",
            (BackingBytes - 5000).ToString(CultureInfo.InvariantCulture)).Expect(0);
        Assert.Equal(data, ToolRun.Run("read", Cache, Backing, "--output", "-", "--offset",
            (BackingBytes - 5000).ToString(CultureInfo.InvariantCulture)).Expect(0).Bytes);
    }

    [Theory]
    [InlineData(BackingBytes, 1)]
    [InlineData(BackingBytes - 10, 11)]
    [InlineData(BackingBytes + 1, 0)]
    [InlineData(0, BackingBytes + 1)]
    public void Writing_past_the_end_is_wrong_usage(int offset, int length)
    {
        var cache = _directory.Print("c");
        var backing = _directory.Print("b");
        byte[] data = new byte[length];
        string text = offset.ToString(CultureInfo.InvariantCulture);
        ToolRun.Run("write", Cache, Backing, "--input", _directory.Write("i", data), "--offset", text)
            .ExpectError(2, "beyond the device");
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-", "--offset", text)
            .ExpectError(2, "beyond the device");
        Assert.Equal(cache, _directory.Print("c"));
        Assert.Equal(backing, _directory.Print("b"));
    }

    [Theory]
    [InlineData("1048877", null)]
    [InlineData("0", "1048877")]
    [InlineData("1M", "301")]
    [InlineData("9223372036854775807", "9223372036854775807")]
    public void Reading_past_the_end_is_wrong_usage(string offset, string? length)
    {
        string[] arguments = ["read", Cache, Backing, "--output", _directory["o"], "--offset", offset];
        ToolRun.Run(length is null ? arguments : [.. arguments, "--length", length])
            .ExpectError(2, "beyond the device");
        Assert.False(File.Exists(_directory["o"]));
    }

    [Fact]
    public void Reading_nothing_is_fine()
    {
        Assert.Empty(ToolRun.Run("read", Cache, Backing, "--output", "-", "--offset",
            BackingBytes.ToString(CultureInfo.InvariantCulture)).Expect(0).Bytes);
        Assert.Empty(ToolRun.Run("read", Cache, Backing, "--output", "-", "--length", "0").Expect(0).Bytes);
    }

    [Fact]
    public void Another_backing_needs_consent()
    {
        byte[] data = Random(9, 4096);
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-").Expect(0);
        string other = _directory.Zeros("other", 2 << 20);
        var print = _directory.Print("c");
        ToolRun.Run("writeback", Cache, other).ExpectError(3, "--any-backing");
        ToolRun.Run("bind", Cache, other).ExpectError(3, "--force");
        ToolRun.Run("read", Cache, other, "--output", "-").ExpectError(3);
        ToolRun.RunWithInput(data, "write", Cache, other, "--input", "-").ExpectError(3);
        Assert.Equal(print.Hash, _directory.Print("c").Hash);

        ToolRun.Run("bind", Cache, other, "--force").Expect(0);
        Assert.Equal(2 << 20, Status().GetProperty("backingLength").GetInt64());
        Assert.False(Status().GetProperty("clean").GetBoolean());
        ToolRun.Run("bind", Cache, other).Expect(0);
        ToolRun.Run("writeback", Cache, Backing).ExpectError(3, "--any-backing");
        ToolRun.Run("writeback", Cache, Backing, "--any-backing").Expect(0);
        data.CopyTo(_content, 0);
        Assert.Equal(_content, File.ReadAllBytes(Backing));
        Assert.Equal(BackingBytes, Status().GetProperty("backingLength").GetInt64());
    }

    [Fact]
    public void A_backing_changed_meanwhile_needs_consent()
    {
        byte[] data = Random(9, 4096);
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-").Expect(0);
        Assert.True(Status().GetProperty("backingFingerprint").TryGetDateTimeOffset(out DateTimeOffset taken));
        Assert.Contains(ToolRun.Run("status", Cache).Expect(0).Out.Split('\n'), line =>
            line.EndsWith($"fingerprint of {taken:u}", StringComparison.Ordinal));
        using (FileStream file = File.OpenWrite(Backing))
        {
            file.Position = BackingBytes - 1;
            file.WriteByte((byte)(_content[^1] + 1));
        }

        var print = _directory.Print("c");
        ToolRun.Run("writeback", Cache, Backing).ExpectError(3, "--any-backing");
        ToolRun.Run("bind", Cache, Backing).ExpectError(3, "--force");
        ToolRun.Run("read", Cache, Backing, "--output", "-").ExpectError(3);
        Assert.Equal(print.Hash, _directory.Print("c").Hash);
        ToolRun.Run("bind", Cache, Backing, "--force").Expect(0);
        ToolRun.Run("writeback", Cache, Backing).Expect(0);
        Assert.Equal(data, File.ReadAllBytes(Backing)[..4096]);
    }

    [Fact]
    public void Damaged_payload_stops_or_is_filled_in()
    {
        byte[] data = Random(10, 8192);
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-", "--offset", "4K").Expect(0);
        JsonElement key = FirstKey();
        using (var file = new FileStream(Cache, FileMode.Open))
        {
            long place = 20480 + (key.GetProperty("segment").GetInt64() * (64 << 10)) + 12288
                + key.GetProperty("segmentOffset").GetInt64() + 1000;
            file.Position = place;
            int old = file.ReadByte();
            file.Position = place;
            file.WriteByte((byte)(old ^ 0x10));
        }

        long from = key.GetProperty("offset").GetInt64();
        long to = from + key.GetProperty("length").GetInt64();
        byte[] expected = [.. _content];
        data.CopyTo(expected, 4096);

        ToolRun fail = ToolRun.Run("read", Cache, Backing, "--output", "-").Expect(1);
        Assert.Equal(expected[..(int)from], fail.Bytes);
        Assert.Contains($"bytes {from}..{to - 1}", fail.Error, StringComparison.Ordinal);

        ToolRun zero = ToolRun.Run("read", Cache, Backing, "--output", "-", "--damaged", "zero").Expect(1);
        expected.AsSpan((int)from, (int)(to - from)).Clear();
        Assert.Equal(expected, zero.Bytes);
        Assert.Contains($"bytes {from}..{to - 1}", zero.Error, StringComparison.Ordinal);

        ToolRun filled = ToolRun.Run("read", Cache, Backing, "--output", "-", "--damaged", "backing").Expect(1);
        _content.AsSpan((int)from, (int)(to - from)).CopyTo(expected.AsSpan((int)from));
        Assert.Equal(expected, filled.Bytes);
        Assert.Contains($"bytes {from}..{to - 1}", filled.Error, StringComparison.Ordinal);

        Assert.Equal(_content[..4096],
            ToolRun.Run("read", Cache, Backing, "--output", "-", "--length", "4K").Expect(0).Bytes);
        ToolRun.Run("check", Cache).Expect(1);
        ToolRun.Run("writeback", Cache, Backing).Expect(1);
        Assert.Equal(_content[(int)from..(int)to], File.ReadAllBytes(Backing)[(int)from..(int)to]);
    }

    /// <summary>
    /// What a crash of Linux inside its garbage collection leaves, and Linux then refuses to load: keys that were
    /// written back, whose payload is another key's by now.
    /// </summary>
    [Fact]
    public void An_image_that_linux_refuses_for_dead_keys_comes_out_whole()
    {
        byte[] old = Random(21, 4096);
        ToolRun.RunWithInput(old, "write", Cache, Backing, "--input", "-", "--offset", "8K").Expect(0);
        ToolRun.Run("writeback", Cache, Backing).Expect(0);
        old.CopyTo(_content, 8192);
        JsonElement key = FirstKey();
        Reuse(key.GetProperty("segment").GetInt32());
        using (PmemRegion region = PmemFile.Open(Cache))
        {
            MediaState media = MediaLoader.Load(region);
            region.Write(media.DeviceOffset(
                new LogPosition(key.GetProperty("segment").GetInt32(), key.GetProperty("segmentOffset").GetInt32())),
                Random(22, 4096));
            region.Drain();
        }

        byte[] data = Random(23, 8192);
        ToolRun.RunWithInput(data, "write", Cache, Backing, "--input", "-", "--offset", "64K").Expect(0);
        data.CopyTo(_content, 65536);
        ToolRun.Run("check", Cache).Expect(0);
        Assert.Equal(_content, ToolRun.Run("read", Cache, Backing, "--output", "-").Expect(0).Bytes);
        ToolRun.Run("export", Cache, "--output", _directory["e"], "--list", _directory["l"]).Expect(0);
        Assert.Equal(data, File.ReadAllBytes(_directory["e"]).AsSpan(65536, 8192));
        ToolRun.Run("writeback", Cache, Backing).Expect(0);
        Assert.Equal(_content, File.ReadAllBytes(Backing));
    }

    [Fact]
    public void Lost_writes_show_and_need_consent()
    {
        ToolRun.RunWithInput(Random(11, 4096), "write", Cache, Backing, "--input", "-", "--offset", "8K").Expect(0);
        // as if the segment had been reused while its keys were still dirty
        Reuse(FirstKey().GetProperty("segment").GetInt32());

        var print = _directory.Print("c");
        Assert.Contains("lost", ToolRun.Run("status", Cache).Expect(1).Error, StringComparison.Ordinal);
        Assert.True(ToolRun.Run("status", Cache, "--json").Expect(1).Json().GetProperty("lostKeys").GetInt32() > 0);
        JsonElement check = ToolRun.Run("check", Cache, "--json").Expect(1).Json();
        Assert.Contains(check.GetProperty("findings").EnumerateArray(), finding =>
            finding.GetProperty("severity").GetString() == "lost");
        ToolRun read = ToolRun.Run("read", Cache, Backing, "--output", "-").Expect(1);
        Assert.Equal(_content, read.Bytes);
        Assert.StartsWith("lost: ", read.Error, StringComparison.Ordinal);
        ToolRun.Run("writeback", Cache, Backing).ExpectError(3, "--accept-lost");
        ToolRun.Run("bind", Cache, Backing).ExpectError(3, "--accept-lost");
        ToolRun.RunWithInput([1], "write", Cache, Backing, "--input", "-").ExpectError(3, "--accept-lost");
        Assert.Equal(print, _directory.Print("c"));

        ToolRun accepted = ToolRun.Run("writeback", Cache, Backing, "--accept-lost").Expect(1);
        Assert.StartsWith("lost: ", accepted.Error, StringComparison.Ordinal);
        Assert.Contains("clean", accepted.Out, StringComparison.Ordinal);
        Assert.Equal(_content, File.ReadAllBytes(Backing));
        ToolRun.Run("check", Cache).Expect(0);
    }

    [Fact]
    public void What_does_not_fit_is_refused_before_anything_is_changed()
    {
        string big = _directory.Zeros("big", 16 << 20);
        ToolRun.Run("bind", Cache, big, "--force").Expect(0);
        var print = _directory.Print("c");
        ToolRun.RunWithInput(new byte[4 << 20], "write", Cache, big, "--input", "-").ExpectError(3, "writeback");
        Assert.Equal(print, _directory.Print("c"));
        byte[] data = Random(12, 2 << 20);
        ToolRun.RunWithInput(data, "write", Cache, big, "--input", "-").Expect(0);
        ToolRun.RunWithInput(data, "write", Cache, big, "--input", "-", "--offset", "8M").ExpectError(3, "writeback");
        ToolRun.Run("writeback", Cache, big).Expect(0);
        ToolRun.RunWithInput(data, "write", Cache, big, "--input", "-", "--offset", "8M").Expect(0);
        Assert.Equal(data, ToolRun.Run("read", Cache, big, "--output", "-", "--offset", "8M", "--length", "2M")
            .Expect(0).Bytes);
    }

    [Theory]
    [InlineData("dirty-small")]
    [InlineData("gc-crash")]
    public void Linux_images_are_read_and_drained(string set)
    {
        GoldenSet golden = GoldenSet.Load(set);
        string cache = _directory["linux"];
        string backing = _directory.Write("lb", golden.CopyBacking());
        golden.WritePmem(cache);
        byte[] read = ToolRun.Run("read", cache, backing, "--output", "-").Expect(0).Bytes;
        Assert.Equal(golden.Manifest.GetProperty("kernel_readback_sha256").GetString(), Hash(read));
        ToolRun.Run("writeback", cache, backing).Expect(0);
        Assert.Equal(golden.Manifest.GetProperty("kernel_backing_after_drain_sha256").GetString(),
            Hash(File.ReadAllBytes(backing)));
        ToolRun.Run("check", cache, "--backing", backing).Expect(0);
    }

    private static string Hash(byte[] bytes) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));

    private static byte[] Random(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private JsonElement Status() => ToolRun.Run("status", Cache, "--json").Expect(0).Json();

    /// <summary>Raises a segment's generation, as its reuse does.</summary>
    private void Reuse(int segment)
    {
        using PmemRegion region = PmemFile.Open(Cache);
        MediaState media = MediaLoader.Load(region);
        GenerationRecord record = new() { Generation = media.Generations[segment] + 1 };
        ReplicaState state = media.GenerationReplicas[segment];
        long offset = media.Geometry.SegmentOffset(media.Chain[segment]) + MediaConstants.SegmentControlOffset;
        Replicas.Write(region, offset, MediaConstants.GenerationStride, ref record, ref state);
    }

    private JsonElement FirstKey() =>
        ToolRun.Run("dump", Cache, "--keys", "--json").Expect(0).Json().GetProperty("ksets")[0].GetProperty("keys")[0];
}
