// Keeps true: filling the index with helpers is the same as filling it alone, and both are the same as applying one key
// after the other.

using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Opening;

/// <summary>The replay's helpers against the replay without.</summary>
public sealed class ParallelReplayTests
{
    private const int LogSegments = 4;
    private const int Segments = 24;
    private const long BackingBytes = 64L << 22;

    [Fact]
    public void Any_number_of_helpers_finds_the_same_also_in_damaged_logs() => TestRuns.ForSeeds(150, seed =>
    {
        var random = new Random(seed);
        using ImageBuilder image = RandomLog(random);
        for (int flips = random.Next(4) == 0 ? random.Next(1, 4) : 0; flips > 0; flips--)
        {
            image.Flip(random.NextInt64(MediaConstants.SuperblockOffset, image.DeviceOffset(image.Head)));
        }

        string alone = Outcome(image, helpers: 0, batchKeys: 0);
        foreach ((int helpers, int batchKeys) in new[] { (1, 1), (1, 7), (3, 2), (3, 300), (0, 40) })
        {
            string helped = Outcome(image, helpers, batchKeys);

            // The size of a batch decides about the order of the stripes in the directory, which nothing depends on.
            Assert.True(Sorted(alone) == Sorted(helped),
                $"seed {seed}: {helpers} helpers, batches of {batchKeys}:\n{helped}\nalone:\n{alone}");
            Assert.True(Outcome(image, 0, batchKeys) == helped,
                $"seed {seed}: {helpers} helpers, batches of {batchKeys} differ from none");
        }
    });

    [Fact]
    public void Batches_leave_what_one_key_after_the_other_leaves() => TestRuns.ForSeeds(60, seed =>
    {
        var random = new Random(seed);
        var expected = new ShardedIndex(4);
        var actual = new ShardedIndex(4);
        using var indexer = new ReplayIndexer(actual, helpers: random.Next(4), batchKeys: random.Next(1, 600));
        for (int keys = random.Next(5000); keys > 0; keys--)
        {
            CacheKey key = RandomKey(random, segment: random.Next(100), generation: 0, offset: 0);
            var action = (ReplayAction)random.Next(3);
            indexer.Add(in key, action);
            long stripe = KeyExtents.StripeOf(in key);
            StripeDirectory stripes = expected.For(stripe).Stripes;
            Extent extent = KeyExtents.ToExtent(in key, action == ReplayAction.InsertClean ? ExtentFlags.Clean
                : ExtentFlags.None);
            if (action == ReplayAction.Remove)
            {
                stripes.Find(stripe)?.Remove(extent.Start, extent.End);
                stripes.RemoveIfEmpty(stripe);
            }
            else
            {
                stripes.GetOrAdd(stripe).Insert(in extent);
            }
        }

        indexer.Complete();
        Assert.True(Sorted(Describe(expected)) == Sorted(Describe(actual)), $"seed {seed}");
    });

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void What_a_helper_throws_comes_out_of_the_open(int helpers)
    {
        // A stripe number beyond all that a key can have makes the directory throw, whichever thread applies the batch.
        var index = new ShardedIndex(4);
        using var indexer = new ReplayIndexer(index, helpers, batchKeys: 4);
        CacheKey bad = new() { Offset = ulong.MaxValue - 511, Length = 512 };
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                indexer.Add(in bad, ReplayAction.InsertDirty);
            }

            indexer.Complete();
        });
    }

    [Fact]
    public void Disposing_ends_the_helpers_with_batches_left()
    {
        TestRuns.ForSeeds(20, seed =>
        {
            var random = new Random(seed);
            var indexer = new ReplayIndexer(new ShardedIndex(4), helpers: 3, batchKeys: 8);
            for (int i = random.Next(2000); i > 0; i--)
            {
                CacheKey key = RandomKey(random, segment: 1, generation: 0, offset: 0);
                indexer.Add(in key, ReplayAction.InsertDirty);
            }

            Task ended = Task.Run(indexer.Dispose);
            Assert.True(ended.Wait(TestRuns.HangLimit), $"seed {seed}: the helpers don't end");
        });
    }

    private static ImageBuilder RandomLog(Random random)
    {
        var image = new ImageBuilder(Segments, payloadCrc: false);
        var generations = new ulong[Segments];
        for (int segment = LogSegments; segment < Segments; segment++)
        {
            generations[segment] = (ulong)random.Next(3);
            image.SetGeneration(segment, generations[segment]);
        }

        bool clean = random.Next(2) == 0;
        int ksets = random.Next(40);
        int dirtyFrom = random.Next(ksets + 1);
        for (int i = 0; i < ksets; i++)
        {
            var keys = new CacheKey[random.Next(1, MediaConstants.MaxKeysPerKset + 1)];
            for (int k = 0; k < keys.Length; k++)
            {
                int segment = random.Next(LogSegments, Segments);
                ulong generation = generations[segment];
                bool dead = random.Next(10) == 0 && generation > 0;
                keys[k] = RandomKey(random, segment, dead ? generation - 1 : generation, (uint)(random.Next(16) * 512));
                keys[k].Flags = (clean && random.Next(3) == 0) || (dead && random.Next(50) != 0) ? CacheKey.CleanFlag
                    : 0;
            }

            if (image.Head.Offset + KsetReader.MaxKsetBytes + MediaConstants.KsetHeaderSize > image.Geometry.DataSize)
            {
                if (image.Head.Segment == LogSegments - 1)
                {
                    break;
                }

                image.Link(image.Head.Segment + 1);
            }

            if (i == dirtyFrom)
            {
                image.SetDirtyTail(image.Head);
            }

            image.Append(keys);
        }

        return image;
    }

    private static CacheKey RandomKey(Random random, int segment, ulong generation, uint offset)
    {
        int start = random.Next(64);
        return new CacheKey
        {
            Offset = ((ulong)random.Next(64) << 22) + ((ulong)start * 512),
            Length = (uint)random.Next(1, 17) * 512,
            Segment = (uint)segment,
            SegmentOffset = offset,
            Generation = generation,
            PayloadCrc = (uint)random.Next(),
        };
    }

    /// <summary>Opens a copy for writing and says everything that came of it.</summary>
    private static string Outcome(ImageBuilder image, int helpers, int batchKeys)
    {
        using TestRegion region = TestRegion.Of(image.Region.ToArray());
        using SimulatedDisk backing = Disks.Make(BackingBytes);
        PCacheOptions options = MachineClock.On(
            new PCacheOptions { TimeProvider = new VirtualClock() },
            new Machine
            {
                ReplayHelpers = helpers,
                ReplayBatchKeys = batchKeys,
                Chance = Core.Primitives.Chance.FromSeed(1, cores: 2)
            });
        try
        {
            RecoveredCache found = Recovery.Run(region, backing, options, CancellationToken.None);
            var text = new List<string>
            {
                found.Report.ToString(),
                $"dirty {found.Extents.Dirty.Keys} {found.Extents.Dirty.Bytes}, last {found.LastSequence}, reserved "
                    + $"{found.ReservedSegments}, used {found.Extents.Segments.UsedCount}",
                $"{found.Extents.Positions.KeyTail} {found.Extents.Positions.DirtyTail} "
                    + $"{found.Extents.Positions.KeyHead}",
                string.Join(' ', Enumerable.Range(0, found.Extents.Segments.Count)
                    .Select(found.Extents.Segments.References)),
                Describe(found.Extents.Index),
            };
            return string.Join('\n', text);
        }
        catch (PCacheException e)
        {
            return $"{e.GetType().Name}: {e.Message} ({region.Stores} stores)";
        }
    }

    private static string Describe(ShardedIndex index)
    {
        var lines = new List<string>();
        foreach (IndexShard shard in index.Shards)
        {
            long cursor = 0;
            while (shard.Stripes.NextStripe(ref cursor, out long stripe, out var found))
            {
                found.Validate();
                var pieces = new ExtentBuffer();
                found.Lookup(0, StripeIndex.SectorCount, pieces);
                lines.AddRange(pieces.AsSpan().ToArray().Select(e =>
                    $"{stripe}: {e.Start}+{e.Length} key {e.KeyStart}+{e.KeyLength} at "
                        + $"{e.Segment}:{e.PayloadSector} {e.Flags} {e.PayloadCrc:x8} {e.Generation}"));
            }
        }

        return string.Join('\n', lines);
    }

    private static string Sorted(string text) => string.Join('\n', text.Split('\n').Order(StringComparer.Ordinal));
}
