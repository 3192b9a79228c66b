using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>Zeros that share one payload: it is as durable as any other before a key names it, whatever stood there
/// before.</summary>
public sealed class ZeroPayloadTests
{
    private const int Page = 4096;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Zeros_survive_a_power_cut_in_a_region_full_of_something_else(bool drainIsCheap)
    {
        byte[] before = new byte[Rig.RegionLength(12)];
        before.AsSpan().Fill(0xEE);
        using SimulatedPmem region = SimulatedPmem.FromImage(before, drainIsCheap);
        SimulatedDisk backing = Disks.Make(Patterns.Make(0, 64 * Page, 1));
        PCacheOptions options = new()
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            Maintenance = MaintenanceMode.Manual,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            OverwriteExisting = true
        };
        using PCacheDevice device = PCacheDevice.Create(region, backing, options);
        device.WriteZeroes(Page, 3 * Page, WriteDurability.ForceUnitAccess);
        device.WriteZeroes(9 * Page, 512);
        device.Flush();
        using SimulatedPmem left = SimulatedPmem.Allocate(region.LengthBytes);
        left.LoadPowerCut(region, new int[region.Open.Count]); // all that may be lost is
        using PCacheDevice after = PCacheDevice.Open(left, backing.AfterPowerCut(null), options);
        byte[] found = Rig.ReadAll(after);
        Rig.AssertSame(new byte[3 * Page], found.AsSpan(Page, 3 * Page), "zeros");
        Rig.AssertSame(new byte[512], found.AsSpan(9 * Page, 512), "zeros that share the payload");
        Rig.AssertSame(Patterns.Make(0, Page, 1), found.AsSpan(0, Page), "what lies before");
    }
}
