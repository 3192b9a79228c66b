using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Keys whose generation is lower than their segment's: they took no reference, so GC drops none for them.</summary>
public sealed class DeadKeyTests
{
    [Fact]
    public void Gc_drops_no_references_for_dead_keys()
    {
        GoldenSet set = GoldenSet.Load("gc-crash");
        using TestRegion region = set.OpenPmem(readOnly: false);
        var options = new PCacheOptions { LeaveRegionOpen = true, Maintenance = MaintenanceMode.Manual };
        using PCacheDevice device = PCacheDevice.Open(region, Disks.Make(set.CopyBacking()), options);
        Assert.True(device.Recovery.DeadKeys > 0);
        device.Write(0, new byte[100_000]); // payload in segments that the dead keys may name
        device.Drain();
        for (int i = 0; i < 1000 && device.RunMaintenanceStep() == TimeSpan.Zero; i++)
        {
            Assert.Null(device.GetStatus().WritebackError);
        }

        Assert.Null(device.GetStatus().WritebackError);
        Assert.True(device.GetStatus().KeyTail.Offset >= device.Recovery.KeyHead.Offset || device.GetStatus().KeyTail.Segment != 0);
        IntegrityAudit.Check(device, region);
    }
}
