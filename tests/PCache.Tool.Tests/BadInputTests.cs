using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Tests;

/// <summary>
/// Every command with every kind of bad file: the right exit code, one clear line, nothing changed, made, or left
/// locked.
/// </summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly string[] CacheCommands =
    [
        "status C", "status C --json", "check C", "check C --backing B --json", "dump C", "dump C --keys --json",
            "set C --label x", "set C --gc-percent 5",
        "read C B --output O", "write C B --input I", "writeback C B", "writeback C B --accept-lost --any-backing",
            "bind C B", "bind C B --force", "export C --output O --json", "writeback C B --rescue",
    ];

    private readonly ToolDirectory _directory = new();

    public BadInputTests()
    {
        _directory.Zeros("B", 1 << 20);
        _directory.Write("I", [1, 2, 3]);
    }

    public static TheoryData<string, string, int> BadCaches()
    {
        var rows = new TheoryData<string, string, int>();
        (string Kind, int ExitCode)[] kinds =
        [
            ("missing", 3), ("directory", 3), ("empty", 3), ("tiny", 3), ("foreign", 3), ("zeros", 3), ("locked", 3),
                ("no superblock", 3),
            ("cut", 1), ("cut to the head", 1), ("wrong magic", 1), ("superblock crc", 1), ("cache info", 1),
                ("key tail", 1), ("generation", 1),
        ];
        foreach (string command in CacheCommands)
        {
            foreach ((string kind, int exitCode) in kinds)
            {
                // What only reads gets as far as it can; what would write back does nothing without consent.
                string verb = command.Split(' ')[0];
                bool damaged = exitCode == 1 || kind == "no superblock";
                bool rescues = verb is "status" or "check" or "dump" or "read" or "export"
                    || command.EndsWith("--rescue", StringComparison.Ordinal);
                rows.Add(command, kind, damaged && rescues ? 1 : exitCode);
            }
        }

        return rows;
    }

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(BadCaches))]
    public void Bad_cache(string command, string kind, int exitCode)
    {
        using IDisposable? held = Make(kind);
        bool isFile = File.Exists(_directory["C"]);
        var before = isFile && held is null ? _directory.Print("C") : default;
        var backing = _directory.Print("B");
        ToolRun run = Run(command);
        if (exitCode == 3)
        {
            run.ExpectError(3, _directory["C"]);
        }
        else
        {
            run.Expect(1);
            Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
            Assert.NotEmpty(run.Error + run.Out);
        }

        if (isFile && held is null)
        {
            Assert.Equal(before, _directory.Print("C"));
            AssertUnlocked("C");
        }

        Assert.Equal(backing, _directory.Print("B"));
        AssertUnlocked("B");
        Assert.Equal(exitCode == 1 && command.Contains("--output", StringComparison.Ordinal),
            Path.Exists(_directory["O"]));
        Assert.Equal(isFile || kind == "directory", Path.Exists(_directory["C"]));
    }

    [Theory]
    [InlineData("read C X --output O")]
    [InlineData("write C X --input I")]
    [InlineData("writeback C X")]
    [InlineData("bind C X --force")]
    [InlineData("check C --backing X")]
    public void Bad_backing(string command)
    {
        Format();
        var before = _directory.Print("C");
        Run(command).ExpectError(3, _directory["X"]);
        Directory.CreateDirectory(_directory["X"]);
        Run(command).ExpectError(3, "directory");
        Assert.Equal(before, _directory.Print("C"));
        AssertUnlocked("C");
        Assert.False(Path.Exists(_directory["O"]));
    }

    [Theory]
    [InlineData("read C C --output O")]
    [InlineData("write C C --input I")]
    [InlineData("writeback C L")]
    [InlineData("bind C C --force")]
    public void Cache_as_its_own_backing(string command)
    {
        Format();
        File.CreateSymbolicLink(_directory["L"], _directory["C"]);
        var before = _directory.Print("C");
        Run(command).ExpectError(3);
        Assert.Equal(before, _directory.Print("C"));
        AssertUnlocked("C");
    }

    [Theory]
    [InlineData("read C B --output C")]
    [InlineData("read C B --output B")]
    [InlineData("read C B --output .")]
    [InlineData("read C B --output no/O")]
    [InlineData("export C --output C --force")]
    [InlineData("export C --output B")]
    [InlineData("export C --output .")]
    [InlineData("export C --output no/O")]
    [InlineData("export C --output O --list B")]
    [InlineData("apply B B --list I")]
    [InlineData("apply I B --list I")]
    [InlineData("apply X B --list I")]
    [InlineData("apply I B --list X")]
    [InlineData("write C B --input X")]
    [InlineData("write C B --input .")]
    public void Bad_other_file(string command)
    {
        Format();
        var before = _directory.Print("C");
        var backing = _directory.Print("B");
        Run(command).ExpectError(3);
        Assert.Equal(before, _directory.Print("C"));
        Assert.Equal(backing, _directory.Print("B"));
        AssertUnlocked("C");
        AssertUnlocked("B");
    }

    [Theory]
    [InlineData("demo --dir B")]
    [InlineData("bench --cache B")]
    [InlineData("bench --cache no/O")]
    public void Bad_place(string command)
    {
        var backing = _directory.Print("B");
        Run(command).ExpectError(3);
        Assert.Equal(backing, _directory.Print("B"));
    }

    [Fact]
    public void Demo_overwrites_nothing()
    {
        Directory.CreateDirectory(_directory["D"]);
        File.WriteAllText(_directory["D/demo-cache.img"], "precious");
        Run("demo --dir D").ExpectError(3, "exists already");
        Assert.Equal("precious", File.ReadAllText(_directory["D/demo-cache.img"]));
        Assert.Single(Directory.GetFiles(_directory["D"]));
    }

    /// <summary>
    /// Runs a command line in which capital letters, and what has a slash or is a dot, stand for files.
    /// </summary>
    private ToolRun Run(string command) => ToolRun.Run(
        [.. command.Split(' ').Select(word => word is "." || word.Contains('/', StringComparison.Ordinal)
            || (word.Length == 1 && char.IsUpper(word[0])) ? _directory[word] : word)]);

    private void Format() => Run("format C --size 1M --segment-size 64K --data-crc").Expect(0);

    private PmemRegion? Make(string kind)
    {
        string path = _directory["C"];
        switch (kind)
        {
            case "missing":
                return null;
            case "directory":
                Directory.CreateDirectory(path);
                return null;
            case "empty":
                _directory.Write("C", []);
                return null;
            case "tiny":
                _directory.Write("C", new byte[100]);
                return null;
            case "foreign":
                byte[] noise = new byte[1 << 20];
                new Random(5).NextBytes(noise);
                _directory.Write("C", noise);
                return null;
            case "zeros":
                _directory.Zeros("C", 1 << 20);
                return null;
        }

        Format();
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite);
        void Destroy(long offset, int length, byte value)
        {
            file.Position = offset;
            file.Write(Enumerable.Repeat(value, length).ToArray());
        }

        switch (kind)
        {
            case "locked":
                file.Dispose();
                return PmemFile.Open(path);
            case "no superblock":
                Destroy(MediaConstants.SuperblockOffset, 4096, 0);
                break;
            case "cut":
                file.SetLength(file.Length / 2);
                break;
            case "cut to the head":
                file.SetLength(MediaConstants.SegmentsOffset);
                break;
            case "wrong magic":
                Destroy(MediaConstants.SuperblockOffset + 8, 8, 0xEE);
                break;
            case "superblock crc":
                Destroy(MediaConstants.SuperblockOffset, 4, 0xEE);
                break;
            case "cache info":
                Destroy(MediaConstants.CacheInfoOffset, 24, 0xEE);
                Destroy(MediaConstants.CacheInfoOffset + MediaConstants.CacheInfoStride, 24, 0xEE);
                break;
            case "key tail":
                Destroy(MediaConstants.KeyTailOffset, 32, 0xEE);
                break;
            case "generation":
                Destroy(MediaConstants.SegmentsOffset + MediaConstants.SegmentControlOffset, 32, 0xEE);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, null);
        }

        return null;
    }

    private void AssertUnlocked(string name)
    {
        using FileStream file = new(_directory[name], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.True(file.CanWrite);
    }
}
