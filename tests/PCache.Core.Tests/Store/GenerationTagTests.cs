using PCache.Core.Indexing;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>
/// The index keeps only a tag of a segment's generation: nothing changes where the generation has more bits, or the tag
/// begins anew at 0.
/// </summary>
public sealed class GenerationTagTests
{
    [Theory]
    [InlineData(Extent.GenerationMask - 2)]
    [InlineData(Extent.GenerationMask + 1)]
    [InlineData((77UL << 31) - 3)]
    [InlineData(ulong.MaxValue - (1UL << 20))]
    public void Segments_are_used_again_and_again_where_the_tag_wraps(ulong generation)
    {
        using ImageBuilder image = new(segments: 10);
        for (int segment = 1; segment < 10; segment++)
        {
            image.SetGeneration(segment, generation);
        }

        image.Append(image.Key(0, segment: 2, generation: generation - 1)); // dead, and written back
        image.SetDirtyTail(image.Head);
        image.Append(image.Key(512, fill: 9, segment: 3, generation: generation));
        var backing = Disks.Make(256 << 10);
        var options = new PCacheOptions
        {
            Maintenance = MaintenanceMode.Manual,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            LogReserveSegments = 1
        };
        byte[] expected = new byte[256 << 10];
        bool first = true;
        Random random = new(5);
        for (int round = 0; round < 4; round++)
        {
            using PCacheDevice device = PCacheDevice.Open(image.Region, backing, options);
            if (first)
            {
                expected = Rig.ReadAll(device);
                Assert.All(expected[512..1024], b => Assert.Equal(9, b));
                first = false;
            }

            Assert.Equal(expected, Rig.ReadAll(device));
            for (int i = 0; i < 60; i++)
            {
                int length = 512 * (1 + random.Next(60));
                int offset = 512 * random.Next((expected.Length - length) / 512);
                random.NextBytes(expected.AsSpan(offset, length));
                device.Write(offset, expected.AsSpan(offset, length));
                for (int step = 0; step < 1000 && device.RunMaintenanceStep() == TimeSpan.Zero; step++)
                {
                }
            }

            Assert.True(device.GetStatus().SegmentsReclaimed > 5);
            Assert.Null(device.GetStatus().WritebackError);
            Assert.Equal(expected, Rig.ReadAll(device));
            device.Flush();
            ImageChecks.AssertSound(image.Region);
        }
    }
}
