using System.Runtime.CompilerServices;
using PCache.Core.Layout;

namespace PCache.Core.Tests.Layout;

/// <summary>Sizes and offsets, as the format page gives them.</summary>
public class StructureTests
{
    [Fact]
    public void Superblock_is_as_documented()
    {
        Superblock s = default;
        Assert.Equal(24, Unsafe.SizeOf<Superblock>());
        Assert.Equal([0, 4, 8, 16, 20],
            [At(ref s, ref s.Crc), At(ref s, ref s.Flags), At(ref s, ref s.Magic), At(ref s, ref s.SegmentCount),
            At(ref s, ref s.SegmentSize)]);
    }

    [Fact]
    public void Replica_header_is_as_documented()
    {
        ReplicaHeader s = default;
        Assert.Equal(8, Unsafe.SizeOf<ReplicaHeader>());
        Assert.Equal([0, 4, 5, 6], [At(ref s, ref s.Crc), At(ref s, ref s.Sequence), At(ref s, ref s.Version),
            At(ref s, ref s.Reserved)]);
    }

    [Fact]
    public void Cache_info_is_as_documented()
    {
        CacheInfo s = default;
        Assert.Equal(24, Unsafe.SizeOf<CacheInfo>());
        Assert.Equal([0, 8, 12, 16, 20],
            [At(ref s, ref s.Header), At(ref s, ref s.FirstSegment), At(ref s, ref s.SegmentCount),
            At(ref s, ref s.Flags), At(ref s, ref s.Reserved)]);
    }

    [Fact]
    public void Position_segment_info_and_generation_are_as_documented()
    {
        PositionRecord p = default;
        SegmentInfo i = default;
        GenerationRecord g = default;
        Assert.Equal([16, 16, 16], [Unsafe.SizeOf<PositionRecord>(), Unsafe.SizeOf<SegmentInfo>(),
            Unsafe.SizeOf<GenerationRecord>()]);
        Assert.Equal([8, 12], [At(ref p, ref p.Segment), At(ref p, ref p.Offset)]);
        Assert.Equal([8, 12], [At(ref i, ref i.Flags), At(ref i, ref i.Next)]);
        Assert.Equal(8, At(ref g, ref g.Generation));
    }

    [Fact]
    public void Kset_header_and_key_are_as_documented()
    {
        KsetHeader h = default;
        CacheKey k = default;
        Assert.Equal([24, 40], [Unsafe.SizeOf<KsetHeader>(), Unsafe.SizeOf<CacheKey>()]);
        Assert.Equal([0, 4, 8, 16], [At(ref h, ref h.Crc), At(ref h, ref h.KeyCount), At(ref h, ref h.Magic),
            At(ref h, ref h.FlagsAndSequence)]);
        Assert.Equal(
            [0, 8, 12, 16, 20, 24, 32, 36],
            [At(ref k, ref k.Offset), At(ref k, ref k.Length), At(ref k, ref k.Flags), At(ref k, ref k.Segment),
                At(ref k, ref k.SegmentOffset), At(ref k, ref k.Generation), At(ref k, ref k.PayloadCrc),
                At(ref k, ref k.Reserved)]);
    }

    [Fact]
    public void Extension_block_is_as_documented()
    {
        ExtensionBlock s = default;
        Assert.Equal(256, Unsafe.SizeOf<ExtensionBlock>());
        Assert.Equal(
            [8, 16, 20, 24, 40, 48, 64, 128],
            [At(ref s, ref s.Magic), At(ref s, ref s.FormatVersion), At(ref s, ref s.Flags), At(ref s, ref s.CacheId),
                At(ref s, ref s.BackingLength), At(ref s, ref s.BackingIdentity), At(ref s, ref s.Label),
                At(ref s, ref s.Fingerprint)]);
        FingerprintRecord f = default;
        Assert.Equal(128, Unsafe.SizeOf<FingerprintRecord>());
        Assert.Equal(
            [0, 1, 2, 3, 4, 8, 16, 24, 88, 120, 122, 124],
            [
                At(ref f, ref f.Kind), At(ref f, ref f.Sequence), At(ref f, ref f.BlockShift),
                    At(ref f, ref f.RecentCount), At(ref f, ref f.State), At(ref f, ref f.BackingLength),
                At(ref f, ref f.Taken), At(ref f, ref f.Recent), At(ref f, ref f.Groups), At(ref f, ref f.SampleCount),
                    At(ref f, ref f.Reserved), At(ref f, ref f.Crc),
            ]);
    }

    [Fact]
    public void Places_are_as_documented()
    {
        Assert.Equal([4096L, 8192L, 16384L, 16384L, 16416L, 20480L],
            [MediaConstants.SuperblockOffset, MediaConstants.CacheInfoOffset, MediaConstants.ControlOffset,
            MediaConstants.KeyTailOffset, MediaConstants.DirtyTailOffset, MediaConstants.SegmentsOffset]);
        Geometry geometry = new(16 << 20, 31, isLinux: true);
        Assert.Equal(20480 + (16 << 20), geometry.SegmentOffset(1));
        Assert.Equal(20480 + 12288, geometry.DataOffset(0));
        Assert.Equal((16 << 20) - 12288, geometry.DataSize);
        Assert.Equal(31, Geometry.SegmentsThatFit(512 << 20, 16 << 20));
        Assert.Equal(0, Geometry.SegmentsThatFit(0, 16 << 20));
    }

    private static int At<TStruct, TField>(ref TStruct structure, ref TField field) =>
        (int)Unsafe.ByteOffset(ref Unsafe.As<TStruct, byte>(ref structure), ref Unsafe.As<TField, byte>(ref field));
}
