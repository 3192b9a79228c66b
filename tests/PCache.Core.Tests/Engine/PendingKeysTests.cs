using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Keys that aren't logged yet: they are bounded without any flush, and an append that failed is tried again
/// without one.</summary>
public sealed class PendingKeysTests
{
    private const int Page = 4096;
    private const int Bound = 2 * MediaConstants.MaxKeysPerKset;

    public static TheoryData<string> Ways() => ["overwrite", "new", "part", "zeroes", "batch", "async", "miss"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Writers_log_full_lists_themselves(string way)
    {
        using var cache = new SmallCache(64, backingBytes: 4 << 20);
        if (way == "overwrite")
        {
            cache.Device.Write(0, new byte[16 * Page]);
        }

        for (int i = 0; i < 6 * MediaConstants.MaxKeysPerKset; i++)
        {
            long at = way == "overwrite" ? i % 16 * Page : i % 1000 * Page;
            switch (way)
            {
                case "part":
                    cache.Device.Write(at + 100, new byte[10]);
                    break;
                case "zeroes":
                    cache.Device.WriteZeroes(at, 512);
                    break;
                case "batch":
                    cache.Device.WriteBatch([new(at, new byte[512]), new(at + 1024, new byte[512])]);
                    break;
                case "async":
                    await cache.Device.WriteAsync(at, new byte[512]);
                    break;
                case "miss":
                    cache.Device.Read(at, new byte[512]);
                    break;
                default:
                    cache.Device.Write(at, new byte[way == "overwrite" ? Page : 512]);
                    break;
            }

            Assert.InRange(cache.Status.PendingKeys, 0, Bound);
        }
    }

    /// <summary>No caller flushes again: the maintenance does, as it does for keys that wait for their time.</summary>
    [Fact]
    public void An_append_that_failed_is_tried_again_by_the_maintenance()
    {
        using var cache = new SmallCache(16);
        cache.Device.Write(0, Patterns.Make(0, Page, 1));
        cache.Region.DrainError = new IOException("planned");
        Assert.Throws<IOException>(cache.Device.Flush);
        cache.Region.DrainError = null;
        Assert.Equal(1, cache.Status.PendingKeys);
        cache.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, cache.Status.PendingKeys);
        using PCacheDevice killed = cache.OpenKilledCopy();
        byte[] found = new byte[Page];
        killed.Read(0, found);
        Rig.AssertSame(Patterns.Make(0, Page, 1), found, "after a kill");
    }
}
