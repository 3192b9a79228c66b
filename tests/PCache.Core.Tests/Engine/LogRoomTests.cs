using PCache.Core.Segments;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// The log's room is conserved: whatever was written, refused, collected, cut or failed, what is free is what head and
/// reserve have, less the pending keys. A leak of
/// a few bytes for each kset or segment is a cache that stops after a month.
/// </summary>
public sealed class LogRoomTests
{
    [Theory]
    [InlineData(6, 1)]
    [InlineData(12, 2)]
    [InlineData(40, 3)]
    public void Room_is_conserved_over_many_turns_of_the_log(int segments, int reserve) => TestRuns.ForSeeds(1, seed =>
    {
        var random = new Random(seed);
        using var cache = new SmallCache(segments, backingBytes: 1 << 20, canResize: true, canDiscard: true, with: o =>
            o with { LogReserveSegments = reserve, WritebackDelay = TimeSpan.Zero, GcThresholdPercent = 30 });
        int links = 0;
        int segment = 0;
        for (int i = 0; i < 5000; i++)
        {
            PCacheDevice device = cache.Device;
            long at = random.Next(1500) * 512;
            switch (random.Next(24))
            {
                case 0:
                    device.WriteZeroes(at, random.Next(1, 20_000));
                    break;
                case 1:
                    device.Discard(at, 5000);
                    break;
                case 2:
                    device.Write(at + 5, new byte[random.Next(1, 600)]);
                    break;
                case 3:
                    device.Read(at, new byte[6000]);
                    break;
                case 4:
                    device.WriteBatch([new(at, new byte[512]), new(at + 8192, new byte[1024]), new(3, new byte[7])]);
                    break;
                case 5 when i % 10 == 0:
                    device.SetLength((900 * 1024) + random.Next(4096));
                    device.SetLength(1 << 20);
                    break;
                case 6:
                    device.Write(at, Patterns.Make(at, 24 * 512, i));
                    break;
                case 7 when i % 10 == 0:
                    Record.Exception(() => FailOnce(cache, at));
                    break;
                case < 12:
                    cache.Settle();
                    break;
                default:
                    device.Write(at, Patterns.Make(at, 512, i), WriteDurability.ForceUnitAccess);
                    break;
            }

            links += cache.Status.KeyHead.Segment != segment ? 1 : 0;
            segment = cache.Status.KeyHead.Segment;
            if (i % 100 == 0)
            {
                IntegrityAudit.Check(device, cache.Region);
            }
        }

        Assert.True(links > 2, $"the log has used {links} segments");
        cache.Device.Drain();
        cache.Settle();
        IntegrityAudit.Check(cache.Device, cache.Region);
        Rig.AssertSame(Rig.ReadAll(cache.Device), cache.Backing.Snapshot(), "all is written back");
    });

    /// <summary>
    /// Without a free segment the reserve shrinks when the log goes on; what comes free fills it up again, and is room
    /// for keys.
    /// </summary>
    [Theory]
    [InlineData(true)] // a payload segment comes free first
    [InlineData(false)] // a log segment
    public void What_fills_the_reserve_up_again_is_room(bool payload)
    {
        using var cache = new SmallCache(10, with: o =>
            o with { StartWritebackPaused = true, GcThresholdPercent = 90, WritebackDelay = TimeSpan.Zero });
        DataHeads heads = cache.Device.Internals.Writable.Writer.Heads;
        SegmentTable segments = cache.Device.Internals.Store.Segments;
        List<PayloadRoom> held = []; // by a write that is under way all the time
        int at = 8192;
        while (segments.FreeCount > 0)
        {
            if (payload)
            {
                cache.Device.Write(at, Patterns.Make(at, 8192, 1));
                at += 8192;
            }
            else
            {
                Assert.True(heads.TryTake(8192, out PayloadRoom room));
                held.Add(room);
            }
        }

        int segment = cache.Status.KeyHead.Segment;
        while (cache.Status.KeyHead.Segment == segment)
        {
            cache.Device.WriteZeroes(0, 512, WriteDurability.ForceUnitAccess);
        }

        Assert.Equal(1, segments.ReserveCount);
        cache.Device.ResumeWriteback();
        cache.Device.SetGcThreshold(0);
        for (int i = 0; i < 20_000 && segments.ReserveCount < 2; i++)
        {
            cache.Device.RunMaintenanceStep();
        }

        Assert.Equal(2, segments.ReserveCount);
        foreach (PayloadRoom room in held)
        {
            heads.Return(in room);
        }

        IntegrityAudit.Check(cache.Device, cache.Region);
    }

    /// <summary>A write whose payload can't be stored.</summary>
    private static void FailOnce(SmallCache cache, long at)
    {
        int left = at % 3 == 0 ? 0 : 2;
        cache.Region.BeforeEvent = e =>
        {
            if (e == PmemEvent.Drain && left-- == 0)
            {
                cache.Region.BeforeEvent = null;
                throw new IOException("planned");
            }
        };
        try
        {
            cache.Device.Write(at, new byte[1024]);
            cache.Device.Flush();
        }
        finally
        {
            cache.Region.BeforeEvent = null;
        }
    }
}
