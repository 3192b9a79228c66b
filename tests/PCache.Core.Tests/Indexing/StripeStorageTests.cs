using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Store;
using PCache.Core.Tests.Support;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

/// <summary>How extents are stored: pages, fragments, growth, and that memory is just what that takes.</summary>
public class StripeStorageTests
{
    private const int OneTable = 16 * 32;

    [Theory]
    [InlineData(0, 8, 16)]
    [InlineData(0, 16, 32)]
    [InlineData(8, 136, 256 + 16 + 16)]
    [InlineData(0, 8192, (64 * 256) + 512)]
    [InlineData(3, 4, 16 + 16)]
    [InlineData(2, 7, 16 + 128)]
    [InlineData(7, 9, 32 + 16 + 16)]
    [InlineData(4, 20, 64 + 64 + 64)]
    public void An_extent_takes_a_slot_for_each_page_and_one_for_each_sector_at_its_edges(int start, int end, int bytes)
    {
        using StripeDirectory directory = new();
        StripeIndex index = directory.GetOrAdd(0);
        index.Insert(Make(start, end, 1));
        Assert.Equal($"[{start}-{end})1", Show(index));
        directory.Validate();
        Assert.Equal(OneTable + bytes, directory.UsedBytes);
        index.Remove(0, StripeIndex.SectorCount);
        Assert.Equal(OneTable, directory.UsedBytes);
        directory.RemoveIfEmpty(0);
        Assert.Equal(0, directory.UsedBytes);
    }

    [Fact]
    public void A_page_falls_to_fragments_and_becomes_one_again()
    {
        using StripeDirectory directory = new();
        StripeIndex index = directory.GetOrAdd(0);
        index.Insert(Make(0, 24, 1));
        long whole = directory.UsedBytes;
        index.Insert(Make(10, 12, 2));
        Assert.Equal("[0-10)1 [10-12)2 [12-24)1", Show(index));
        Assert.Equal(whole + 128, directory.UsedBytes);
        index.Remove(8, 12);
        Assert.Equal("[0-8)1 [12-24)1", Show(index));
        Assert.Equal(whole + 64, directory.UsedBytes);

        // The same key comes back to where it was (an abandoned relog, a filter that puts it back): one slot is enough
        // again.
        index.Insert(Make(0, 24, 1).Clip(8, 12));
        Assert.Equal("[0-24)1", Show(index));
        Assert.Equal(whole, directory.UsedBytes);
        index.Insert(Make(9, 10, 3));
        index.Insert(Make(8, 16, 4));
        Assert.Equal("[0-8)1 [8-16)4 [16-24)1", Show(index));
        Assert.Equal(whole, directory.UsedBytes);
        directory.Validate();
    }

    [Fact]
    public void What_looks_contiguous_but_is_another_key_stays_apart()
    {
        Extent first = Make(0, 8, 1);
        Extent next = Make(8, 16, 1);
        Assert.Equal("[0-8)1 [8-16)1", AfterBoth(first, next)); // a key of its own each
        Extent whole = Make(0, 16, 1);
        Assert.Equal("[0-16)1", AfterBoth(whole.Clip(0, 8), whole.Clip(8, 16)));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.PayloadCrc++));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.Segment++));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.Generation++));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.PayloadSector++));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.KeyLength++));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.Flags = ExtentFlags.Clean));
        Assert.Equal(2, CountOfBoth(whole, (ref Extent e) => e.Flags = ExtentFlags.Shared));
        Assert.Equal(1, CountOfBoth(whole, (ref Extent _) => { }));

        static string AfterBoth(Extent first, Extent second)
        {
            StripeIndex index = NewIndex();
            index.Insert(in first);
            index.Insert(in second);
            return Show(index);
        }

        static int CountOfBoth(Extent whole, Change change)
        {
            StripeIndex index = NewIndex();
            index.Insert(whole.Clip(0, 8));
            Extent second = whole.Clip(8, 16);
            change(ref second);
            index.Insert(in second);
            return index.Count;
        }
    }

    private delegate void Change(ref Extent extent);

    [Fact]
    public void Every_field_comes_back_at_its_limits()
    {
        Extent extent = new()
        {
            Start = 8191,
            Length = 1,
            KeyStart = 0,
            KeyLength = 8192,
            Segment = Extent.MaxSegments - 1,
            PayloadSector = (1 << 15) - 1,
            Flags = ExtentFlags.Clean | ExtentFlags.Shared,
            PayloadCrc = uint.MaxValue,
            Generation = Extent.GenerationMask,
        };
        StripeIndex index = NewIndex();
        index.Insert(in extent);
        Assert.True(index.TryGetSingle(8191, 8192, out Extent found));
        Assert.Equal(extent, found);
        Extent zero = new() { Start = 16, Length = 8, KeyStart = 16, KeyLength = 8 };
        index.Insert(in zero);
        Assert.True(index.TryGetSingle(16, 24, out found));
        Assert.Equal(zero, found);
    }

    [Fact]
    public void What_the_format_allows_fits_the_fields()
    {
        Assert.InRange(MediaConstants.MaxSegmentCount, 1, Extent.MaxSegments);
        Assert.InRange((MediaConstants.LinuxSegmentSize - MediaConstants.SegmentDataOffset)
            / MediaConstants.SectorSize, 1, (1 << 15) - 8);
    }

    [Fact]
    public void Placeholders_keep_64_bits_of_their_id()
    {
        foreach (ulong id in new ulong[] { 1, ulong.MaxValue, 1UL << 63, 0x8765_4321_0FED_CBA9 })
        {
            StripeIndex index = NewIndex();
            index.Insert(new Extent { Start = 3, Length = 20, Flags = ExtentFlags.Placeholder, Generation = id });
            index.Insert(new Extent
            {
                Start = 23,
                Length = 4,
                Flags = ExtentFlags.Placeholder,
                Generation = id ^ (1UL << 40)
            });
            var pieces = new ExtentBuffer();
            Assert.Equal(3, index.Lookup(2, 24, pieces));
            Assert.True(pieces[1].IsPlaceholder && pieces[2].IsPlaceholder);
            Assert.Equal((3, 23, id), (pieces[1].Start, pieces[1].End, pieces[1].Generation));
            var own = new PlaceholderFilter(id);
            index.RemoveWhere(0, StripeIndex.SectorCount, ref own);
            index.Validate();
            Assert.Equal(1, index.Count);
            Assert.True(index.TryGetSingle(23, 27, out Extent left));
            Assert.Equal(id ^ (1UL << 40), left.Generation);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1L << 31)]
    [InlineData((1L << 31) - 1)]
    [InlineData((5L << 31) + 77)]
    [InlineData(-1L)]
    public void An_extent_has_the_tag_and_its_key_the_whole_generation(long value)
    {
        ulong generation = (ulong)value;
        CacheKey key = new()
        {
            Offset = 5 << 22,
            Length = 4096,
            Segment = 9,
            SegmentOffset = 8192,
            Generation = generation,
            PayloadCrc = 7
        };
        Extent extent = KeyExtents.ToExtent(in key, ExtentFlags.None);
        StripeIndex index = NewIndex();
        index.Insert(in extent);
        Assert.True(index.TryGetSingle(0, 8, out Extent found));
        Assert.Equal(generation & Extent.GenerationMask, found.Generation);
        Assert.Equal(key, KeyExtents.ToKey(5, in found, generation));
    }

    [Fact]
    public void A_chunk_grows_and_shrinks_with_its_pages()
    {
        TestRuns.ForSeeds(3, seed =>
        {
            using StripeDirectory directory = new();
            StripeIndex index = directory.GetOrAdd(0);
            int[] pages = [.. Enumerable.Range(0, 16)];
            new Random(seed).Shuffle(pages);
            int[] sizes = [1, 1, 2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16];
            for (int i = 0; i < 16; i++)
            {
                index.Insert(Make(pages[i] * 8, (pages[i] * 8) + 8, pages[i]));
                Assert.Equal(OneTable + (16 * sizes[i + 1]), directory.UsedBytes);
                directory.Validate();
            }

            Assert.Equal(16, index.Count);
            new Random(~seed).Shuffle(pages);
            for (int i = 15; i > 0; i--)
            {
                index.Remove(pages[i] * 8, (pages[i] * 8) + 8);
                Assert.Equal(OneTable + (16 * sizes[i]), directory.UsedBytes);
                directory.Validate();
                Assert.Equal(i, index.Count);
            }
        });
    }

    [Fact]
    public void Random_operations_on_some_stripes_keep_every_byte_accounted_for()
    {
        TestRuns.ForSeeds(6, seed =>
        {
            Random random = new(seed);
            using StripeDirectory directory = new();
            EvenFilter even = default;
            ExtentBuffer replaced = new();
            for (int i = 0; i < 1500; i++)
            {
                long stripe = random.Next(20);
                StripeIndex index = directory.GetOrAdd(stripe);
                int start = random.Next(StripeIndex.SectorCount);
                int end = Math.Min(StripeIndex.SectorCount, start + 1 + random.Next(1 << random.Next(13)));
                switch (random.Next(6))
                {
                    case < 3:
                        index.Insert(Make(start, end, i));
                        break;
                    case 3:
                        index.Remove(start, end);
                        break;
                    case 4:
                        index.RemoveWhere(0, end, ref even);
                        break;
                    default:
                        replaced.Clear();
                        index.ReplaceWhere(Make(start, end, i), ref even, replaced);
                        break;
                }

                if (random.Next(3) == 0)
                {
                    directory.RemoveIfEmpty(stripe);
                }

                if (i % 25 == 0)
                {
                    directory.Validate();
                }
            }

            directory.Validate();
            directory.RemoveFrom(10);
            directory.Validate();
            directory.RemoveFrom(0);
            directory.Validate();
            Assert.Equal(0, directory.UsedBytes);
        });
    }

    [Fact]
    public void A_lookup_of_fragments_and_pages_finds_what_an_array_of_sectors_has()
    {
        TestRuns.ForSeeds(20, seed =>
        {
            Random random = new(seed);
            StripeIndex index = NewIndex();
            int[] model = new int[StripeIndex.SectorCount];
            for (int i = 1; i < 400; i++)
            {
                int start = random.Next(600);
                int end = start + 1 + random.Next(1 << random.Next(9));
                index.Insert(Make(start, end, i));
                model.AsSpan(start, end - start).Fill(i);
                start = random.Next(600);
                end = start + 1 + random.Next(60);
                Assert.Equal(ShowModel(model, start, end), ShowLookup(index, start, end));
            }

            index.Validate();
        });

        static string ShowModel(int[] model, int start, int end)
        {
            List<string> parts = [];
            while (start < end)
            {
                int to = start + 1;
                while (to < end && model[to] == model[start])
                {
                    to++;
                }

                parts.Add(model[start] == 0 ? $"[{start}-{to})-" : $"[{start}-{to}){model[start]}");
                start = to;
            }

            return string.Join(' ', parts);
        }
    }
}
