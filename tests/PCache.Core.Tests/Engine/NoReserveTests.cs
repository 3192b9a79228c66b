using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Images as Linux may leave them: no numbers, no free segment, nothing in reserve, and the log's segment full to the
/// last byte.
/// </summary>
public sealed class NoReserveTests
{
    private const int KeysPerSegment = 90;
    private const int Many = 128;
    private const int BackingBytes = 1 << 20;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Room_is_made_by_write_back_and_collection_first(bool ownThread)
    {
        using ImageBuilder image = Full();
        var backing = Disks.Make(BackingBytes);
        using PCacheDevice device = PCacheDevice.Open(image.Region, backing, Options(ownThread));
        Assert.True(ownThread || device.GetStatus().SegmentsUsed == 4, "all is in use");
        byte[] expected = Rig.ReadAll(device);
        Assert.Equal(3, expected[(3 * KeysPerSegment * 512) - 1]);
        await Eventually.Completes(
            Eventually.Thread(() =>
            {
                for (int i = 0; i < 300; i++)
                {
                    byte[] data = Patterns.Make(i * 1024, 512, i + 1);
                    device.Write(i * 1024, data);
                    data.CopyTo(expected, i * 1024);
                }

                device.Drain();
            }),
            "writes into a full cache");
        Rig.AssertSame(expected, Rig.ReadAll(device), "the device");
        Rig.AssertSame(expected, backing.Snapshot(), "the backing");
        if (ownThread)
        {
            // The thread may still be collecting.
            Eventually.True(() => Record.Exception(() => IntegrityAudit.Check(device, image.Region)) is null,
                "the counts agree");
        }
        else
        {
            IntegrityAudit.Check(device, image.Region);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Damage_that_cannot_be_logged_anew_is_told_instead_of_waited_for(bool ownThread)
    {
        using ImageBuilder image = Full();
        image.Flip(image.DeviceOffset(new LogPosition(1, 100)));
        var backing = Disks.Make(BackingBytes);
        using PCacheDevice device = PCacheDevice.Open(image.Region, backing, Options(ownThread));
        await Eventually.Completes(Eventually.Thread(() => Assert.ThrowsAny<PCacheException>(() => device.Drain())),
            "a drain");
        await Eventually.Completes(Eventually.Thread(() =>
            Assert.Throws<PCacheFullException>(() => device.Write(4096, new byte[512]))), "a write");
        Assert.Throws<PCacheDamagedDataException>(() => { _ = device.Read(0, new byte[512]); });
        device.AbandonDamaged(0, 512);
        await Eventually.Completes(Eventually.Thread(() => device.Write(4096, Patterns.Make(4096, 512, 1))),
            "a write after the damage was given up");
        device.Drain();
        Rig.AssertSame(Patterns.Make(4096, 512, 1), backing.Peek(4096, 512), "the backing");
        Rig.AssertSame(new byte[512], backing.Peek(0, 512), "given up");
    }

    /// <summary>Segments 1 to 3 hold payload, segment 0 the log, up to the last byte that a kset may have.</summary>
    private static ImageBuilder Full()
    {
        var image = new ImageBuilder(4) { NextSequence = 0 };
        for (int segment = 1; segment <= 3; segment++)
        {
            image.Append([.. Enumerable.Range((segment - 1) * KeysPerSegment, KeysPerSegment)
                .Select(i => image.Key((ulong)i * 512, fill: (byte)segment, segment: segment))]);
        }

        while ((image.Geometry.DataSize - image.Head.Offset - (2 * 24)) / 40 is > 0 and int room)
        {
            image.AppendMany(Math.Min(room, Many), 3 * KeysPerSegment * 512);
        }

        return image;
    }

    private static PCacheOptions Options(bool ownThread) => new()
    {
        Maintenance = ownThread ? MaintenanceMode.OwnThread : MaintenanceMode.Manual,
        LeaveRegionOpen = true,
        KsetTimeout = TimeSpan.FromMilliseconds(10),
    };
}
