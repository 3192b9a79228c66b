using System.Text.Json;
using PCache.Tool.Bench;

namespace PCache.Tool.Tests;

/// <summary>The bench's form, not its figures: those depend on the machine.</summary>
public sealed class BenchTests : IDisposable
{
    private static readonly BenchSettings Quick =
        new() { LengthBytes = 4 << 20, Duration = TimeSpan.FromSeconds(0.2), Quick = true };

    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Json_has_what_scripts_rely_on()
    {
        JsonElement[] results = Results(Quick with { Threads = 2, DataCrc = true }, new("randwrite", 4096),
            new("read", 4096));
        Assert.Equal(["randwrite-4k", "read-4k"], results.Select(result => result.GetProperty("name").GetString()));
        foreach (JsonElement result in results)
        {
            Assert.Equal(2, result.GetProperty("threads").GetInt32());
            Assert.Equal(4096, result.GetProperty("blockBytes").GetInt32());
            Assert.True(result.GetProperty("dataCrc").GetBoolean());
            Assert.True(result.GetProperty("opsPerSecond").GetDouble() > 0);
            Assert.True(result.GetProperty("p50Ns").GetInt64() > 0);
            Assert.True(result.GetProperty("p99Ns").GetInt64() >= result.GetProperty("p50Ns").GetInt64());
            Assert.True(result.GetProperty("p999Ns").GetInt64() >= result.GetProperty("p99Ns").GetInt64());
            Assert.True(result.GetProperty("allocatedBytesPerOp").GetDouble() >= 0);
            JsonProperty device = Assert.Single(result.GetProperty("histogram").EnumerateObject());
            Assert.True(device.Value.GetProperty("counts").EnumerateObject()
                .Sum(bucket => bucket.Value.GetInt64()) > 0);
            Assert.Equal(OperatingSystem.IsLinux() ? JsonValueKind.Number
                : JsonValueKind.Null, result.GetProperty("diskBytesPerOp").ValueKind);
        }
    }

    [Fact]
    public void Files_are_made_and_removed()
    {
        ToolRun run = Run(
            Quick with
            {
                CachePath = _directory["c"],
                BackingPath = _directory["b"],
                WritebackRunning = true,
                LengthBytes = 2 << 20
            }, json: false, new("write", 512), new("randread", 1 << 20));
        Assert.Contains("to disk/op", run.Out, StringComparison.Ordinal);
        Assert.Contains("write-512", run.Out, StringComparison.Ordinal);
        Assert.Contains("randread-1m", run.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_directory.FullName));
    }

    [Theory]
    [InlineData("randwrite", false)]
    [InlineData("write", true)]
    [InlineData("randread", true)]
    public void A_first_pass_visits_each_block_once(string operation, bool files)
    {
        const int Threads = 2;
        BenchSettings settings = Quick with
        {
            Threads = Threads,
            CachePath = files ? _directory["c"] : null,
            BackingPath = files ? _directory["b"] : null,
            WritebackRunning = files,
        };
        JsonElement result = Assert.Single(
            Results(settings, FirstPass.Of(new BenchPattern(operation, 4096), settings)));
        Assert.Equal(operation + "-first-4k", result.GetProperty("name").GetString());
        long measured = result.GetProperty("histogram").GetProperty("PCacheDevice").GetProperty("counts")
            .EnumerateObject().Sum(bucket => bucket.Value.GetInt64());
        Assert.Equal((settings.LengthBytes / 4096) - (Threads * BenchRunner.FirstCalls), measured);
        Assert.Empty(Directory.GetFileSystemEntries(_directory.FullName));
    }

    [Fact]
    public void The_command_measures_what_its_options_say()
    {
        ToolRun run = ToolRun.Run("bench", "--rw", "randread", "--bs", "512", "--size", "1M", "--seconds", "1",
            "--threads", "2", "--persistence", "page-cache").Expect(0);
        Assert.Matches(@"\nrandread-512 +2 ", run.Out.ReplaceLineEndings("\n"));
        Assert.Equal(2, run.Out.TrimEnd().Split('\n').Length);
    }

    [Theory]
    [InlineData("smallwrite, or so", "--rw", "smallwrite, or so")]
    [InlineData("--persistence", "--persistence", "strong")]
    [InlineData("--bs", "--bs", "513")]
    [InlineData("--size", "--rw", "partialhit", "--size", "12K")]
    [InlineData("--first-pass", "--rw", "batchwrite", "--first-pass")]
    [InlineData("--first-pass", "--rw", "read", "--size", "32K", "--first-pass")]
    public void Wrong_words_are_wrong_usage(string mentions, params string[] args) =>
        ToolRun.Run(["bench", .. args]).ExpectError(2, mentions.Split(',')[0]);

    [Theory]
    [InlineData("--cache")]
    [InlineData("--backing")]
    public void A_file_that_is_there_is_never_written_over(string option)
    {
        string path = _directory.Write("mine", [1, 2, 3]);
        ToolRun.Run("bench", option, path).ExpectError(3, "exists already");
        ToolRun.Run("bench", option, _directory["none/here"]).ExpectError(3, "no directory");
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
    }

    private static JsonElement[] Results(BenchSettings settings, params BenchPattern[] patterns) =>
        [.. Run(settings, json: true, patterns).Json().GetProperty("results").EnumerateArray()];

    private static ToolRun Run(BenchSettings settings, bool json, params BenchPattern[] patterns) =>
        ToolRun.Of(context => BenchCommand.Run(context, settings, patterns, json, CancellationToken.None)).Expect(0);
}
