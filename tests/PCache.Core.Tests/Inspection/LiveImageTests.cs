using PCache.Core.Backing;
using PCache.Core.Inspection;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>
/// What a device leaves if it is stopped at any drain is sound, and nothing that the check takes for damage: the log
/// goes round many times here, so that segments hold payload, log and remains of both by turns, and the device is
/// reopened, with its log empty and not.
/// </summary>
public class LiveImageTests
{
    private const int BackingBytes = 256 << 10;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Stopped_at_any_drain_the_image_is_sound(int seed)
    {
        Random random = new(seed);
        using TestRegion region = TestRegion.Create(20480 + (8L << 16));
        PCacheOptions options = new()
        {
            SegmentSizeBytes = 64 << 10,
            PayloadCrc = true,
            GcThresholdPercent = 0,
            Maintenance = MaintenanceMode.Manual,
            WritebackDelay = TimeSpan.Zero,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        MemoryBlockDevice backing = new(BackingBytes, 512, canResize: false);
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        int checks = 0;
        int drains = 0;
        long damaged = 0;
        long reclaimed = 0;
        int links = 0;
        int logSegment = 0;
        HashSet<string> found = [];
        region.OnDrain = () =>
        {
            if (++drains % 8 != 0)
            {
                return;
            }

            checks++;
            CheckReport report = CacheImage.Check(region, new CheckOptions { BackingLengthBytes = BackingBytes });
            found.UnionWith(report.IsSound ? []
                : report.Findings.Where(f => f.Severity != FindingSeverity.Note)
                .Select(f => f.Structure + ": " + f.Text));
            damaged += report.IsSound ? 0 : 1;
        };
        byte[] data = new byte[4096];
        for (int i = 0; i < 4000; i++)
        {
            random.NextBytes(data);
            int length = 512 * (1 + random.Next(random.Next(8) == 0 ? 8 : 2));
            device.Write(512 * random.Next((BackingBytes - length) / 512), data.AsSpan(0, length), random.Next(3) == 0
                ? WriteDurability.ForceUnitAccess : WriteDurability.Normal);
            int head = device.GetStatus().KeyHead.Segment;
            links += head != logSegment ? 1 : 0;
            logSegment = head;
            switch (random.Next(40))
            {
                case < 6:
                    device.Flush();
                    break;
                case < 16:
                    device.RunMaintenanceStep();
                    break;
                case 16:
                    device.Drain();
                    break;
                case 17:
                    Reopen();
                    break;
                case 18:
                    device.Drain();
                    for (int step = 0; step < 50; step++)
                    {
                        device.RunMaintenanceStep();
                    }

                    Reopen();
                    break;
                default:
                    break;
            }
        }

        Reopen();
        device.Dispose();
        region.OnDrain = null;
        Assert.True(damaged == 0, $"{damaged} of {checks}: {string.Join('\n', found.Take(5))}");
        Assert.InRange(checks, 300, int.MaxValue);
        Assert.InRange(reclaimed, 20, long.MaxValue);
        Assert.InRange(links, 3, int.MaxValue);

        void Reopen()
        {
            reclaimed += device.GetStatus().SegmentsReclaimed;
            device.Dispose();
            device = PCacheDevice.Open(region, backing, options);
        }
    }
}
