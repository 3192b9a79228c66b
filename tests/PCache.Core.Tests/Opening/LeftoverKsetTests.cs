using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>
/// A kset in a free segment, left by an earlier use or written as payload, must never come to look like the
/// continuation of this log, whatever its number.
/// </summary>
public sealed class LeftoverKsetTests
{
    private static readonly PCacheOptions Options = new()
    {
        Maintenance = MaintenanceMode.Manual,
        LeaveRegionOpen = true,
        LeaveBackingOpen = true,
        LogReserveSegments = 1,
        GcThresholdPercent = 0,
    };

    [Fact]
    public void A_log_whose_numbers_pass_those_of_a_leftover_still_opens()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0));
        _ = Forge(image, ahead: 100); // out of sight when the cache is opened first
        SimulatedDisk backing = Disks.Make(256 << 10);
        for (int round = 1; round <= 3; round++)
        {
            using PCacheDevice device = PCacheDevice.Open(image.Region, backing, Options);
            Force(device, times: 40);
            ImageChecks.AssertSound(image.Region);
        }
    }

    [Fact]
    public void Payload_that_looks_like_a_kset_is_gone_when_its_segment_is_free()
    {
        using ImageBuilder image = new();
        image.Append(image.Key(0));
        byte[] payload = Forge(image, ahead: 100);
        image.Region.Bytes(image.Geometry.DataOffset(5), payload.Length).Clear();
        SimulatedDisk backing = Disks.Make(256 << 10);
        using PCacheDevice device = PCacheDevice.Open(image.Region, backing, Options);
        device.Write(8192, payload); // at the head of a segment
        for (int i = 0; i < 3; i++)
        {
            device.Write(8192, new byte[48 << 10]);
            device.Drain();
            for (int step = 0; step < 50; step++)
            {
                _ = device.RunMaintenanceStep();
            }
        }

        Assert.True(device.GetStatus().SegmentsReclaimed > 0);
        Force(device, times: 60);
        ImageChecks.AssertSound(image.Region);
    }

    /// <summary>
    /// A kset with a later number at the head of segment 5; as it stands on the medium, padded to a sector.
    /// </summary>
    private static byte[] Forge(ImageBuilder image, uint ahead)
    {
        (var head, uint next) = (image.Head, image.NextSequence);
        image.Head = image.Head with { Segment = 5, Offset = 0 };
        image.NextSequence = next + ahead;
        _ = image.Append(image.Key(1024));
        (image.Head, image.NextSequence) = (head, next);
        return image.Region.Bytes(image.Geometry.DataOffset(5), 512).ToArray();
    }

    private static void Force(PCacheDevice device, int times)
    {
        for (int i = 0; i < times; i++)
        {
            device.Write(0, Patterns.Make(0, 512, i + 1), WriteDurability.ForceUnitAccess); // a kset each
        }
    }
}
