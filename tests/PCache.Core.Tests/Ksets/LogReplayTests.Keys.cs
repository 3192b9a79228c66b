using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Ksets;

/// <content>Keys and links that name what they mustn't.</content>
public partial class LogReplayTests
{
    [Fact]
    public void Dead_keys_are_passed_over_whatever_their_payload()
    {
        using ImageBuilder image = new();
        CacheKey dead = image.Key(0);
        dead.SegmentOffset = uint.MaxValue;
        image.Append(dead, image.Key(512, segment: 2));
        LogPosition dirty = image.Head;
        image.Append(image.Key(1024), image.Key(2048, flags: CacheKey.CleanFlag));
        image.SetGeneration(1, 1);
        image.SetDirtyTail(dirty);
        CountingSink sink = new();
        ReplayResult result = image.Replay(sink: sink);
        Assert.Equal((1L, 3L, 1L), (result.LiveKeys, result.DeadKeys, result.LostKeys));
        Assert.Equal((1L, 3L), (sink.Live, sink.Dead));
        Assert.Equal([0, 0, 1, 0, 0, 0], result.Use.References.ToArray());
    }

    public static TheoryData<string> KeyDamages => [.. KeyTable.Keys];

    private static readonly Dictionary<string, Change<CacheKey>> KeyTable = new()
    {
        ["length 0"] = (ref CacheKey k) => k.Length = 0,
        ["length 513"] = (ref CacheKey k) => k.Length = 513,
        ["length above a stripe"] = (ref CacheKey k) => (k.Offset, k.Length) = (0, (4 << 20) + 512),
        ["length huge"] = (ref CacheKey k) => k.Length = 0xFFFFFE00,
        ["offset odd"] = (ref CacheKey k) => k.Offset = 1,
        ["offset beyond 2^63"] = (ref CacheKey k) => k.Offset = 1ul << 63,
        ["offset wraps"] = (ref CacheKey k) => (k.Offset, k.Length) = (ulong.MaxValue - 511, 1024),
        ["crosses a stripe"] = (ref CacheKey k) => (k.Offset, k.Length) = ((4 << 20) - 512, 1024),
        ["segment"] = (ref CacheKey k) => k.Segment = 6,
        ["segment huge"] = (ref CacheKey k) => k.Segment = uint.MaxValue,
        ["payload past the end"] = (ref CacheKey k) => (k.Length, k.SegmentOffset) = (1024, (64 << 10) - 12288 - 512),
        ["payload wraps"] = (ref CacheKey k) => k.SegmentOffset = uint.MaxValue - 511,
        ["payload odd"] = (ref CacheKey k) => k.SegmentOffset = 8,
        ["generation"] = (ref CacheKey k) => k.Generation = 1,
        ["empty"] = (ref CacheKey k) => k.Flags = CacheKey.EmptyFlag,
        ["payload in the log"] = (ref CacheKey k) => k.Segment = 0,
    };

    [Theory]
    [MemberData(nameof(KeyDamages))]
    public void Damaged_key_is_corruption(string name)
    {
        using ImageBuilder image = new();
        CacheKey key = image.Key(0);
        KeyTable[name](ref key);
        image.Append(image.Key(4096), key, image.Key(8192));
        image.Append(image.Key(0));
        PCacheCorruptionException e = Assert.Throws<PCacheCorruptionException>(() => image.Replay());
        Assert.Equal("key", e.Structure);
        Assert.Equal(image.DeviceOffset(default) + 24 + 40, e.DeviceOffset);

        // With findings the sound rest comes out.
        Layout.MediaLoaderTests.Collector findings = new();
        ReplayResult result = LogReplay.Run(image.Region, image.Load(), new CountingSink(), null, findings);
        Assert.Equal((2L, 3L), (result.Ksets, result.LiveKeys));
        Assert.Equal(FindingSeverity.Damage, Assert.Single(findings.All).Severity);
    }

    [Fact]
    public void Links_out_of_range_cyclic_or_into_payload_are_corruption()
    {
        using ImageBuilder outOfRange = new();
        outOfRange.AppendMany(1);
        outOfRange.Put(6, [], last: true);
        Assert.Throws<PCacheCorruptionException>(() => outOfRange.Replay());

        using ImageBuilder huge = new();
        huge.Put(uint.MaxValue, [], last: true);
        Assert.Throws<PCacheCorruptionException>(() => huge.Replay());

        using ImageBuilder cyclic = new();
        cyclic.Link(2);
        cyclic.Link(3);
        cyclic.Put(0, [], last: true);
        Assert.Throws<PCacheCorruptionException>(() => cyclic.Replay());

        using ImageBuilder self = new();
        self.Put(0, [], last: true);
        Assert.Throws<PCacheCorruptionException>(() => self.Replay());

        using ImageBuilder payload = new();
        payload.Append(payload.Key(0, segment: 2));
        payload.Link(2);
        Assert.Throws<PCacheCorruptionException>(() => payload.Replay());
    }
}
