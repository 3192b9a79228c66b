using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Segments;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// A small cache in which the log goes round and every segment is used again and again. At every moment the device
/// shows what was written; so does its image, opened, and opened with the latest replica of any structure destroyed;
/// and the status is possible.
/// </summary>
public sealed class TurnoverTests
{
    private const int Segments = 6;
    private const int Sectors = 400;

    private static readonly RuleChecks Checks = new()
    {
        {
            [
                Rule.CollectBeyondOlderDirtyTail, Rule.CollectDirtyKeys, Rule.KeyTailNotWritten,
                    Rule.GenerationNotDurable, Rule.GenerationInOneReplica,
                Rule.UsedCountNeverFalls, Rule.DirtyCounterNeverFalls, Rule.KsetFillsSegment,
            ],
            TurnOver
        },
        { Rule.KeyTailInOneReplica, KeyTailsNameTheLog },
        { [Rule.GenerationNotRaised, Rule.DeadExtentsRead], ForeignPayloadIsNotRead },
        { Rule.DeadExtentsNeverSwept, IndexIsBounded },
        { Rule.EmptyStripesKept, IndexIsBounded },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void TurnOver()
    {
        const int Seed = 7;
        using var cache = new SmallCache(Segments, Sectors * Sector, with: o =>
            Quick(o) with { GcThresholdPercent = 0 });
        var random = new Random(Seed);
        var model = new long[Sectors];
        int log = 0;
        int links = 0;
        for (int id = 1; id <= 4000; id++)
        {
            int sector = random.Next(Sectors);
            cache.Device.Put(sector * Sector, id, forced: true);
            model[sector] = id;
            for (int steps = random.Next(3); steps > 0; steps--)
            {
                cache.Device.RunMaintenanceStep();
            }

            int segment = cache.Status.KeyHead.Segment;
            links += segment != log ? 1 : 0;
            bool moved = segment != log;
            log = segment;
            if (moved || id % 100 == 0)
            {
                AssertIsModel(cache.Device, model, $"write {id}");
                AssertImages(cache, model, $"write {id}");
                Assert.InRange(cache.Status.SegmentsUsed, 1, Segments);
                Assert.Null(cache.Status.WritebackError);
            }
        }

        Assert.True(links >= 3, "the log goes round");
        Assert.True(cache.Status.SegmentsReclaimed > 3 * Segments);
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
        Assert.Equal(0, cache.Status.DirtyBytes);
    }

    private static void AssertImages(SmallCache cache, long[] model, string when)
    {
        byte[] image = cache.Region.KillImage();
        AssertImage(cache, image, model, when);
        AssertImage(cache, Destroyed<PositionRecord>(image, MediaConstants.KeyTailOffset,
            MediaConstants.PositionStride), model, $"{when}, latest key tail destroyed");
        AssertImage(cache, Destroyed<PositionRecord>(image, MediaConstants.DirtyTailOffset,
            MediaConstants.PositionStride), model, $"{when}, latest dirty tail destroyed");
        for (int segment = 0; segment < Segments; segment++)
        {
            long offset = MediaConstants.SegmentsOffset + ((long)segment * Rig.SegmentBytes)
                + MediaConstants.SegmentControlOffset;
            byte[] destroyed = Destroyed<GenerationRecord>(image, offset, MediaConstants.GenerationStride);
            AssertImage(cache, destroyed, model, $"{when}, latest generation of segment {segment} destroyed");
        }
    }

    /// <summary>A copy in which the latest replica of a structure is damaged, if the other one is valid.</summary>
    private static byte[] Destroyed<T>(byte[] image, long offset, int stride)
        where T : unmanaged
    {
        byte[] copy = (byte[])image.Clone();
        using PmemRegion region = Rig.Load(image);
        if (Replicas.Read(region, offset, stride, out T _, out _, out ReplicaState state) == ReplicaOutcome.Both)
        {
            copy[offset + (state.Latest * stride)] ^= 0x55;
        }

        return copy;
    }

    private static void AssertImage(SmallCache cache, byte[] image, long[] model, string when)
    {
        using PCacheDevice device = PCacheDevice.Open(Rig.Load(image), cache.Backing.AfterKill(),
            cache.Options with { LeaveRegionOpen = false });
        AssertIsModel(device, model, when);
    }

    private static void AssertIsModel(PCacheDevice device, long[] model, string when)
    {
        byte[] all = Rig.ReadAll(device);
        for (int i = 0; i < Sectors; i++)
        {
            long id = Patterns.IdOf(all.AsSpan(i * Sector, Sector), i * Sector);
            Assert.True(model[i] == id, $"{when}: sector {i} is of write {id}, expected {model[i]}");
        }
    }

    /// <summary>Where a replay would begin with either replica, there is log.</summary>
    private static void KeyTailsNameTheLog()
    {
        using var cache = new SmallCache(Segments, Sectors * Sector, with: o =>
            Quick(o) with { GcThresholdPercent = 0 });
        var uses = (SegmentUse[])Field(cache.Device.Internals.Store.Segments, "_uses");
        int log = 0;
        int links = 0;
        for (int id = 1; id <= 4000; id++)
        {
            cache.Device.Put(id % Sectors * Sector, id, forced: true);
            cache.Device.RunMaintenanceStep();
            Replicas.Read(cache.Region, MediaConstants.KeyTailOffset, MediaConstants.PositionStride,
                out PositionRecord latest, out PositionRecord older, out _);
            Assert.Equal((SegmentUse.Log, SegmentUse.Log), (uses[latest.Segment], uses[older.Segment]));
            links += (int)latest.Segment != log ? 1 : 0;
            log = (int)latest.Segment;
        }

        Assert.True(links >= 2, "the key tail goes from segment to segment");
    }

    /// <summary>
    /// Without checksums, and with more stripes than one sweep visits: only the generation tells whose payload it is.
    /// </summary>
    private static void ForeignPayloadIsNotRead()
    {
        const int Count = 400;
        const long Spread = 4 << 20;
        using var cache = new SmallCache(Segments, Count * Spread, with: o =>
            Quick(o) with { GcThresholdPercent = 0, PayloadCrc = false });
        var random = new Random(3);
        var model = new long[Count];
        for (int id = 1; id <= 2000; id++)
        {
            int at = random.Next(Count);
            cache.Device.Put(at * Spread, id);
            model[at] = id;
            cache.Device.RunMaintenanceStep();
            int look = random.Next(Count);
            AssertIs(cache.Device, look * Spread, model[look]);
        }

        Assert.True(cache.Status.SegmentsReclaimed > 3);
    }

    private static void IndexIsBounded()
    {
        const int Count = 6000;
        const long Spread = 1 << 20; // four a stripe
        using var cache = new SmallCache(segments: 16, backingBytes: Count * Spread, with: o =>
            Quick(o) with { GcThresholdPercent = 0 });
        int room = 16 * (Rig.SegmentBytes / Sector);
        for (int i = 0; i < Count; i++)
        {
            cache.Device.Put(i * Spread, i + 1);
            cache.Settle();
        }

        cache.Device.Drain();
        cache.Settle();
        int extents = 0;
        int stripes = 0;
        foreach (IndexShard shard in IndexOf(cache.Device).Shards)
        {
            for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out _, out StripeIndex index);)
            {
                extents += index.Count;
                stripes++;
                Assert.True(index.Count > 0, "an empty stripe stays");
            }
        }

        Assert.InRange(extents, 1, 2 * room);
        Assert.InRange(stripes, 1, room);
    }
}
