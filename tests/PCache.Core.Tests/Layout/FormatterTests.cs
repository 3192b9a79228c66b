using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Layout;

public class FormatterTests
{
    private const int Compact = 64 << 10;

    [Fact]
    public void Fresh_linux_image_equals_linux_own_byte_for_byte_where_linux_writes()
    {
        GoldenSet golden = GoldenSet.Load("fresh");
        using TestRegion expected = golden.OpenPmem();
        using TestRegion actual = TestRegion.Create(golden.PmemBytes);
        Formatter.Format(actual, new FormatParameters { PayloadCrc = true, GcPercent = 70, Label = "x" });

        // What Linux leaves as zeros, we write with the sequence before, so that it says the same and yields.
        (long First, long Other, int Size)[] pairs =
        [
            (MediaConstants.CacheInfoOffset + 4096, MediaConstants.CacheInfoOffset, 24),
            (MediaConstants.KeyTailOffset, MediaConstants.KeyTailOffset + 16, 16),
            (MediaConstants.DirtyTailOffset, MediaConstants.DirtyTailOffset + 16, 16),
            (20480 + (30L << 24) + 4096, 20480 + (30L << 24), 16),
            .. Enumerable.Range(0, 31).Select(id =>
                (20480 + ((long)id << 24) + 8192 + 16, 20480 + ((long)id << 24) + 8192, 16)),
        ];
        foreach ((long first, long other, int size) in pairs)
        {
            Assert.False(expected.Bytes(other, size).ContainsAnyExcept((byte)0));
            Assert.Equal((1, 0), (actual.Bytes(first, size)[4], actual.Bytes(other, size)[4]));
            Assert.True(actual.Bytes(first, size)[5..].SequenceEqual(actual.Bytes(other, size)[5..]), $"{other}");
            Assert.NotEqual(0u, BitConverter.ToUInt32(actual.Bytes(other, size)));
            actual.Bytes(other, size).Clear();
        }

        Same(4096, (int)MediaConstants.SegmentsOffset - 4096 + MediaConstants.LinuxSegmentSize);
        for (long segment = 1; segment < 31; segment++)
        {
            Same(20480 + (segment << 24), 64 << 10);
            Same(20480 + (segment << 24) + (16 << 20) - 4096, 4096);
        }

        void Same(long offset, int length) =>
            Assert.True(expected.Bytes(offset, length).SequenceEqual(actual.Bytes(offset, length)),
            $"{length} bytes at {offset}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void One_destroyed_replica_of_anything_in_a_new_cache_is_no_damage(int replica)
    {
        (long Offset, int Stride)[] structures =
        [
            (MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride),
            (MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride),
            (MediaConstants.KeyTailOffset, MediaConstants.PositionStride),
            (MediaConstants.DirtyTailOffset, MediaConstants.PositionStride),
            .. Enumerable.Range(0, 6).Select(id =>
                (MediaConstants.SegmentsOffset + ((long)id * Compact), MediaConstants.SegmentInfoStride)),
            .. Enumerable.Range(0, 6).Select(
                id => (MediaConstants.SegmentsOffset + ((long)id * Compact)
                + MediaConstants.SegmentControlOffset, MediaConstants.GenerationStride)),
        ];
        foreach ((long offset, int stride) in structures)
        {
            using ImageBuilder image = new();
            image.Region.Bytes(offset + (replica * (long)stride), 16).Fill(0xEE);
            MediaState media = image.Load();
            Assert.Equal((6, default), (media.ChainLength, media.DirtyTail));
            Assert.Equal("test", ExtensionBlocks.GetLabel(media.Extension!.Value));
        }
    }

    [Fact]
    public void Until_the_last_step_there_is_no_cache()
    {
        using ImageBuilder old = new();
        old.AppendMany(3);
        TestRegion region = old.Region;
        int drains = 0;
        region.OnDrain = () =>
        {
            drains++;
            if (drains < 7)
            {
                Assert.Throws<PCacheNotFormattedException>(() => MediaLoader.Load(region));
            }
        };
        Formatter.Format(region, new FormatParameters { SegmentSizeBytes = Compact });
        Assert.Equal(7, drains);
        Assert.Equal(0, old.Replay().Ksets);
    }

    [Fact]
    public void Dirt_of_any_kind_leaves_no_trace_in_a_new_cache()
    {
        long length = MediaConstants.SegmentsOffset + (5 * Compact) + 777;
        using TestRegion clean = TestRegion.Create(length);
        using TestRegion dirty = TestRegion.Create(length);
        new Random(5).NextBytes(dirty.Bytes(0, (int)length));
        FormatParameters p = new()
        {
            SegmentSizeBytes = Compact,
            GcPercent = 0,
            CacheId = Guid.NewGuid(),
            BackingLengthBytes = 12345,
            BackingIdentity = Guid.NewGuid(),
            Label = "äöü"
        };
        Formatter.Format(clean, p);
        Formatter.Format(dirty, p);
        Assert.Equal(clean.ToArray()[..20480], dirty.ToArray()[..20480]);
        MediaState a = MediaLoader.Load(clean);
        MediaState b = MediaLoader.Load(dirty);
        Assert.Equal(5, b.ChainLength);
        Assert.Equal(a.Generations, b.Generations);
        Assert.Equal("äöü", ExtensionBlocks.GetLabel(b.Extension!.Value));
        Assert.Equal(12345ul, b.Extension.Value.BackingLength);
        Assert.Equal(p.BackingIdentity, b.Extension.Value.BackingIdentity.ToGuid());
        Assert.False(b.Flags.PayloadCrc);
        Assert.Equal(0, b.Flags.GcPercent);
    }

    [Fact]
    public void Bad_parameters_change_nothing()
    {
        using TestRegion region = TestRegion.Create(MediaConstants.SegmentsOffset + (4 * Compact));
        FormatParameters good = new() { SegmentSizeBytes = Compact };
        FormatParameters[] bad =
        [
            good with { SegmentSizeBytes = 32 << 10 },
            good with { SegmentSizeBytes = 32 << 20 },
            good with { SegmentSizeBytes = 65 << 10 },
            good with { SegmentSizeBytes = 128 << 10 },
            good with { SegmentSizeBytes = null },
            good with { GcPercent = -1 },
            good with { GcPercent = 91 },
            good with { BackingLengthBytes = -1 },
            good with { Label = new string('ä', 33) },
            good with { Label = "a\0b" },
        ];
        foreach (FormatParameters p in bad)
        {
            Assert.ThrowsAny<ArgumentException>(() => Formatter.Format(region, p));
        }

        Assert.Equal(0, region.Stores);
        Formatter.Format(region, good with { Label = new string('ä', 32) });
        Assert.Equal(new string('ä', 32), ExtensionBlocks.GetLabel(MediaLoader.Load(region).Extension!.Value));
    }

    [Fact]
    public void Linux_geometry_needs_one_segment()
    {
        using TestRegion small = TestRegion.Create(MediaConstants.SegmentsOffset + (16 << 20) - 1);
        Assert.ThrowsAny<ArgumentException>(() => Formatter.Format(small, new FormatParameters()));
        using TestRegion one = TestRegion.Create(MediaConstants.SegmentsOffset + (16 << 20));
        Formatter.Format(one, new FormatParameters());
        Assert.Equal(1, MediaLoader.Load(one).ChainLength);
    }

    [Fact]
    public void Binding_and_label_are_in_both_replicas()
    {
        using ImageBuilder image = new();
        Guid identity = Guid.NewGuid();
        ExtensionBlocks.Bind(image.Region, image.Load(), 4096, Guid.NewGuid(), resizable: false);
        MediaState media = image.Load();
        ExtensionBlocks.Bind(image.Region, media, 8192, identity, resizable: false);
        ExtensionBlocks.SetLabel(image.Region, media, "other");
        foreach (long replica in new[] { 0L, 2048L })
        {
            using TestRegion copy = TestRegion.Of(image.Region.ToArray());
            copy.Bytes(replica, 1)[0] ^= 1;
            ExtensionBlock block = MediaLoader.Load(copy).Extension!.Value;
            Assert.Equal(8192ul, block.BackingLength);
            Assert.Equal(identity, block.BackingIdentity.ToGuid());
            Assert.Equal("other", ExtensionBlocks.GetLabel(block));
            Assert.Equal(new Guid("00112233-4455-6677-8899-aabbccddeeff"), block.CacheId.ToGuid());
        }
    }

    [Fact]
    public void An_image_of_linux_gets_a_block_and_keeps_it()
    {
        using ImageBuilder image = new();
        image.Region.Bytes(0, 4096).Clear();
        MediaState media = image.Load();
        Assert.Null(media.Extension);
        ExtensionBlocks.Ensure(image.Region, media);
        Guid id = media.Extension!.Value.CacheId.ToGuid();
        Assert.NotEqual(Guid.Empty, id);
        Assert.Equal(id, image.Load().Extension!.Value.CacheId.ToGuid());
        ExtensionBlocks.Ensure(image.Region, media);
        Assert.Equal(id, image.Load().Extension!.Value.CacheId.ToGuid());
    }

    [Fact]
    public void Foreign_bytes_with_a_fitting_checksum_are_outranked()
    {
        using ImageBuilder image = new();
        image.Change(0, 2048, (ref ExtensionBlock b) => b.Magic = 1);
        image.Change(0, 2048, (ref ExtensionBlock b) => b.Magic = 1);
        MediaState media = image.Load();
        Assert.Null(media.Extension);
        ExtensionBlocks.Bind(image.Region, media, 512, Guid.Empty, resizable: false);
        Assert.Equal(512ul, image.Load().Extension!.Value.BackingLength);
    }
}
