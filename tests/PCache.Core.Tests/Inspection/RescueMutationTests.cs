// Keeps true: a rescued image never gives a sector that was never written there; what isn't the newest is said to be
// so, unless the only trace of the newer version was at the very end of the log, where its loss can't be told from a
// log that ended; all whose chain of kset and payload is whole comes out.

using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>Thousands of damaged images against a model.</summary>
public sealed class RescueMutationTests
{
    private const int MutationsOfImage = 80;

    [Fact]
    public void Damaged_images_give_nothing_wrong_and_everything_that_is_whole() => TestRuns.ForSeeds(16, seed =>
    {
        RescueModel model = RescueModel.Make(seed, steps: 20 + (seed * 7 % 120));
        for (int mutation = 0; mutation < MutationsOfImage; mutation++)
        {
            Try(model, seed, mutation, numbered: true);
        }
    });

    [Fact]
    public void Damaged_images_without_numbers_give_nothing_wrong() => TestRuns.ForSeeds(10, seed =>
    {
        RescueModel model = RescueModel.MakeUnnumbered(seed);
        for (int mutation = 0; mutation < MutationsOfImage; mutation++)
        {
            Try(model, seed, mutation, numbered: false);
        }
    });

    private static void Try(RescueModel model, int seed, int mutation, bool numbered)
    {
        Mutated mutated = Mutated.Make(model, new Random((seed * 7919) + mutation));
        using TestRegion region = mutated.Region;
        try
        {
            Check(model, mutated, numbered);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(
                $"PCACHE_TEST_SEED={seed}, mutation {mutation}: {string.Join("; ", mutated.What)}", e);
        }
    }

    private static void Check(RescueModel model, Mutated mutated, bool numbered)
    {
        // Ksets behind the last whole one leave no trace when they are gone.
        int lastWhole = Array.FindLastIndex(model.Ksets, kset => mutated.IsWhole(model.PlaceOf(kset)));
        int lostLink = Array.FindIndex(model.Ksets, kset =>
            !mutated.IsWhole(model.PlaceOf(kset)) && (kset.IsLast || LooksLikeTheEnd(model, mutated, kset)));
        if (!numbered && lostLink >= 0)
        {
            // without numbers a zeroed link or header is an orderly end
            lastWhole = Array.FindLastIndex(model.Ksets, lostLink, kset => mutated.IsWhole(model.PlaceOf(kset)));
        }

        int firstLost = Array.FindIndex(model.Ksets, kset => !mutated.IsWhole(model.PlaceOf(kset)));
        // Zeros where formatting puts the key tail are a new cache, whatever stands behind them.
        bool looksNew = model.Ksets.Length > 0 && mutated.Region.LengthBytes >= model.DataOffset(0) + 24
            && model.Ksets[0].Position == default
            && !mutated.Region.Bytes(model.DataOffset(0), 24).ContainsAnyExcept((byte)0);
        RescueImage rescue;
        try
        {
            rescue = CacheRescue.Open(mutated.Region);
        }
        catch (PCacheNotFormattedException)
        {
            Assert.True(mutated.Structures >= 2 || looksNew || lastWhole < 0, "nothing was rescued");
            return;
        }

        var dirty = new RescueExtent?[model.Newest.Length / RescueModel.Sector];
        byte[] sector = new byte[RescueModel.Sector];
        long end = -1;
        foreach (RescueExtent extent in rescue.Extents)
        {
            Assert.True(extent.Offset >= end && extent.LengthBytes > 0);
            end = extent.End;
            for (long at = 0; at < extent.LengthBytes; at += RescueModel.Sector)
            {
                long number = (extent.Offset + at) / RescueModel.Sector;
                dirty[number] = extent;
                if (extent.State is RescueState.Damaged)
                {
                    continue;
                }

                Assert.True(rescue.TryReadPayload(in extent, at, sector),
                    $"sector {number} can't be read, but is {extent}");
                ReadOnlySpan<byte> newest = model.Newest.AsSpan((int)(number * RescueModel.Sector), RescueModel.Sector);
                Assert.True(model.WasEver(number, sector)
                    || extent.State == RescueState.Unverifiable,
                    $"sector {number} holds what was never written: {extent}");
                if (extent.State == RescueState.Sound && !newest.SequenceEqual(sector))
                {
                    Assert.True(model.NewestKey[number] is (int kset, _)
                        && kset > lastWhole,
                        $"sector {number} is stale, but {extent}; newest in kset {model.NewestKey[number]?.Kset}, "
                        + $"last whole {lastWhole}");
                }
            }
        }

        for (int number = 0; number < dirty.Length && !looksNew; number++)
        {
            if (model.NewestKey[number] is not (int kset, KeyInfo key) || !key.IsLive || !model.Ksets[kset].IsDirty
                || key.IsClean || !mutated.IsWhole(model.PlaceOf(model.Ksets[kset]))
                || !mutated.IsWhole(model.PlaceOf(in key)))
            {
                continue;
            }

            if (!numbered && firstLost >= 0 && firstLost < kset)
            {
                continue;
            }

            Assert.True(dirty[number] is not null,
                $"sector {number} of kset {kset} is missing; first lost {firstLost}; "
                + $"{string.Join('|', rescue.Findings.Take(6))}");
            RescueExtent got = dirty[number]!.Value;
            Assert.True(got.State != RescueState.Damaged && got.IsDirty, $"sector {number} of kset {kset} is {got}");
            bool excused = (firstLost >= 0 && lastWhole >= 0
                && Array.FindLastIndex(model.Ksets, k => !mutated.IsWhole(model.PlaceOf(k))) > kset)
                || mutated.Structures > 0 || mutated.TouchesLogEnd;
            Assert.True(got.State == RescueState.Sound
                || excused,
                $"sector {number} of kset {kset} is {got}, though nothing behind it is lost: "
                + $"{string.Join('|', rescue.Findings.Take(6))}");
        }

        WriteBack(model, rescue, lastWhole);
    }

    private static bool LooksLikeTheEnd(RescueModel model, Mutated mutated, KsetInfo kset) =>
        model.PlaceOf(kset).Offset + 24 <= mutated.Region.LengthBytes
            && !mutated.Region.Bytes(model.PlaceOf(kset).Offset, 24).ContainsAnyExcept((byte)0);

    private static void WriteBack(RescueModel model, RescueImage rescue, int lastWhole)
    {
        using var backing = Disks.Make(model.Backing);
        rescue.WriteBack(backing);
        byte[] after = backing.Snapshot();
        foreach (RescueExtent extent in rescue.Extents)
        {
            for (long at = extent.Offset; at < extent.End; at += RescueModel.Sector)
            {
                int number = (int)(at / RescueModel.Sector);
                ReadOnlySpan<byte> now = after.AsSpan((int)at, RescueModel.Sector);
                bool written = extent.IsDirty && extent.State == RescueState.Sound;
                bool same = now.SequenceEqual(model.Newest.AsSpan((int)at, RescueModel.Sector));
                Assert.True(
                    written ? same || (model.NewestKey[number] is (int kset, _) && kset > lastWhole)
                        : now.SequenceEqual(model.Backing.AsSpan((int)at, RescueModel.Sector)),
                    $"sector {number} on the backing is wrong after write-back of {extent}");
            }
        }
    }

    /// <summary>An image with some damage, and what it touches.</summary>
    private sealed class Mutated
    {
        private readonly List<(long Offset, long Length)> _touched = [];

        public required TestRegion Region { get; init; }

        public List<string> What { get; } = [];

        /// <summary>Structures of which all replicas are destroyed.</summary>
        public int Structures { get; private set; }

        public bool TouchesLogEnd { get; private set; }

        public static Mutated Make(RescueModel model, Random random)
        {
            long length = model.Image.Length;
            bool cut = random.Next(12) == 0;
            if (cut)
            {
                length = random.NextInt64(MediaConstants.SegmentsOffset + 1, length);
            }

            var mutated = new Mutated { Region = TestRegion.Of(model.Image.AsSpan(0, (int)length)) };
            if (cut)
            {
                mutated.What.Add($"cut to {length}");
                mutated._touched.Add((length, long.MaxValue / 2));
                mutated.Structures++;
            }

            int count = random.Next(1, 4);
            for (int i = 0; i < count; i++)
            {
                mutated.Damage(model, random);
            }

            return mutated;
        }

        public bool IsWhole((long Offset, int Length) place) =>
            !_touched.Exists(t => place.Offset < t.Offset + t.Length && t.Offset < place.Offset + place.Length);

        private void Damage(RescueModel model, Random random)
        {
            int segments = (int)((model.Image.Length - MediaConstants.SegmentsOffset) / model.SegmentSize);
            long segment = MediaConstants.SegmentsOffset + ((long)random.Next(segments) * model.SegmentSize);
            KsetInfo? kset = model.Ksets.Length == 0 ? null : model.Ksets[random.Next(model.Ksets.Length)];
            (long ksetOffset, int ksetLength) = kset is null ? (segment, 8) : model.PlaceOf(kset);
            switch (random.Next(14))
            {
                case 0:
                    Structure("superblock", (MediaConstants.SuperblockOffset, 24), random);
                    break;
                case 1:
                    Structure("cache info", (MediaConstants.CacheInfoOffset, 24), random);
                    Spoil((MediaConstants.CacheInfoOffset + MediaConstants.CacheInfoStride, 24), random);
                    break;
                case 2:
                    Structure("key tail", (MediaConstants.KeyTailOffset, 32), random);
                    break;
                case 3:
                    Structure("dirty tail", (MediaConstants.DirtyTailOffset, 32), random);
                    break;
                case 4:
                    Structure("segment info", (segment, 16), random);
                    Spoil((segment + MediaConstants.SegmentInfoStride, 16), random);
                    break;
                case 5:
                    Structure("generation", (segment + MediaConstants.SegmentControlOffset, 32), random);
                    break;
                case 6 or 7 or 8:
                    Flip((ksetOffset, ksetLength), random);
                    break;
                case 9:
                    Spoil((ksetOffset, ksetLength), random);
                    break;
                case 10:
                    long page = ksetOffset / 4096 * 4096;
                    What.Add($"poisoned page {page}");
                    Region.Poison(page, 4096);
                    _touched.Add((page, 4096));
                    Touch(model, page, 4096);
                    return;
                case 11:
                    Spoil((ksetOffset / 4096 * 4096, 4096), random);
                    Touch(model, ksetOffset / 4096 * 4096, 4096);
                    return;
                case 12:
                    Flip((segment + MediaConstants.SegmentDataOffset,
                        model.SegmentSize - MediaConstants.SegmentDataOffset), random);
                    break;
                default:
                    long place = random.NextInt64(model.Image.Length - 600);
                    Spoil((place, random.Next(1, 600)), random);
                    Structures++; // may be anything
                    break;
            }

            Touch(model, ksetOffset, ksetLength);
        }

        private void Structure(string name, (long Offset, int Length) place, Random random)
        {
            Structures++;
            What.Add(name);
            Spoil(place, random);
        }

        /// <summary>Whether the log's end has been touched too, where damage looks like more of the log.</summary>
        private void Touch(RescueModel model, long offset, long length)
        {
            long end = model.DataOffset(model.KeyHead.Segment) + model.KeyHead.Offset;
            TouchesLogEnd |= _touched.Exists(t => t.Offset < end + 24 && end < t.Offset + t.Length)
                || (offset < end + 24 && end < offset + length);
        }

        private void Flip((long Offset, int Length) place, Random random)
        {
            int bits = random.Next(1, 4);
            for (int i = 0; i < bits; i++)
            {
                long at = place.Offset + random.Next(place.Length);
                if (at < Region.LengthBytes)
                {
                    What.Add($"flipped {at}");
                    Region.Bytes(at, 1)[0] ^= (byte)(1 << random.Next(8));
                    _touched.Add((at, 1));
                }
            }
        }

        private void Spoil((long Offset, int Length) place, Random random)
        {
            int length = (int)Math.Min(place.Length, Region.LengthBytes - place.Offset);
            if (length <= 0)
            {
                return;
            }

            Span<byte> bytes = Region.Bytes(place.Offset, length);
            bool zeros = random.Next(2) == 0;
            What.Add($"{(zeros ? "zeros" : "garbage")} {place.Offset}+{length}");
            if (zeros)
            {
                bytes.Clear();
            }
            else
            {
                random.NextBytes(bytes);
            }

            _touched.Add((place.Offset, length));
        }
    }
}
