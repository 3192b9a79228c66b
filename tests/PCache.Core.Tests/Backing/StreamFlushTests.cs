namespace PCache.Core.Tests.Backing;

/// <summary>A flush and a forced write reach what is underneath, by each way there is: the contract of durability ends
/// where one of them doesn't.</summary>
public sealed class StreamFlushTests
{
    public static TheoryData<string> Ways() =>
        ["flush", "flush async", "forced", "forced async", "forced zeroes", "forced zeroes async", "view",
        "view async", "view pending", "view pending async"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Each_way_to_flush_flushes_the_stream_once(string way)
    {
        var stream = new AwkwardStream(4096);
        using IBlockDevice device = BlockDevice.FromStream(stream);
        int before = stream.FlushCount;
        await Flush(device, way);
        Assert.Equal(before + 1, stream.FlushCount);
        byte[] found = new byte[4];
        device.Read(8, found);
        Assert.Equal(way.StartsWith("view pending", StringComparison.Ordinal) ? [1, 2, 3, 4] : new byte[4], found);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Each_way_to_flush_brings_a_derived_FileStream_to_the_disk(string way)
    {
        using var folder = new Support.TempFolder();
        var stream = new CountingFileStream(Path.Combine(folder.Path, "backing"));
        stream.SetLength(4096);
        using IBlockDevice device = BlockDevice.FromStream(stream);
        int before = stream.DiskFlushCount;
        await Flush(device, way);
        Assert.Equal(before + 1, stream.DiskFlushCount);
    }

    private static async Task Flush(IBlockDevice device, string way)
    {
        byte[] data = [1, 2, 3, 4];
        switch (way)
        {
            case "flush":
                device.Flush();
                break;
            case "flush async":
                await device.FlushAsync();
                break;
            case "forced":
                device.Write(0, data, WriteDurability.ForceUnitAccess);
                break;
            case "forced async":
                await device.WriteAsync(0, data, WriteDurability.ForceUnitAccess);
                break;
            case "forced zeroes":
                device.WriteZeroes(0, 100, WriteDurability.ForceUnitAccess);
                break;
            case "forced zeroes async":
                await device.WriteZeroesAsync(0, 100, WriteDurability.ForceUnitAccess);
                break;
            default:
                using (var view = new PCacheStream(device, way.Contains("pending", StringComparison.Ordinal) ? 64
                    : 0, leaveOpen: true))
                {
                    if (way.Contains("pending", StringComparison.Ordinal))
                    {
                        view.Position = 8;
                        await view.WriteAsync(data);
                    }

                    if (way.EndsWith("async", StringComparison.Ordinal))
                    {
                        await view.FlushAsync();
                    }
                    else
                    {
                        view.Flush();
                    }
                }

                break;
        }
    }
}
