using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Discards as the backing sees them.</summary>
public sealed class DiscardTests
{
    private const int Length = 1 << 20;

    [Fact]
    public void A_backing_with_large_blocks_is_told_of_whole_blocks_only()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(Patterns.Make(0, Length, 7), blockSize: 4096, canDiscard: true);
        List<(long, long)> told = [];
        backing.AfterCall = e =>
        {
            if (e.Operation == DiskOperation.Discard)
            {
                told.Add((e.Offset, e.LengthBytes));
            }
        };
        using (PCacheDevice device = Create(region, backing))
        {
            device.Discard(512, 20480);
            device.Discard(40960 + 512, 1024);
            device.Discard(65536, 65536);
            device.Write(65536 + 5120, Patterns.Make(65536 + 5120, 512, 8));
            device.Drain();
            Settle(device);
            Assert.Null(device.GetStatus().WritebackError);
            var read = new byte[512];
            device.Read(65536 + 5120, read);
            Rig.AssertSame(Patterns.Make(65536 + 5120, 512, 8), read, "written after the discard");
            device.Read(20480, read);
        }

        Assert.Empty(backing.Violations);
        Assert.Equal([(4096, 16384), (65536, 4096), (73728, 57344)], told.Order());
        Rig.AssertSame(Patterns.Make(0, 4096, 7), backing.Peek(0, 4096), "not discarded as a whole");
    }

    [Fact]
    public void A_backing_that_cannot_discard_after_all_is_no_failure_of_write_back()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        SimulatedDisk backing = Disks.Make(Length, canDiscard: true);
        backing.FailWhere(e => e.Operation == DiskOperation.Discard ? new IOException("no discards today") : null);
        using PCacheDevice device = Create(region, backing);
        for (int i = 0; i < 5; i++)
        {
            device.Discard(i * 8192, 4096);
        }

        Settle(device);
        Assert.Equal(5, backing.Calls(DiskOperation.Discard));
        Assert.Null(device.GetStatus().WritebackError);
        Assert.Equal(0, device.GetStatus().WritebackFailures);
    }

    private static PCacheDevice Create(SimulatedPmem region, SimulatedDisk backing) =>
        PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            Maintenance = MaintenanceMode.Manual,
            LeaveRegionOpen = true,
        });

    private static void Settle(PCacheDevice device)
    {
        for (int i = 0; i < 1000 && device.RunMaintenanceStep() == TimeSpan.Zero; i++)
        {
        }
    }
}
