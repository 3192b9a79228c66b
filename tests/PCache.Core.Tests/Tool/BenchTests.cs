using System.Text.Json;

namespace PCache.Core.Tests.Tool;

/// <summary>The bench's form, not its figures: those depend on the machine.</summary>
public sealed class BenchTests : IDisposable
{
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Json_has_what_scripts_rely_on()
    {
        JsonElement[] results =
        [
            .. ToolRun.Run("bench", "--rw", "randwrite,read", "--bs", "4k", "--size", "4M", "--quick", "--threads", "2", "--data-crc", "--compare", "--json")
                .Expect(0).Json().GetProperty("results").EnumerateArray(),
        ];
        Assert.Equal(["randwrite-4k", "read-4k"], results.Select(result => result.GetProperty("name").GetString()));
        foreach (JsonElement result in results)
        {
            Assert.Equal(2, result.GetProperty("threads").GetInt32());
            Assert.True(result.GetProperty("dataCrc").GetBoolean());
            Assert.True(result.GetProperty("opsPerSecond").GetDouble() > 0);
            Assert.True(result.GetProperty("p50Ns").GetInt64() > 0);
            Assert.True(result.GetProperty("p99Ns").GetInt64() >= result.GetProperty("p50Ns").GetInt64());
            Assert.True(result.GetProperty("p999Ns").GetInt64() >= result.GetProperty("p99Ns").GetInt64());
            Assert.True(result.GetProperty("ratioToBound").GetDouble() > 0);
            Assert.Equal(
                result.GetProperty("ratioToBound").GetDouble(),
                result.GetProperty(result.GetProperty("clock").GetString() == "cpu" ? "ratioToBoundCpu" : "ratioToBoundWall").GetDouble());
            Assert.True(result.GetProperty("ratioLowQuartile").GetDouble() <= result.GetProperty("ratioHighQuartile").GetDouble());
            Assert.Equal("withoutCrc", Assert.Single(result.GetProperty("variants").EnumerateObject()).Name);
            Assert.All(
                result.GetProperty("histogram").EnumerateObject(),
                target => Assert.True(target.Value.GetProperty("counts").EnumerateObject().Sum(bucket => bucket.Value.GetInt64()) > 0));
            Assert.True(result.GetProperty("allocatedBytesPerOp").GetDouble() >= 0);
            Assert.Equal(
                ["RandomAccess", "FileStream", "FileStreamUnbuffered", "BufferedStream", "ViewAccessor"],
                result.GetProperty("versus").EnumerateObject().Select(peer => peer.Name));
            Assert.All(result.GetProperty("versus").EnumerateObject(), peer => Assert.True(peer.Value.GetDouble() > 0));
        }
    }

    [Fact]
    public void A_file_is_made_and_removed()
    {
        ToolRun run = ToolRun.Run("bench", "--cache", _directory["c"], "--rw", "write", "--bs", "512,1M", "--size", "2M", "--quick").Expect(0);
        Assert.Contains("write-512", run.Out, StringComparison.Ordinal);
        Assert.Contains("write-1m", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("bound", run.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_directory.FullName));
    }

    [Theory]
    [InlineData("randpersist", "RandomAccess", "FileStreamUnbuffered", "ViewAccessor")]
    [InlineData("randfua", "RandomAccess", "FileStreamUnbuffered", "ViewAccessor")]
    [InlineData("flush", "RandomAccess", "FileStreamUnbuffered", "ViewAccessor")]
    [InlineData("partialhit", "RandomAccess", "ViewAccessor")]
    [InlineData("randmiss", "RandomAccess", "ViewAccessor")]
    [InlineData("smallwrite", "FileStream", "FileStreamUnbuffered", "BufferedStream")]
    [InlineData("smallwrite-buffered", "FileStream", "FileStreamUnbuffered", "BufferedStream")]
    [InlineData("batchwrite", "RandomAccess", "ViewAccessor")]
    [InlineData("batchread", "RandomAccess", "ViewAccessor")]
    public void Every_operation_runs_beside_the_bound_and_its_peers(string operation, params string[] peers)
    {
        JsonElement result = Assert.Single(
            ToolRun.Run("bench", "--rw", operation, "--size", "1M", "--quick", "--threads", "2", "--compare", "--writeback", "running", "--clock", "wall", "--json")
                .Expect(0).Json().GetProperty("results").EnumerateArray());
        Assert.StartsWith(operation + "-4", result.GetProperty("name").GetString(), StringComparison.Ordinal);
        Assert.Equal("wall", result.GetProperty("clock").GetString());
        Assert.Equal(peers, result.GetProperty("versus").EnumerateObject().Select(peer => peer.Name));
        Assert.True(result.GetProperty("boundOpsPerSecond").GetDouble() > 0);
        Assert.Equal(2 + peers.Length + result.GetProperty("variants").EnumerateObject().Count(), result.GetProperty("histogram").EnumerateObject().Count());
    }

    [Fact]
    public void Without_comparison_there_is_no_ratio()
    {
        JsonElement result = Assert.Single(
            ToolRun.Run("bench", "--rw", "randread", "--size", "1M", "--quick", "--data-crc", "--no-verify", "--persistence", "page-cache", "--json").Expect(0).Json().GetProperty("results").EnumerateArray());
        Assert.Equal(JsonValueKind.Null, result.GetProperty("ratioToBound").ValueKind);
        Assert.Empty(result.GetProperty("versus").EnumerateObject());
    }

    [Theory]
    [InlineData("smallwrite, or so", "--rw", "smallwrite, or so")]
    [InlineData("nothing", "--scenario", "nothing")]
    [InlineData("scenario", "--scenario", "fill,")]
    [InlineData("--persistence", "--persistence", "strong")]
    [InlineData("--clock", "--clock", "sun")]
    [InlineData("--writeback", "--writeback", "maybe")]
    [InlineData("--bs", "--bs", "513")]
    [InlineData("--size", "--rw", "partialhit", "--size", "12K")]
    public void Wrong_words_are_wrong_usage(string mentions, params string[] args) => ToolRun.Run(["bench", .. args]).ExpectError(2, mentions.Split(',')[0]);

    [Fact]
    public void A_directory_that_is_not_there_is_refused() => ToolRun.Run("bench", "--scenario", "sync", "--dir", _directory["none"]).ExpectError(3, "--dir");
}
