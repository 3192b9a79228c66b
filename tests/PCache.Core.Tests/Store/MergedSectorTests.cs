using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>
/// Writes of parts of a sector go on in the copy that the thread keeps of what it merged last: only where the index
/// still names that very payload. Each test leads the thread back to the same place on the medium, or in the device,
/// with other content.
/// </summary>
public sealed class MergedSectorTests
{
    private const int Sector = 512;

    [Fact]
    public async Task A_sector_that_another_thread_has_overwritten_is_merged_with_what_that_one_wrote()
    {
        using var cache = Make();
        byte[] expected = Patterns.Make(0, Sector, 1);
        cache.Device.Write(0, expected);
        for (int round = 0; round < 20; round++)
        {
            WritePart(cache.Device, expected, 10, (byte)round);
            WritePart(cache.Device, expected, 100, (byte)(round + 1));
            expected = Patterns.Make(0, Sector, round + 2);
            await Eventually.Completes(Eventually.Thread(() => cache.Device.Write(0, expected)), "the other thread");
            WritePart(cache.Device, expected, 300, (byte)(round + 3));
            AssertHolds(cache.Device, 0, expected);

            // And what another thread has merged.
            await Eventually.Completes(Eventually.Thread(() =>
                WritePart(cache.Device, expected, 400, (byte)(round + 4))), "the other thread's part");
            WritePart(cache.Device, expected, 200, (byte)(round + 5));
            AssertHolds(cache.Device, 0, expected);
        }
    }

    [Fact]
    public void A_place_whose_segment_was_reclaimed_and_used_again_is_merged_with_what_stands_there_now()
    {
        using var cache = Make();
        int last = (int)(cache.Backing.Length / Sector) - 1;
        cache.Device.Write((long)last * Sector, Patterns.Make(0, Sector, 1));
        byte[] merged = Patterns.Make(0, Sector, 1);
        WritePart(cache.Device, merged, 50, 0xEE, last);
        Extent kept = ExtentOf(cache.Device, last);

        // Whole sectors leave the thread's copy alone. One after the other goes through all segments, until one lies
        // where the copy came from.
        for (int i = 0; ; i++)
        {
            Assert.True(i < 100_000, "the place is never used again");
            int sector = i % last;
            byte[] content = Patterns.Make(0, Sector, i + 2);
            cache.Device.Write((long)sector * Sector, content);
            Extent now = ExtentOf(cache.Device, sector);
            if ((now.Segment, now.PayloadSector) != (kept.Segment, kept.PayloadSector))
            {
                continue;
            }

            Assert.NotEqual(kept.Generation, now.Generation);
            WritePart(cache.Device, content, 20, 0x77, sector);
            AssertHolds(cache.Device, sector, content);
            AssertHolds(cache.Device, last, merged);
            return;
        }
    }

    [Fact]
    public void Two_devices_used_in_turn_by_one_thread_keep_their_sectors_apart()
    {
        using var one = Make();
        using var other = Make();
        byte[] inOne = Patterns.Make(0, Sector, 1);
        byte[] inOther = Patterns.Make(0, Sector, 2);

        // Both have the same history, so the same places with the same generations.
        one.Device.Write(0, inOne);
        one.Device.Write(0, inOne);
        other.Device.Write(0, inOther);
        other.Device.Write(0, inOther);
        for (int round = 0; round < 10; round++)
        {
            WritePart(one.Device, inOne, round, (byte)round);
            Extent a = ExtentOf(one.Device, 0);
            byte[] whole = Patterns.Make(0, Sector, round + 3);
            whole.CopyTo(inOther, 0);
            other.Device.Write(0, inOther);
            Extent b = ExtentOf(other.Device, 0);
            Assert.Equal((a.Segment, a.PayloadSector, a.Generation), (b.Segment, b.PayloadSector, b.Generation));
            WritePart(other.Device, inOther, round + 100, (byte)(round + 100));
            AssertHolds(other.Device, 0, inOther);

            one.Device.Write(0, inOne);
            Assert.Equal(ExtentOf(one.Device, 0).PayloadSector, ExtentOf(other.Device, 0).PayloadSector);
            WritePart(one.Device, inOne, round + 200, (byte)(round + 200));
            AssertHolds(one.Device, 0, inOne);
            other.Device.Write(0, inOther);
        }
    }

    /// <summary>One data head, so that where payload goes depends on nothing but the order of writes.</summary>
    private static SmallCache Make() =>
        new(segments: 16, backingBytes: 256 << 10, with: options =>
        MachineClock.On(options, new Machine { Chance = Chance.FromSeed(5, 1) }));

    private static void WritePart(PCacheDevice device, byte[] expected, int at, byte fill, int sector = 0)
    {
        byte[] part = new byte[10];
        part.AsSpan().Fill(fill);
        device.Write(((long)sector * Sector) + at, part);
        part.CopyTo(expected, at);
    }

    private static void AssertHolds(PCacheDevice device, int sector, byte[] expected)
    {
        byte[] actual = new byte[Sector];
        Assert.Equal(Sector, device.Read((long)sector * Sector, actual));
        Rig.AssertSame(expected, actual, $"sector {sector}");
    }

    private static Extent ExtentOf(PCacheDevice device, int sector)
    {
        IndexShard shard = device.Internals.Store.Index.For(0);
        using (shard.Gate.Hold())
        {
            Assert.True(shard.Stripes.TryFind(0, out StripeIndex index));
            Assert.True(index.TryGetSingle(sector, sector + 1, out Extent extent));
            return extent;
        }
    }
}
