using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Layout;

public class MediaLoaderTests
{
    [Fact]
    public void Loads_what_was_formatted()
    {
        using ImageBuilder image = new();
        int stores = image.Region.Stores;
        MediaState media = image.Load();
        Assert.Equal(stores, image.Region.Stores);
        Assert.False(media.Geometry.IsLinux);
        Assert.Equal(6, media.Geometry.SegmentCount);
        Assert.Equal([0, 1, 2, 3, 4, 5], media.Chain);
        Assert.Equal(new ulong[6], media.Generations);
        Assert.True(media.Flags.PayloadCrc);
        Assert.Equal(70, media.Flags.GcPercent);
        Assert.Equal(default, media.KeyTail);
        Assert.Equal("test", ExtensionBlocks.GetLabel(media.Extension!.Value));
        Assert.Equal(new Guid("00112233-4455-6677-8899-aabbccddeeff"), media.Extension.Value.CacheId.ToGuid());
        Assert.Equal(0x00, image.Region.Bytes(24, 1)[0]);
        Assert.Equal(0x11, image.Region.Bytes(25, 1)[0]);
    }

    [Fact]
    public void A_device_without_superblock_is_not_formatted()
    {
        using TestRegion empty = TestRegion.Create(1 << 20);
        Assert.Throws<PCacheNotFormattedException>(() => MediaLoader.Load(empty));
        using TestRegion tiny = TestRegion.Create(5000);
        Assert.Throws<PCacheNotFormattedException>(() => MediaLoader.Load(tiny));
    }

    [Fact]
    public void A_destroyed_superblock_is_not_taken_for_new()
    {
        using ImageBuilder image = new();
        image.Region.Bytes(4096, 24).Clear();
        int stores = image.Region.Stores;
        PCacheNotFormattedException e = Assert.Throws<PCacheNotFormattedException>(() => image.Load());
        Assert.Contains("destroyed", e.Message, StringComparison.Ordinal);
        Assert.Equal(stores, image.Region.Stores);
    }

    [Fact]
    public void Unfinished_formatting_is_told()
    {
        using ImageBuilder image = new();
        image.ChangeInfo((ref CacheInfo i) => i.Flags &= ~2u);
        Assert.Throws<PCacheNotFormattedException>(() => image.Load());
        image.Region.Bytes(8192, 8192).Clear();
        Assert.Throws<PCacheNotFormattedException>(() => image.Load());
    }

    public static TheoryData<string> Damages => [.. DamageTable.Keys];

    private static readonly Dictionary<string, (string Structure, Action<ImageBuilder> Do)> DamageTable = new()
    {
        ["magic"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.Magic ^= 1)),
        ["superblock crc"] = ("superblock", i => i.Flip(4096)),
        ["big-endian"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.Flags |= 1)),
        ["no segments"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.SegmentCount = 0)),
        ["3 segments"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.SegmentCount = 3)),
        ["7 segments of 6"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.SegmentCount = 7)),
        ["4 billion segments"] = ("superblock", i =>
            i.ChangeSuperblock((ref Superblock s) => s.SegmentCount = uint.MaxValue)),
        ["segment size 0"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.SegmentSize = 0)),
        ["segment size odd"] = ("superblock", i =>
            i.ChangeSuperblock((ref Superblock s) => s.SegmentSize = 65536 + 4096)),
        ["segment size 32 KiB"] = ("superblock", i => i.ChangeSuperblock((ref Superblock s) => s.SegmentSize = 32768)),
        ["segment size 32 MiB"] = ("superblock", i =>
            i.ChangeSuperblock((ref Superblock s) => s.SegmentSize = 32 << 20)),
        ["linux magic on a small device"] = ("superblock", i =>
            i.ChangeSuperblock((ref Superblock s) => s.Magic = MediaConstants.SuperblockMagicLinux)),
        ["cache info both bad"] = ("cache info", i =>
        {
            i.ChangeInfo((ref CacheInfo _) => { });
            i.Flip(8192 + 8);
            i.Flip(12288 + 8);
        }
        ),
        ["cache info one bad, one blank"] = ("cache info", i => FlipOneClearOther(i, 12288 + 8, 8192)),
        ["mode 1"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.Flags |= 1 << 2)),
        ["mode 15"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.Flags |= 15 << 2)),
        ["gc 91"] = ("cache info", i =>
            i.ChangeInfo((ref CacheInfo c) => c.Flags = new CacheFlags(c.Flags).WithGcPercent(91).Value)),
        ["first segment"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.FirstSegment = 6)),
        ["chain of 0"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.SegmentCount = 0)),
        ["chain of 7"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.SegmentCount = 7)),
        ["chain of 4 billion"] = ("cache info", i => i.ChangeInfo((ref CacheInfo c) => c.SegmentCount = uint.MaxValue)),
        ["chain of 5"] = ("segment info", i => i.ChangeInfo((ref CacheInfo c) => c.SegmentCount = 5)),
        ["chain too short"] = ("segment info", i => i.ChangeSegmentInfo(2, (ref SegmentInfo s) => s.Flags &= ~1u)),
        ["chain too long"] = ("segment info", i => i.ChangeSegmentInfo(5, (ref SegmentInfo s) => s.Flags |= 1)),
        ["next out of range"] = ("segment info", i => i.ChangeSegmentInfo(2, (ref SegmentInfo s) => s.Next = 6)),
        ["cycle"] = ("segment info", i => i.ChangeSegmentInfo(2, (ref SegmentInfo s) => s.Next = 1)),
        ["cycle of one"] = ("segment info", i => i.ChangeSegmentInfo(2, (ref SegmentInfo s) => s.Next = 2)),
        ["segment type"] = ("segment info", i => i.ChangeSegmentInfo(2, (ref SegmentInfo s) => s.Flags ^= 1 << 2)),
        ["segment info blank"] = ("segment info", i => i.Region.Bytes(i.Geometry.SegmentOffset(3), 8192).Clear()),
        ["segment info both bad"] = ("segment info", i =>
        {
            i.Flip(i.Geometry.SegmentOffset(3));
            i.Flip(i.Geometry.SegmentOffset(3) + 4096);
        }
        ),
        ["generation blank"] = ("generation", i => i.Region.Bytes(i.GenerationOffset(3), 32).Clear()),
        ["generation both bad"] = ("generation", i =>
        {
            i.SetGeneration(3, 5);
            i.Flip(i.GenerationOffset(3) + 8);
            i.Flip(i.GenerationOffset(3) + 24);
        }
        ),
        ["key tail blank"] = ("key tail", i => i.Region.Bytes(MediaConstants.KeyTailOffset, 32).Clear()),
        ["key tail bad"] = ("key tail", i =>
            FlipOneClearOther(i, MediaConstants.KeyTailOffset + 12, MediaConstants.KeyTailOffset + 16)),
        ["key tail segment"] = ("key tail", i => i.SetTail(MediaConstants.KeyTailOffset, 6, 0)),
        ["key tail offset"] = ("key tail", i =>
            i.SetTail(MediaConstants.KeyTailOffset, 0, (uint)i.Geometry.DataSize - 16)),
        ["key tail offset huge"] = ("key tail", i => i.SetTail(MediaConstants.KeyTailOffset, 0, uint.MaxValue - 7)),
        ["key tail offset odd"] = ("key tail", i => i.SetTail(MediaConstants.KeyTailOffset, 0, 4)),
        ["dirty tail blank"] = ("dirty tail", i => i.Region.Bytes(MediaConstants.DirtyTailOffset, 32).Clear()),
        ["dirty tail segment"] = ("dirty tail", i => i.SetTail(MediaConstants.DirtyTailOffset, uint.MaxValue, 0)),
        ["dirty tail offset"] = ("dirty tail", i =>
            i.SetTail(MediaConstants.DirtyTailOffset, 1, (uint)i.Geometry.DataSize)),
        ["backing length"] = ("extension block", i =>
            i.Change(0, 2048, (ref ExtensionBlock b) => b.BackingLength = ulong.MaxValue)),
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void Damage_is_named_and_nothing_is_changed(string name)
    {
        (string structure, Action<ImageBuilder> damage) = DamageTable[name];
        using ImageBuilder image = new();
        damage(image);
        byte[] before = image.Region.ToArray();
        PCacheCorruptionException e = Assert.Throws<PCacheCorruptionException>(() => image.Load());
        Assert.Equal(structure, e.Structure);
        Assert.InRange(e.DeviceOffset, 0, image.Region.LengthBytes);
        Assert.Equal(before, image.Region.ToArray());

        // With a sink the same is a finding.
        Collector findings = new();
        MediaLoader.Load(image.Region, findings);
        Assert.Contains(findings.All, f =>
            f.Severity == FindingSeverity.Damage && f.Structure == structure && f.Offset == e.DeviceOffset);
    }

    [Fact]
    public void Device_cut_at_any_length_is_refused_or_not_a_cache()
    {
        using ImageBuilder image = new();
        byte[] whole = image.Region.ToArray();
        foreach (int length in new[] { 1, 4096, 4100, 8191, 8192, 12288, 16384, 20480, 20481, 90000,
            whole.Length - 65536, whole.Length - 1 })
        {
            using TestRegion cut = TestRegion.Of(whole.AsSpan(0, length), readOnly: true);
            Assert.ThrowsAny<PCacheException>(() => MediaLoader.Load(cut));
        }
    }

    [Fact]
    public void One_bad_replica_is_a_note_and_the_other_is_used()
    {
        using ImageBuilder image = new();
        image.SetGeneration(2, 9);
        image.SetGeneration(2, 10);
        image.SetDirtyTail(new LogPosition(0, 64));
        image.Flip(MediaConstants.DirtyTailOffset + 12);
        image.Flip(image.GenerationOffset(2) + 8);
        MediaState media = image.Load();
        Assert.Equal(new LogPosition(0, 64), media.DirtyTail);
        Assert.Equal(media.DirtyTail, media.DirtyTailOlder);
        Collector findings = new();
        Assert.NotNull(MediaLoader.Load(image.Region, findings));
        Assert.Equal(["generation", "dirty tail"], findings.All.Select(f => f.Structure));
        Assert.All(findings.All, f => Assert.Equal(FindingSeverity.Note, f.Severity));
    }

    [Fact]
    public void The_later_of_two_replicas_counts_also_where_the_sequence_wraps()
    {
        using ImageBuilder image = new();
        for (uint i = 1; i <= 600; i++)
        {
            image.SetTail(MediaConstants.DirtyTailOffset, 0, i * 8);
            MediaState media = image.Load();
            Assert.Equal((int)i * 8, media.DirtyTail.Offset);
            Assert.Equal((int)(i - 1) * 8, media.DirtyTailOlder.Offset);
        }
    }

    [Fact]
    public void An_unreadable_replica_is_no_error_while_the_other_is_valid()
    {
        using ImageBuilder image = new();
        image.ChangeInfo((ref CacheInfo c) => c.Flags = new CacheFlags(c.Flags).WithGcPercent(33).Value);
        image.Region.Poison(12288, 64);
        Assert.Equal(33, image.Load().Flags.GcPercent);
        image.Region.Poison(8192, 64);
        Assert.Throws<PCacheCorruptionException>(() => image.Load());
    }

    [Fact]
    public void A_segment_info_whose_link_is_lost_still_leads_on()
    {
        using ImageBuilder image = new();
        for (int id = 0; id < 6; id++)
        {
            // replica 0, which names the successor (the last segment has none)
            image.Region.Bytes(20480 + (id * 65536L), 1)[0] ^= 1;
        }

        Assert.Equal([0, 1, 2, 3, 4, 5], image.Load().Chain);
    }

    [Fact]
    public void Chain_order_may_differ_from_physical_order()
    {
        using ImageBuilder image = new();
        int[] order = [3, 1, 5, 0, 2, 4];
        image.ChangeInfo((ref CacheInfo c) => c.FirstSegment = 3);
        for (int i = 0; i < order.Length; i++)
        {
            int next = i + 1 < order.Length ? order[i + 1] : -1;
            image.ChangeSegmentInfo(order[i], (ref SegmentInfo s) =>
                (s.Flags, s.Next) = next < 0 ? (2u, 0u) : (3u, (uint)next));
        }

        image.SetGeneration(5, 77);
        MediaState media = image.Load();
        Assert.Equal(order, media.Chain);
        Assert.Equal(77ul, media.Generations[2]);
    }

    [Fact]
    public void Reserved_fields_and_versions_are_ignored()
    {
        using ImageBuilder image = new();
        image.ChangeInfo((ref CacheInfo c) => (c.Header.Version, c.Header.Reserved, c.Reserved) = (9, 0xBEEF, 5));
        image.ChangeSuperblock((ref Superblock s) => s.Flags |= 0x80);
        Assert.Equal(6, image.Load().ChainLength);
    }

    internal sealed class Collector : IFindingSink
    {
        public List<Finding> All { get; } = [];

        public bool KeepsMore => true;

        public void Add(Finding finding) => All.Add(finding);
    }

    /// <summary>As Linux leaves it: the other replica was never written.</summary>
    private static void FlipOneClearOther(ImageBuilder image, long flipped, long cleared)
    {
        image.Flip(flipped);
        image.Region.Bytes(cleared, 16).Clear();
    }
}
