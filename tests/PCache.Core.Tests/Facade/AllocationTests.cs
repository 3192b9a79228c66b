using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// In steady state a hit read, a write, a flush and an FUA write leave nothing for the garbage collector, through every
/// view.
/// </summary>
public sealed class AllocationTests
{
    private const int Hot = 64 << 10;
    private static readonly BlockWrite[] Writes = new BlockWrite[2];
    private static readonly BlockRead[] Reads = new BlockRead[2];

    public static TheoryData<string, bool, int> Cases()
    {
        var data = new TheoryData<string, bool, int>();
        foreach (string what in new[] { "read", "readAsync", "write", "writeAsync", "batchWrite", "batchRead", "flush",
            "flushAsync", "force", "forceAsync", "streamRead", "streamReadAsync", "streamWrite", "streamWriteAsync",
            "streamFlush" })
        {
            foreach (bool crc in new[] { false, true })
            {
                data.Add(what, crc, 4096);
                data.Add(what, crc, 512);
            }

            data.Add(what, true, 700);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_hit_allocates_nothing(string what, bool crc, int size)
    {
        // Room for all that is written here, so that nothing has to wait; no maintenance on this thread.
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(16, 4 << 20));
        using PCacheDevice device = PCacheDevice.Create(
            region,
            Disks.Make(1 << 20),
            new PCacheOptions
            {
                SegmentSizeBytes = 4 << 20,
                PayloadCrc = crc,
                StartWritebackPaused = true,
                KsetTimeout = TimeSpan.FromHours(1),
                LeaveRegionOpen = true
            });
        using PCacheStream stream = device.OpenStream();
        byte[] bytes = new byte[size];
        device.Write(0, new byte[Hot + 4096]);
        device.Flush();
        for (int i = 0; i < 300; i++)
        {
            Once(device, stream, what, bytes, i);
        }

        long least = Allocations.Least(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                Once(device, stream, what, bytes, i);
            }
        });
        Assert.True(least == 0, $"{least} bytes in 100 times {what} of {size} bytes");
    }

    private static void Once(PCacheDevice device, PCacheStream stream, string what, byte[] bytes, int i)
    {
        long offset = i * 7 % (Hot / 4096) * 4096;
        switch (what)
        {
            case "read":
                _ = device.Read(offset, bytes);
                break;
            case "readAsync":
                Sync(device.ReadAsync(offset, bytes));
                break;
            case "write":
                device.Write(offset, bytes);
                break;
            case "batchWrite":
                Writes[0] = new BlockWrite(offset, bytes);
                Writes[1] = new BlockWrite(offset + bytes.Length, bytes);
                device.WriteBatch(Writes);
                break;
            case "batchRead":
                Reads[0] = new BlockRead(offset, bytes);
                Reads[1] = new BlockRead(offset + 512, bytes);
                Assert.True(device.ReadBatch(Reads) == 2 * bytes.Length);
                break;
            case "writeAsync":
                Sync(device.WriteAsync(offset, bytes));
                break;
            case "flush":
                device.Write(offset, bytes);
                device.Flush();
                break;
            case "flushAsync":
                device.Write(offset, bytes);
                Sync(device.FlushAsync());
                break;
            case "force":
                device.Write(offset, bytes, WriteDurability.ForceUnitAccess);
                break;
            case "forceAsync":
                Sync(device.WriteAsync(offset, bytes, WriteDurability.ForceUnitAccess));
                break;
            case "streamRead":
                stream.Position = offset;
                _ = stream.Read(bytes, 0, bytes.Length);
                break;
            case "streamReadAsync":
                stream.Position = offset;
                Sync(stream.ReadAsync(bytes.AsMemory()));
                break;
            case "streamWrite":
                stream.Seek(offset, SeekOrigin.Begin);
                stream.Write(bytes);
                break;
            case "streamWriteAsync":
                stream.Seek(offset, SeekOrigin.Begin);
                Sync(stream.WriteAsync(bytes.AsMemory()));
                break;
            default:
                stream.Seek(offset, SeekOrigin.Begin);
                stream.Write(bytes);
                stream.Flush();
                break;
        }
    }

    private static void Sync(ValueTask task)
    {
        Assert.True(task.IsCompletedSuccessfully);
        task.GetAwaiter().GetResult();
    }

    private static void Sync(ValueTask<int> task)
    {
        Assert.True(task.IsCompletedSuccessfully);
        _ = task.GetAwaiter().GetResult();
    }
}
