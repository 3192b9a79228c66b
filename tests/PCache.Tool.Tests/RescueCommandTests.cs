using System.Runtime.InteropServices;
using System.Text.Json;
using PCache.Core.Layout;

namespace PCache.Tool.Tests;

/// <summary>Getting dirty data out of damaged cache files by the command.</summary>
public sealed class RescueCommandTests : IDisposable
{
    private const int Length = 1 << 20;

    private readonly ToolDirectory _directory = new();
    private readonly byte[] _content;

    public RescueCommandTests()
    {
        _content = SectorPattern.Make(0, Length / 512, 0);
        _directory.Write("B", _content);
        Run("format C --size 2M --segment-size 64K --data-crc").Expect(0);
        Write(1, 0, 40);
        Write(2, 100, 3);
        Write(3, 20, 60);
    }

    public static TheoryData<long, int> Structures() => new()
    {
        { MediaConstants.SuperblockOffset, 4096 },
        { MediaConstants.CacheInfoOffset, 8192 },
        { MediaConstants.KeyTailOffset, 32 },
        { MediaConstants.DirtyTailOffset, 32 },
        { MediaConstants.SegmentsOffset + (2 * 65536), 8192 },
        { MediaConstants.SegmentsOffset + (3 * 65536) + MediaConstants.SegmentControlOffset, 32 },
    };

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Structures))]
    public void A_destroyed_structure_costs_nothing(long offset, int length)
    {
        Destroy(offset, length);
        var cache = _directory.Print("C");
        var backing = _directory.Print("B");
        foreach (string line in (string[])["status C", "status C --json", "check C", "check C --json", "dump C --keys"])
        {
            Run(line).Expect(1);
        }

        Run("read C B --output O").Expect(1);
        Rig.AssertSame(_content, File.ReadAllBytes(_directory["O"]), "the output");
        Run("writeback C B").ExpectError(1, "--rescue");
        Assert.Equal(backing, _directory.Print("B"));

        ToolRun run = Run("writeback C B --rescue --json").Expect(1);
        Assert.True(run.Json().GetProperty("rescued").GetBoolean());
        Assert.Equal(0, run.Json().GetProperty("skippedBytes").GetInt64());
        Rig.AssertSame(_content, File.ReadAllBytes(_directory["B"]), "the backing");
        Assert.Equal(cache, _directory.Print("C"));
    }

    [Fact]
    public void An_export_of_a_sound_cache_puts_everything_onto_the_backing()
    {
        foreach (string list in (string[])["L", "L.json"])
        {
            var cache = _directory.Print("C");
            Run($"export C --output E --list {list}").Expect(0);
            Assert.Equal(cache, _directory.Print("C"));
            Run($"export C --output E --list {list}").ExpectError(3, "--force");
            _directory.Write("B", SectorPattern.Make(0, Length / 512, 0));
            Run($"apply E B --list {list}").Expect(0);
            Rig.AssertSame(_content, File.ReadAllBytes(_directory["B"]), "the backing");
            File.Delete(_directory["E"]);
        }
    }

    [Fact]
    public void An_export_lists_every_range_and_its_file_is_sparse()
    {
        Write(9, 2000, 8);
        JsonElement list = Run("export C --output E --json").Expect(0).Json();
        JsonElement[] extents = [.. list.GetProperty("extents").EnumerateArray()];
        long bytes = 0;
        byte[] exported = File.ReadAllBytes(_directory["E"]);
        Assert.Equal(Length, exported.Length);
        foreach (JsonElement extent in extents)
        {
            int offset = extent.GetProperty("offset").GetInt32();
            int length = extent.GetProperty("length").GetInt32();
            Rig.AssertSame(_content.AsSpan(offset, length), exported.AsSpan(offset, length), "a range of the export");
            exported.AsSpan(offset, length).Clear();
            Assert.Equal("sound", extent.GetProperty("state").GetString());
            Assert.Equal("fits", extent.GetProperty("checksum").GetString());
            bytes += length;
        }

        Assert.Equal(list.GetProperty("rescue").GetProperty("soundBytes").GetInt64(), bytes);
        Assert.Equal(-1, exported.AsSpan().IndexOfAnyExcept((byte)0));
        if (OperatingSystem.IsLinux())
        {
            Assert.True(AllocatedBytes(_directory["E"]) < Length / 2,
                $"{AllocatedBytes(_directory["E"])} bytes are allocated");
        }
    }

    [Fact]
    public void What_may_be_stale_is_left_out_unless_there_is_consent()
    {
        JsonElement[] ksets = [.. Run("dump C --json").Expect(0).Json().GetProperty("ksets").EnumerateArray()];
        int second = int.Parse(ksets[1].GetProperty("position").GetString()!.Split(':')[1],
            System.Globalization.CultureInfo.InvariantCulture);
        Destroy(MediaConstants.SegmentsOffset + MediaConstants.SegmentDataOffset + second + 30, 8);
        ToolRun dump = Run("dump C").Expect(1);
        Assert.Contains("HOLE", dump.Out, StringComparison.Ordinal);

        // Writes 1 and 3 are left; what only write 1 names may have been overwritten by write 2.
        ToolRun read = Run("read C B --output O").Expect(1);
        Assert.Empty(File.ReadAllBytes(_directory["O"]));
        Assert.Contains("possibly-stale: bytes 0..", read.Error, StringComparison.Ordinal);
        Run("read C B --output O --damaged backing --force").Expect(1);
        byte[] original = SectorPattern.Make(0, Length / 512, 0);
        byte[] expected = [.. original];
        _content.AsSpan(20 * 512, 60 * 512).CopyTo(expected.AsSpan(20 * 512));
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["O"]), "the sound part");

        Run("export C --output E --list L").Expect(1);
        _directory.Write("D", original);
        Run("apply E D --list L").Expect(1);
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["D"]), "the sound part, applied");
        Run("writeback C B --rescue").Expect(1);
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["B"]), "the sound part, written back");

        _content.AsSpan(0, 20 * 512).CopyTo(expected);
        Run("apply E D --list L --include-stale").Expect(0);
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["D"]), "all, applied");
        Run("writeback C B --rescue --include-stale").Expect(1);
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["B"]), "all, written back");
        Run("read C B --output O --include-stale --force").Expect(1);
        Rig.AssertSame(expected, File.ReadAllBytes(_directory["O"]), "all, read");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_rescue_does_not_write_to_another_backing_without_consent(bool isLonger)
    {
        Destroy(MediaConstants.SuperblockOffset, 4096);
        _directory.Write("D", SectorPattern.Make(0, isLonger ? (Length / 512) + 8 : Length / 512, 77));
        var other = _directory.Print("D");
        Run("writeback C D --rescue").ExpectError(3, "--any-backing");
        Run("read C D --output O").ExpectError(3, "--any-backing");
        Assert.False(File.Exists(_directory["O"]));
        Assert.Equal(other, _directory.Print("D"));
        Run("writeback C D --rescue --any-backing").Expect(1);
        Assert.NotEqual(other, _directory.Print("D"));

        // What a rescue has written itself isn't held against the backing.
        Run("writeback C B --rescue").Expect(1);
        Run("writeback C B --rescue").Expect(1);
        Run("read C B --output O").Expect(1);
        Rig.AssertSame(_content, File.ReadAllBytes(_directory["O"]), "the output");
    }

    [Fact]
    public void A_writeback_around_damaged_payload_tells_what_it_did()
    {
        JsonElement extent = Run("export C --output E --json").Expect(0).Json().GetProperty("extents").EnumerateArray()
            .First(one => one.GetProperty("offset").GetInt64() == 100 * 512);
        Destroy(extent.GetProperty("cacheOffset").GetInt64(), 8);
        ToolRun run = Run("writeback C B --json").Expect(1);
        JsonElement damaged = Assert.Single(run.Json().GetProperty("damaged").EnumerateArray());
        Assert.Equal(100 * 512, damaged.GetProperty("offset").GetInt64());
        Assert.Equal(3 * 512, damaged.GetProperty("length").GetInt64());
        Assert.False(run.Json().GetProperty("clean").GetBoolean());
        Assert.Equal(3 * 512, run.Json().GetProperty("dirtyBytes").GetInt64());
        Assert.Contains("damaged: bytes 51200..52735", run.Error, StringComparison.Ordinal);
        Assert.Contains("1536 bytes remain dirty", Run("writeback C B").Expect(1).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_does_not_call_a_cache_clean_whose_log_has_a_hole()
    {
        Run("writeback C B").Expect(0);
        Write(4, 200, 1);
        Write(5, 300, 1);
        JsonElement kset = Run("dump C --json").Expect(0).Json().GetProperty("ksets").EnumerateArray()
            .First(one => one.GetProperty("dirty").GetBoolean());
        int offset = int.Parse(kset.GetProperty("position").GetString()!.Split(':')[1],
            System.Globalization.CultureInfo.InvariantCulture);
        Destroy(MediaConstants.SegmentsOffset + MediaConstants.SegmentDataOffset + offset, 40);
        ToolRun run = Run("status C --json").Expect(1);
        Assert.False(run.Json().GetProperty("clean").GetBoolean());
        Assert.Equal(1, run.Json().GetProperty("rescue").GetProperty("holes").GetInt32());
        Assert.DoesNotContain("clean", Run("status C").Expect(1).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void An_export_leaves_a_file_that_it_can_not_open()
    {
        _directory.Write("E", [1, 2, 3]);
        using (File.Open(_directory["E"], FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            Run("export C --output E --force").ExpectError(3);
        }

        Assert.Equal([1, 2, 3], File.ReadAllBytes(_directory["E"]));
    }

    [Fact]
    public void An_export_never_stands_beside_the_list_of_an_older_one()
    {
        Run("export C --output E --list N/L").ExpectError(3);
        Assert.False(File.Exists(_directory["E"]));
        Run("export C --output E --list L").Expect(0);
        using (File.Open(_directory["E"], FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            Run("export C --output E --list L --force").ExpectError(3);
        }

        // Neither was touched: they still fit each other.
        Run("apply E B --list L").Expect(0);
    }

    [Fact]
    public void Errors_name_the_way_on_that_their_command_has()
    {
        byte[] changed = File.ReadAllBytes(_directory["B"]);
        changed[^1] ^= 1;
        changed[0] ^= 1;
        _directory.Write("B", changed);
        Run("read C B --output O").ExpectError(3, "--any-backing");
        Destroy(MediaConstants.SuperblockOffset, 4096, 0);
        Run("set C --label x").ExpectError(3, "pcache check");
    }

    [Fact]
    public void Findings_have_codes_and_advice()
    {
        Destroy(MediaConstants.DirtyTailOffset, 32);
        JsonElement[] findings = [.. Run("check C --json").Expect(1).Json().GetProperty("findings").EnumerateArray()];
        Assert.Contains(findings, finding => finding.GetProperty("code").GetString() == "dirty-tail");
        Assert.All(findings, finding => Assert.NotEmpty(finding.GetProperty("advice").GetString()!));
        Assert.Contains("dirty-tail: Copy the image", Run("check C").Expect(1).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_that_does_not_fit_is_refused_before_anything_is_written()
    {
        Run("export C --output E --list L").Expect(0);
        var backing = _directory.Print("B");
        string text = File.ReadAllText(_directory["L"]);
        foreach (string wrong in (string[])["", "{}", "{\"extents\": 1}",
            text.Replace("sound", "fine", StringComparison.Ordinal),
            text.Replace("# offset", "# length", StringComparison.Ordinal), text
            + "0 512 sound dirty 0:0 0 fits\n", text + "x y z\n", text
            + "9223372036854775000 9223372036854775000 sound dirty 0:0 0 fits\n", text
            + "90000000 512 sound dirty 0:0 0 fits\n"])
        {
            File.WriteAllText(_directory["W"], wrong);
            Run("apply E B --list W").ExpectError(3);
            Assert.Equal(backing, _directory.Print("B"));
        }
    }

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static extern int Statx(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags,
        uint mask, byte[] result);

    /// <summary>Bytes of disk that a file takes (Linux).</summary>
    private static long AllocatedBytes(string path)
    {
        const int CurrentDirectory = -100;
        const uint BlocksMask = 0x400;
        const int BlocksAt = 48;
        byte[] result = new byte[256];
        Assert.Equal(0, Statx(CurrentDirectory, path, 0, BlocksMask, result));
        return (long)BitConverter.ToUInt64(result, BlocksAt) * 512;
    }

    private void Write(int id, int sector, int count)
    {
        byte[] bytes = SectorPattern.Make(sector, count, id);
        bytes.CopyTo(_content, sector * 512);
        ToolRun.RunWithInput(bytes, "write", _directory["C"], _directory["B"], "--input", "-", "--offset",
            $"{sector * 512}").Expect(0);
    }

    private void Destroy(long offset, int length, byte with = 0xEE)
    {
        using var file = new FileStream(_directory["C"], FileMode.Open);
        file.Position = offset;
        file.Write(Enumerable.Repeat(with, length).ToArray());
    }

    private ToolRun Run(string line) => ToolRun.Run(
        [.. line.Split(' ').Select(word => word.Length <= 6 && char.IsUpper(word[0]) ? _directory[word] : word)]);
}
