using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>The cache's own medium fails.</summary>
public sealed class MediaErrorTests
{
    [Fact]
    public void A_log_that_cannot_be_appended_to_loses_no_room_and_no_reference()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(16), drainIsCheap: false);
        var backing = Disks.Make(Patterns.Make(0, 4 << 20, 9));
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            Maintenance = MaintenanceMode.Manual,
            LeaveRegionOpen = true
        };
        using PCacheDevice device = PCacheDevice.Create(region, backing, options);
        device.WriteZeroes(0, 4 << 10);
        device.Write(0, Patterns.Make(0, 512, 1));
        region.DrainError = new IOException("the medium failed");
        for (int i = 1; i < 300; i++)
        {
            // The lists of keys get so long that writers log them. What returned is in the cache; durable it is when a
            // flush has returned.
            device.WriteZeroes(i * 512, 512);
        }

        IntegrityAudit.Check(device, region);

        Assert.Throws<IOException>(device.Flush);
        region.DrainError = null;
        IntegrityAudit.Check(device, region);
        device.Flush();
        IntegrityAudit.Check(device, region);
        device.Drain();
        Rig.AssertSame(Patterns.Make(0, 512, 1), backing.Peek(0, 512), "sector 0");
        Rig.AssertSame(new byte[299 * 512], backing.Peek(512, 299 * 512), "the zeros");
    }

    [Fact]
    public async Task After_one_failed_step_by_hand_a_write_without_room_fails_instead_of_spinning()
    {
        using var cache = new SmallCache(4, with: o => o with { StartWritebackPaused = true });
        cache.Device.WriteZeroes(0, 512);
        cache.Region.DrainError = new IOException("the medium failed");
        cache.Clock.Advance(TimeSpan.FromMinutes(1));
        cache.Device.RunMaintenanceStep();
        Assert.Equal(1, cache.Status.WritebackFailures);
        cache.Region.DrainError = null;
        await Eventually.Completes(Eventually.Thread(() =>
            Assert.Throws<PCacheFullException>(() => Fill(cache.Device))), "a write without room");
        cache.Device.ResumeWriteback();
        cache.Device.Drain();
        Assert.Null(cache.Status.WritebackError);
    }

    [Fact]
    public void A_failure_that_is_over_is_no_longer_shown_though_nothing_was_written_back_since()
    {
        using var cache = new SmallCache(6);
        cache.Device.Read(0, new byte[512]);
        cache.Region.DrainError = new IOException("the medium failed");
        cache.Advance(TimeSpan.FromSeconds(2));
        Assert.NotNull(cache.Status.WritebackError);
        cache.Region.DrainError = null;
        cache.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(cache.Status.WritebackError);
        Assert.Equal(0, cache.Status.PendingKeys);
    }

    private static void Fill(PCacheDevice device)
    {
        for (int i = 0; i < 10_000; i++)
        {
            device.Write(i % 2000 * 512, Patterns.Make(i % 2000 * 512, 512, 1));
        }
    }
}
