using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Contract;

/// <summary>The default geometry, which moves to and from Linux: 512 MiB, segments of 16 MiB.</summary>
public sealed class LinuxGeometryTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_default_geometry_holds_writes_across_kill_reopen_and_drain(bool crc)
    {
        const long RegionBytes = 512L << 20;
        const int BackingBytes = 48 << 20;
        PmemRegion region = PmemMemory.Allocate(RegionBytes);
        using var backing = Disks.Make(BackingBytes);
        var options = new PCacheOptions { PayloadCrc = crc, LeaveBackingOpen = true };
        var model = new byte[BackingBytes];
        var random = new Random(11);
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            PCacheStatus status = device.GetStatus();
            Assert.True(status.IsLinuxGeometry);
            Assert.Equal(16 << 20, status.SegmentSizeBytes);
            Assert.Equal(31, status.SegmentCount);
            Assert.Equal(70, status.GcThresholdPercent);
            for (int i = 0; i < 600; i++)
            {
                var bytes = new byte[random.Next(1, 100_000)];
                random.NextBytes(bytes);
                int at = random.Next(BackingBytes - bytes.Length);
                device.Write(at, bytes);
                bytes.CopyTo(model, at);
            }

            device.Flush();
            byte[] killed = Rig.Copy(region);
            ImageChecks.AssertSound(killed, linux: true);
            using PCacheDevice copy = PCacheDevice.Open(Rig.Load(killed), Disks.Make(backing.Snapshot()),
                options with { LeaveBackingOpen = false });
            Assert.True(copy.Recovery.LiveKeys > 0);
            Rig.AssertSame(model, Rig.ReadAll(copy), "after a kill");
            copy.Drain();
            Assert.True(copy.GetStatus().IsClean);
            Rig.AssertSame(model, Rig.ReadAll(copy), "after a drain");
        }
    }
}
