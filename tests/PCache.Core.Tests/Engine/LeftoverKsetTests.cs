using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A kset left in a free segment by an earlier use must never come to look like the continuation of this log, whatever its number.</summary>
public sealed class LeftoverKsetTests
{
    [Fact]
    public void A_log_whose_numbers_pass_those_of_a_leftover_still_opens()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0));
        (LogPosition head, uint next) = (image.Head, image.NextSequence);
        image.Head = new LogPosition(5, 0);
        image.NextSequence = next + 100; // out of sight when the cache is opened first
        image.Append(image.Key(1024));
        (image.Head, image.NextSequence) = (head, next);

        var backing = Disks.Make(256 << 10);
        var options = new PCacheOptions { Maintenance = MaintenanceMode.Manual, LeaveRegionOpen = true, LeaveBackingOpen = true, LogReserveSegments = 1 };
        var data = new byte[512];
        for (int round = 1; round <= 3; round++)
        {
            using PCacheDevice device = PCacheDevice.Open(image.Region, backing, options);
            for (int i = 0; i < 40; i++)
            {
                data.AsSpan().Fill((byte)(round + i));
                device.Write(0, data, WriteDurability.ForceUnitAccess); // a kset each
            }

            ImageChecks.AssertSound(image.Region);
        }
    }
}
