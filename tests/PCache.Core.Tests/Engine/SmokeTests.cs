using PCache.Core.Pmem;

namespace PCache.Core.Tests.Engine;

public class SmokeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Data_survives_writes_gc_and_reopen(bool crc)
    {
        using IBlockDevice backing = BlockDevice.FromMemory(1 << 20);
        using PmemRegion region = PmemMemory.Allocate(20480 + (8 * 65536));
        var options = new PCacheOptions
        {
            SegmentSizeBytes = 65536,
            PayloadCrc = crc,
            Maintenance = MaintenanceMode.Manual,
            LeaveBackingOpen = true,
            LeaveRegionOpen = true,
            GcThresholdPercent = 50
        };
        byte[] model = new byte[1 << 20];
        var random = new Random(7);
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            Run(device, model, random);
        }

        for (int round = 0; round < 5; round++)
        {
            using PCacheDevice device = PCacheDevice.Open(region, backing, options);
            byte[] all = new byte[model.Length];
            Assert.Equal(model.Length, device.Read(0, all));
            Assert.True(all.AsSpan().SequenceEqual(model), $"round {round}");
            Run(device, model, random);
        }

        using (PCacheDevice device = PCacheDevice.Open(region, backing, options))
        {
            device.Drain();
            Assert.True(device.GetStatus().IsClean);
            byte[] all = new byte[model.Length];
            backing.Read(0, all);
            Assert.True(all.AsSpan().SequenceEqual(model));
        }
    }

    private static void Run(PCacheDevice device, byte[] model, Random random)
    {
        byte[] buffer = new byte[100_000];
        for (int i = 0; i < 2000; i++)
        {
            int length = random.Next(4) == 0 ? random.Next(1, 30_000) : random.Next(1, 3000);
            int offset = random.Next(model.Length - length);
            switch (random.Next(10))
            {
                case < 5:
                    random.NextBytes(buffer.AsSpan(0, length));
                    device.Write(offset, buffer.AsSpan(0, length));
                    buffer.AsSpan(0, length).CopyTo(model.AsSpan(offset));
                    break;
                case 5:
                    device.WriteZeroes(offset, length);
                    model.AsSpan(offset, length).Clear();
                    break;
                case 6:
                    device.Flush();
                    break;
                case 7:
                    device.RunMaintenanceStep();
                    break;
                default:
                    device.Read(offset, buffer.AsSpan(0, length));
                    Assert.True(buffer.AsSpan(0, length).SequenceEqual(model.AsSpan(offset, length)),
                        $"op {i} at {offset} length {length}");
                    break;
            }
        }
    }
}
