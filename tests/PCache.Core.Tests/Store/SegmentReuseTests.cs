using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Segments;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>A segment is given to another writer under a later generation only, and no reader takes the new bytes for
/// the old.</summary>
public sealed class SegmentReuseTests
{
    private const int PageBytes = 4096;

    /// <summary>Keys of an earlier life may name the generations that an open finds: each segment is raised, durably,
    /// before its first use.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Each_segment_that_was_free_at_an_open_is_raised_before_its_first_use(int opens)
    {
        using var cache = new SmallCache(segments: 24, backingBytes: 8 << 20);
        for (int i = 1; i < opens; i++)
        {
            cache.Reopen();
        }

        ulong[] before = GenerationsOnMedium(cache.Region.KillImage());
        var used = new HashSet<int>();
        cache.Region.BeforeEvent = e =>
        {
            // Whatever is in use at this moment has its generation on the medium already, whatever a power cut leaves.
            ulong[] durable = e == PmemEvent.Store && used.Count < 12 ? GenerationsOnMedium(Durable(cache.Region)) : [];
            foreach (int segment in durable.Length > 0 ? used.ToArray() : [])
            {
                Assert.True(durable[segment] > before[segment],
                    $"segment {segment} is in use under generation {durable[segment]}, which it had when it was free");
            }
        };
        for (int i = 0; i < 400 && used.Count < 12; i++)
        {
            cache.Device.Write(i % 2000 * PageBytes, new byte[PageBytes], i % 2 == 0 ? WriteDurability.Normal
                : WriteDurability.ForceUnitAccess);
            for (int segment = 1; segment < 24; segment++)
            {
                if (cache.Device.Internals.Store.Segments.References(segment) > 0)
                {
                    used.Add(segment);
                }
            }
        }

        cache.Region.BeforeEvent = null;
        Assert.True(used.Count >= 12);
        ulong[] after = GenerationsOnMedium(cache.Region.KillImage());
        Assert.All(used, segment => Assert.Equal(before[segment] + 1, after[segment]));
    }

    [Fact]
    public void A_segment_that_becomes_the_logs_is_raised_too()
    {
        using var cache = new SmallCache(segments: 24);
        ulong[] before = GenerationsOnMedium(cache.Region.KillImage());
        for (int i = 0; i < 1000; i++)
        {
            cache.Device.Write(i % 100 * 512, new byte[512], WriteDurability.ForceUnitAccess);
        }

        int log = cache.Status.KeyHead.Segment;
        Assert.NotEqual(0, log);
        Assert.Equal(before[log] + 1, GenerationsOnMedium(cache.Region.KillImage())[log]);
    }

    /// <summary>A reader that has looked its place up and copies while the segment is given away: it looks again, and
    /// the copy doesn't count.</summary>
    [Fact]
    public async Task A_read_whose_segment_is_reused_while_it_copies_shows_nothing_of_the_new_bytes()
    {
        const int Bytes = 4 << 20;
        const int Rounds = 40;
        const byte Foreign = 0xEE;
        using PmemRegion region = PmemMemory.Allocate(20480 + (12L * PCacheOptions.LinuxSegmentSizeBytes));
        using IBlockDevice backing = BlockDevice.FromMemory(Bytes);
        using PCacheDevice device = PCacheDevice.Create(
            region,
            backing,
            new PCacheOptions
            {
                Maintenance = MaintenanceMode.Manual,
                PayloadCrc = false,
                CacheReads = false,
                LeaveRegionOpen = true,
                LeaveBackingOpen = true,
            });
        byte[] data = new byte[Bytes];
        data.AsSpan().Fill(0x11);
        byte[] foreign = new byte[Bytes];
        foreign.AsSpan().Fill(Foreign);
        SegmentTable segments = device.Internals.Store.Segments;
        var reader = new Reader(device, Bytes, Foreign);
        Task reading = Eventually.Thread(reader.Run);
        for (int round = 0; round < Rounds; round++)
        {
            device.Write(0, data);
            (int segment, long place) = PlaceOf(device, segments);
            int before = reader.Reads;

            // In the middle of a read that has begun since; it goes on reading until then, so that this comes true
            // however few processors there are.
            Eventually.True(() => reader.Reads > before && reader.IsReading, "a read");
            segments.Reclaim(segment);
            region.Write(place, foreign);
            device.Internals.Writable.Writer.Heads.RetireAll();
        }

        reader.Stop = true;
        await Eventually.Completes(reading, "reading");
        Assert.False(reader.FoundForeign, "a read has returned what was stored in its segment by another writer");
    }

    private static (int Segment, long Place) PlaceOf(PCacheDevice device, SegmentTable segments)
    {
        foreach (PCache.Core.Indexing.IndexShard shard in device.Internals.Store.Index.Shards)
        {
            using (shard.Gate.Hold())
            {
                if (shard.Stripes.TryFind(0, out PCache.Core.Indexing.StripeIndex index))
                {
                    foreach (PCache.Core.Indexing.Extent extent in index)
                    {
                        return ((int)extent.Segment, segments.DataOffset((int)extent.Segment)
                            + (extent.PayloadSector * 512L));
                    }
                }
            }
        }

        throw new InvalidOperationException("Nothing is cached.");
    }

    /// <summary>What a power cut leaves that takes back all it may.</summary>
    private static byte[] Durable(SimulatedPmem region)
    {
        using SimulatedPmem left = SimulatedPmem.Allocate(region.LengthBytes);
        left.LoadPowerCut(region, new int[region.Open.Count]);
        return left.KillImage();
    }

    private static ulong[] GenerationsOnMedium(byte[] image)
    {
        using TestRegion region = TestRegion.Of(image);
        return [.. MediaLoader.Load(region).Generations];
    }

    private sealed class Reader(PCacheDevice device, int lengthBytes, byte foreign)
    {
        private readonly byte[] _found = new byte[lengthBytes];
        private volatile int _reads;
        private volatile bool _isReading;

        public volatile bool Stop;

        public int Reads => _reads;

        public bool IsReading => _isReading;

        public bool FoundForeign { get; private set; }

        public void Run()
        {
            while (!Stop)
            {
                _reads++;
                _isReading = true;
                device.Read(0, _found);
                _isReading = false;
                FoundForeign |= _found.AsSpan().Contains(foreign);
            }
        }
    }
}
