using System.Text.Json;

namespace PCache.Benchmarks.Tests;

/// <summary>The comparison's form, not its figures: those depend on the machine.</summary>
public sealed class CompareTests
{
    [Fact]
    public void Json_has_what_scripts_rely_on()
    {
        JsonElement[] results =
        [
            .. ToolRun.Run("compare", "--rw", "randwrite,read", "--bs", "4k", "--size", "4M", "--quick", "--threads",
                "2", "--data-crc", "--json")
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
                result.GetProperty(result.GetProperty("clock").GetString() == "cpu" ? "ratioToBoundCpu"
                    : "ratioToBoundWall").GetDouble());
            Assert.True(result.GetProperty("ratioLowQuartile").GetDouble() <= result.GetProperty("ratioHighQuartile")
                .GetDouble());
            Assert.Equal("withoutCrc", Assert.Single(result.GetProperty("variants").EnumerateObject()).Name);
            Assert.All(
                result.GetProperty("histogram").EnumerateObject(),
                target => Assert.True(target.Value.GetProperty("counts").EnumerateObject()
                    .Sum(bucket => bucket.Value.GetInt64()) > 0));
            Assert.True(result.GetProperty("allocatedBytesPerOp").GetDouble() >= 0);
            Assert.Equal(
                ["RandomAccess", "FileStream", "FileStreamUnbuffered", "BufferedStream", "ViewAccessor"],
                result.GetProperty("versus").EnumerateObject().Select(peer => peer.Name));
            Assert.All(result.GetProperty("versus").EnumerateObject(), peer => Assert.True(peer.Value.GetDouble() > 0));
        }
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
            ToolRun.Run("compare", "--rw", operation, "--size", "1M", "--quick", "--threads", "2", "--writeback",
                "running", "--clock", "wall", "--json")
                .Expect(0).Json().GetProperty("results").EnumerateArray());
        Assert.StartsWith(operation + "-4", result.GetProperty("name").GetString(), StringComparison.Ordinal);
        Assert.Equal("wall", result.GetProperty("clock").GetString());
        Assert.Equal(peers, result.GetProperty("versus").EnumerateObject().Select(peer => peer.Name));
        Assert.True(result.GetProperty("boundOpsPerSecond").GetDouble() > 0);
        Assert.Equal(2 + peers.Length
            + result.GetProperty("variants").EnumerateObject().Count(),
            result.GetProperty("histogram").EnumerateObject().Count());
    }

    [Fact]
    public void People_get_the_device_and_the_bound()
    {
        ToolRun run = ToolRun.Run("compare", "--rw", "randread", "--size", "1M", "--quick", "--data-crc",
            "--no-verify", "--persistence", "page-cache").Expect(0);
        Assert.Contains("/ bound", run.Out, StringComparison.Ordinal);
        Assert.Contains("\nrandread-4k ", run.Out.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("\n  bound ", run.Out.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nope", "nope")]
    [InlineData("--clock", "compare", "--clock", "sun")]
    [InlineData("--writeback", "compare", "--writeback", "maybe")]
    [InlineData("--bs", "compare", "--bs", "513")]
    [InlineData("nothing", "scenario", "--scenario", "nothing")]
    [InlineData("scenario", "scenario", "--scenario", "fill,")]
    public void Wrong_words_are_wrong_usage(string mentions, params string[] args) =>
        ToolRun.Run(args).ExpectError(2, mentions);

    [Fact]
    public void A_directory_that_is_not_there_is_refused() =>
        ToolRun.Run("scenario", "--scenario", "sync", "--dir", "/there/is/none").ExpectError(3, "--dir");
}
