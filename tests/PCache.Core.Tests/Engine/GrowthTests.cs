using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A growth is durable on the backing when a flush returns, whichever of several flushes it is.</summary>
public sealed class GrowthTests
{
    [Fact]
    public async Task A_second_flush_does_not_return_while_the_first_one_is_still_flushing_the_growth()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 16, canResize: true);
        using PCacheDevice device = PCacheDevice.Create(region, backing,
            new PCacheOptions
            {
                SegmentSizeBytes = Rig.SegmentBytes,
                Maintenance = MaintenanceMode.Manual,
                LeaveRegionOpen = true
            });
        int flushed = 0;
        device.Write(1 << 16, new byte[512]);
        long before = backing.Calls(DiskOperation.Flush);
        backing.Hang(DiskOperation.Flush);
        backing.AfterCall = e => flushed += e.Operation == DiskOperation.Flush ? 1 : 0;
        Task first = Eventually.Thread(device.Flush);
        await backing.WaitUntilHangingAsync();
        Task<int> second = Eventually.Thread(() =>
        {
            device.Flush();
            return Volatile.Read(ref flushed);
        });

        // It comes to the backing too, or ends: only the latter is wrong.
        Eventually.True(() => second.IsCompleted || backing.Calls(DiskOperation.Flush) >= before
            + 2, "the second flush");
        backing.ReleaseHanging();
        Assert.True(await Eventually.Completes(second, "the second flush") > 0,
            "it returned before the growth was flushed");
        await Eventually.Completes(first, "the first flush");
    }
}
