using PCache.Core.Segments;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Each segment is at each moment in one place: free, in reserve, the log's or payload's; the count of used
/// ones says how many are not free, after failures and opens too.</summary>
public sealed class SegmentCountTests
{
    private const int Page = 4096;

    /// <summary>Each drain fails once, at whatever a write, a step or a link was doing.</summary>
    [Fact]
    public void A_failure_loses_no_segment()
    {
        using var cache = new SmallCache(10, with: o =>
            o with { WritebackDelay = TimeSpan.Zero, GcThresholdPercent = 0 });
        for (int failing = 0; failing < 600; failing++)
        {
            int left = failing % 37;
            cache.Region.BeforeEvent = e =>
            {
                if (e == PmemEvent.Drain && left-- == 0)
                {
                    throw new IOException("planned");
                }
            };
            for (int i = 0; i < 4; i++)
            {
                int at = ((failing * 4) + i) % 60 * Page;
                Record.Exception(() => cache.Device.Write(at, Patterns.Make(at, Page, failing + 1),
                    WriteDurability.ForceUnitAccess));
                Record.Exception(() => cache.Device.RunMaintenanceStep());
            }

            cache.Region.BeforeEvent = null;
            AssertCounts(cache.Device);
        }

        cache.Device.Drain();
        cache.AdvanceUntil(() => cache.Status.SegmentsUsed <= 4, "all but the log and a head is free again");
        AssertCounts(cache.Device);
        IntegrityAudit.Check(cache.Device, cache.Region);
        cache.Reopen();
        AssertCounts(cache.Device);
    }

    [Fact]
    public void The_logs_segments_count_as_used_also_after_an_open()
    {
        using var cache = new SmallCache(40, with: o =>
            o with { StartWritebackPaused = true, GcThresholdPercent = 90 });
        for (int i = 0; i < 2000; i++)
        {
            cache.Device.Write(i % 100 * 512, new byte[512], WriteDurability.ForceUnitAccess);
        }

        AssertCounts(cache.Device);
        cache.Device.Internals.Store.Segments.CountUses(out _, out _, out int log, out _, out _);
        Assert.True(log >= 3);
        cache.Reopen();
        AssertCounts(cache.Device);
        cache.Device.Internals.Store.Segments.CountUses(out _, out _, out int again, out _, out _);
        Assert.Equal(log, again);
    }

    private static void AssertCounts(PCacheDevice device)
    {
        SegmentTable segments = device.Internals.Store.Segments;
        segments.CountUses(out int free, out int reserved, out int log, out int data, out int retired);
        Assert.Equal(segments.Count, free + reserved + log + data + retired);
        Assert.Equal(0, retired);
        Assert.Equal(log + data, segments.UsedCount);
    }
}
