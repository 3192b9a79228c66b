using PCache.Core.Inspection;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Upkeep;

/// <summary>
/// Keys whose generation is lower than their segment's: they took no reference, so GC drops none for them.
/// </summary>
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
        Assert.True(device.GetStatus().KeyTail.Offset >= device.Recovery.KeyHead.Offset
            || device.GetStatus().KeyTail.Segment != 0);
        IntegrityAudit.Check(device, region);
    }

    [Theory]
    [InlineData(MaintenanceMode.Manual)]
    [InlineData(MaintenanceMode.OwnThread)]
    public void An_orderly_close_takes_written_back_dead_keys_out_of_the_log(MaintenanceMode mode)
    {
        // Their payload is gone, so that Linux refuses the image. Write-back is paused, as in "bind" and "write":
        // nothing dirty moves.
        GoldenSet set = GoldenSet.Load("gc-crash");
        using TestRegion region = set.OpenPmem(readOnly: false);
        KeyInfo dead = CacheImage.ReadLog(region, withKeys: true).Ksets.SelectMany(k => k.Keys).First(k => !k.IsLive);
        region.Bytes(20480 + (16L * 1024 * 1024 * dead.Segment) + 12288 + dead.SegmentOffset, 512).Fill(0xEE);
        Assert.Equal(LinuxVerdict.Refuses, CacheImage.Check(region, new CheckOptions { CheckLinux = true }).Linux);
        CacheImageStatus before = CacheImage.ReadStatus(region);
        var options = new PCacheOptions { LeaveRegionOpen = true, Maintenance = mode, StartWritebackPaused = true };
        PCacheDevice.Open(region, Disks.Make(set.CopyBacking()), options).Dispose();
        CacheImageStatus after = CacheImage.ReadStatus(region);
        Assert.Equal((0L, before.DirtyTail, before.DirtyBytes), (after.DeadKeys, after.DirtyTail, after.DirtyBytes));
        CheckReport report = CacheImage.Check(region, new CheckOptions { CheckLinux = true });
        Assert.True(report.Linux == LinuxVerdict.Takes && report.IsSound, string.Join('\n', report.Findings));
    }
}
