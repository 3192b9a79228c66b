using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Upkeep;

/// <summary>The device's own thread on a virtual clock.</summary>
public sealed class MaintenanceThreadTests
{
    [Fact]
    public void The_thread_carries_nothing_of_the_flow_that_opened_the_device()
    {
        var flow = new AsyncLocal<string?> { Value = "a request" };
        string? seen = "nothing yet";
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 16);
        backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Flush)
            {
                Volatile.Write(ref seen, flow.Value);
            }
        };
        using PCacheDevice device = PCacheDevice.Create(region, backing,
            new PCacheOptions
            {
                SegmentSizeBytes = Rig.SegmentBytes,
                WritebackDelay = TimeSpan.Zero,
                LeaveRegionOpen = true
            });
        device.Write(0, Patterns.Make(0, 512, 1));
        device.Drain();
        backing.BeforeCall = null;
        Assert.Null(seen);
    }

    [Fact]
    public void A_long_kset_timeout_does_not_put_off_write_back()
    {
        var clock = new VirtualClock();
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 16);
        using PCacheDevice device = PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            TimeProvider = clock,
            KsetTimeout = TimeSpan.FromHours(10),
            WritebackDelay = TimeSpan.FromSeconds(5),
            LeaveRegionOpen = true,
        });
        device.Write(0, Patterns.Make(0, 512, 1));
        Eventually.True(() => clock.PendingTimers > 0, "asleep until the kset timeout");
        device.Flush();
        Eventually.True(
            () =>
            {
                clock.Advance(clock.Elapsed < TimeSpan.FromMinutes(10) ? TimeSpan.FromMilliseconds(100)
                    : TimeSpan.Zero);
                return device.GetStatus().IsClean || clock.Elapsed >= TimeSpan.FromMinutes(10);
            },
            "write-back");
        Eventually.True(() => device.GetStatus().IsClean, "write-back, five seconds after the flush");
        Rig.AssertSame(Patterns.Make(0, 512, 1), backing.Peek(0, 512), "the backing");
    }
}
