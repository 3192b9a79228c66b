using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>The cache's own medium fails.</summary>
public sealed class MediaErrorTests
{
    [Fact]
    public void A_log_that_cannot_be_appended_to_loses_no_room_and_no_reference()
    {
        using HookedRegion region = HookedRegion.Allocate(Rig.RegionLength(16), drainIsCheap: false);
        var backing = new ScriptedBacking(Patterns.Make(0, 4 << 20, 9));
        var options = new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes, PayloadCrc = true, Maintenance = MaintenanceMode.Manual, LeaveRegionOpen = true };
        using PCacheDevice device = PCacheDevice.Create(region, backing, options);
        device.WriteZeroes(0, 4 << 10);
        device.Write(0, Patterns.Make(0, 512, 1));
        region.DrainError = new IOException("the medium failed");
        for (int i = 1; i < 300; i++)
        {
            // The lists of keys get so long that writers log them. What returned is in the cache; durable it is when a flush has returned.
            device.WriteZeroes(i * 512, 512);
        }

        Integrity.Assert(device, region);

        Assert.Throws<IOException>(device.Flush);
        region.DrainError = null;
        Integrity.Assert(device, region);
        device.Flush();
        Integrity.Assert(device, region);
        device.Drain();
        Rig.AssertSame(Patterns.Make(0, 512, 1), backing.Peek(0, 512), "sector 0");
        Rig.AssertSame(new byte[299 * 512], backing.Peek(512, 299 * 512), "the zeros");
    }
}
