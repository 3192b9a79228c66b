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
            .. ToolRun.Run("bench", "--rw", "randwrite,read", "--bs", "4k", "--size", "4M", "--seconds", "1", "--threads", "2", "--data-crc", "--compare", "--json")
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
            Assert.True(result.GetProperty("ratioToBound").GetDouble() > 0);
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
        ToolRun run = ToolRun.Run("bench", "--cache", _directory["c"], "--rw", "write", "--bs", "512,1M", "--size", "2M", "--seconds", "1").Expect(0);
        Assert.Contains("write-512", run.Out, StringComparison.Ordinal);
        Assert.Contains("write-1m", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("bound", run.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_directory.FullName));
    }
}
