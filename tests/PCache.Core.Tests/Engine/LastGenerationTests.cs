using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// A generation is never raised past the last one: it would be 0 then, and keys of the log would have one that is too
/// high, which is damage.
/// </summary>
public sealed class LastGenerationTests
{
    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 1)]
    public void A_segment_with_the_last_generation_is_not_used_again(ulong generation)
    {
        using ImageBuilder image = new();
        image.SetGeneration(5, generation);
        image.SetGeneration(4, generation);
        // the first one is dead
        image.Append(image.Key(0, segment: 4, generation: 3), image.Key(512, segment: 5, generation: generation));
        image.SetDirtyTail(image.Head);
        var backing = Disks.Make(256 << 10);
        var options = new PCacheOptions
        {
            Maintenance = MaintenanceMode.Manual,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            LogReserveSegments = 1,
            CompareBackingAfterCrash = false, // the image was built without a backing
        };
        var data = new byte[50 << 10];
        for (int round = 1; round <= 8; round++)
        {
            using PCacheDevice device = PCacheDevice.Open(image.Region, backing, options);
            for (int i = 0; i < 4; i++)
            {
                data.AsSpan().Fill((byte)(round + i));
                device.Write(i * data.Length, data);
            }

            Assert.Null(device.GetStatus().WritebackError);
            Assert.Equal(data, Rig.ReadAll(device).AsSpan(3 * data.Length, data.Length).ToArray());
            device.Flush();
            ImageChecks.AssertSound(image.Region);
        }
    }
}
