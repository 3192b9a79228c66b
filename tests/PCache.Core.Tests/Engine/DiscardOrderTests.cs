using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A discard and what is written around it, over it, before and after: only what lies in it may be lost, and
/// nothing that was written after it.</summary>
public sealed class DiscardOrderTests
{
    private const int Page = 4096;

    public static TheoryData<string> Ways() => ["overwrite", "sector", "part", "zeroes", "batch", "async"];

    /// <summary>The discard waits for write-back, and what is written meanwhile must not be discarded.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task What_is_written_after_a_discard_stays(string way)
    {
        using var cache = new SmallCache(16, backingBytes: 16 * Page, canDiscard: true,
            content: Patterns.Make(0, 16 * Page, 1));
        cache.Device.Write(0, Patterns.Make(0, 8 * Page, 2));
        cache.Device.Write(2 * Page, Patterns.Make(2 * Page, Page, 3));
        if (way is "sector" or "part")
        {
            // A page in pieces.
            cache.Device.Write((2 * Page) + 512, Patterns.Make((2 * Page) + 512, 512, 4));
        }

        cache.Device.Discard(0, 8 * Page);
        cache.Device.Write(15 * Page, Patterns.Make(15 * Page, 512, 6)); // a list that is open for the next key
        byte[] data = Patterns.Make(2 * Page, Page, 5);
        int at = 2 * Page;
        switch (way)
        {
            case "overwrite":
                cache.Device.Write(at, data);
                break;
            case "sector":
                at += 512;
                data = data[512..1024];
                cache.Device.Write(at, data);
                break;
            case "part":
                at += 600;
                data = data[600..700];
                cache.Device.Write(at, data);
                break;
            case "zeroes":
                data.AsSpan().Clear();
                cache.Device.WriteZeroes(at, Page);
                break;
            case "batch":
                cache.Device.WriteBatch([new(at, data)]);
                break;
            default:
                await cache.Device.WriteAsync(at, data);
                break;
        }

        cache.Device.Drain();
        cache.Settle();
        Assert.True(cache.Backing.Calls(DiskOperation.Discard) > 0);
        byte[] found = new byte[data.Length];
        cache.Device.Read(at, found);
        Rig.AssertSame(data, found, $"{way}: on the device");
        Rig.AssertSame(data, cache.Backing.Peek(at, data.Length), $"{way}: on the backing");
    }

    /// <summary>Sectors that a discard touches in part are none of its.</summary>
    [Theory]
    [InlineData(100, 1000)]
    [InlineData(512, 1000)]
    [InlineData(700, 300)]
    [InlineData(1, 8191)]
    public void Parts_of_sectors_are_not_discarded(int offset, int length)
    {
        byte[] content = Patterns.Make(0, 4 * Page, 1);
        using var cache = new SmallCache(16, canDiscard: true, content: content);
        cache.Device.Read(0, new byte[4 * Page]);
        cache.Device.Discard(offset, length);
        cache.Device.Drain(); // the discard waits for the dirty tail
        cache.Settle();
        int from = (offset + 511) / 512 * 512;
        int to = Math.Max(from, (offset + length) / 512 * 512);
        Assert.Equal(to > from ? 1 : 0, cache.Backing.Calls(DiskOperation.Discard));
        byte[] found = Rig.ReadAll(cache.Device);
        Rig.AssertSame(content.AsSpan(0, from), found.AsSpan(0, from), "before");
        Rig.AssertSame(content.AsSpan(to), found.AsSpan(to), "behind");
        Rig.AssertSame(content.AsSpan(0, from), cache.Backing.Snapshot().AsSpan(0, from), "on the backing, before");
        Rig.AssertSame(content.AsSpan(to), cache.Backing.Snapshot().AsSpan(to), "on the backing, behind");
    }

    /// <summary>Content is undefined until it is rewritten, but it is one of two: what was there, or the backing's; a
    /// part of it that is dirty doesn't vanish before it is written back.</summary>
    [Fact]
    public void Dirty_data_in_a_discarded_range_goes_on_to_the_backing_first()
    {
        using var cache = new SmallCache(16, canDiscard: false, content: Patterns.Make(0, 4 * Page, 1));
        cache.Device.Write(0, Patterns.Make(0, Page, 2));
        cache.Device.Discard(0, Page);
        byte[] found = new byte[Page];
        cache.Device.Read(0, found);
        Rig.AssertSame(Patterns.Make(0, Page, 2), found, "dirty data, on a backing that can't discard");
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(0, Page, 2), cache.Backing.Peek(0, Page), "on the backing");
    }
}
