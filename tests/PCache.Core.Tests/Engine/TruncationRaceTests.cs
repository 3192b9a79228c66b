using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// A truncation that comes in the middle of a write, at each store and drain of it: what was cut off stays cut off. The
/// hook runs on the writer's own thread, so each
/// order is met for certain, wherever no lock is held.
/// </summary>
public sealed class TruncationRaceTests
{
    private const int Page = 4096;

    public enum Kind
    {
        /// <summary>A whole page that is in the index already: what an overwrite does fast.</summary>
        Overwrite,

        /// <summary>A sector of a page that is in pieces.</summary>
        OverwriteSector,

        /// <summary>A whole page that isn't cached.</summary>
        New,
        Zeroes,

        /// <summary>A part of a sector, which is merged.</summary>
        Part,
        Batch,
        Asynchronous,
        AsynchronousBatch,
    }

    public static TheoryData<Kind, int> Cases()
    {
        TheoryData<Kind, int> cases = [];
        foreach (Kind kind in Enum.GetValues<Kind>())
        {
            cases.Add(kind, Page); // before all of it
            cases.Add(kind, (2 * Page) + 1124); // in the middle of it, and of a sector
            cases.Add(kind, 5 * Page); // behind it
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task What_a_write_stores_beyond_the_new_end_never_shows_and_the_rest_always(Kind kind, int end)
    {
        int points = 0;
        for (int at = 0; at == 0 || points >= at; at++)
        {
            using var cache = new SmallCache(16, backingBytes: 8 * Page, canResize: true);
            Fill(cache, kind);
            byte[] expected = Rig.ReadAll(cache.Device);
            points = 0;
            Latch gate = cache.Device.Internals.Store.Index.For(0).Gate;
            cache.Region.BeforeEvent = e =>
            {
                // Under the stripe's lock no other thread can come in between.
                if ((gate.Version & 1) == 0 && points++ == at)
                {
                    cache.Region.BeforeEvent = null;
                    cache.Device.SetLength(end);
                    if (kind is Kind.Overwrite or Kind.OverwriteSector)
                    {
                        cache.Device.Write(Page - 512, new byte[512]); // the list of keys is open again
                        expected.AsSpan(Page - 512, 512).Clear();
                    }
                }
            };
            await Write(cache, kind, expected);
            bool cut = cache.Region.BeforeEvent is null;
            cache.Region.BeforeEvent = null;
            if (!cut)
            {
                break;
            }

            // An asynchronous write that hasn't begun to be seen may come after the truncation as a whole: then it
            // grows the device again.
            long length = cache.Device.Length;
            Assert.True(length == end || (kind == Kind.Asynchronous && length == 3 * Page),
                $"{kind}, cut before event {at}: {length} bytes");
            expected.AsSpan(length == end ? end : 3 * Page).Clear();
            if (length != end)
            {
                expected.AsSpan(end, Math.Max(0, (2 * Page) - end)).Clear();
            }

            cache.Device.SetLength(8 * Page);
            byte[] all = Rig.ReadAll(cache.Device);
            Rig.AssertSame(expected, all, $"{kind}, cut before event {at}: extended again");
            cache.Device.Flush();
            using (PCacheDevice killed = cache.OpenKilledCopy())
            {
                Rig.AssertSame(all, Rig.ReadAll(killed), $"{kind}, cut before event {at}: after a kill");
            }

            cache.Device.Drain();
            Rig.AssertSame(all, cache.Backing.Snapshot(), $"{kind}, cut before event {at}: on the backing");
            IntegrityAudit.Check(cache.Device, cache.Region);
        }

        Assert.True(points > 1, $"{points} events");
    }

    /// <summary>A write of a part of a sector merges with what lies up to the end, not with what lay behind
    /// it.</summary>
    [Fact]
    public void A_part_that_is_written_while_the_backing_is_longer_brings_nothing_back()
    {
        const int End = Page + 100;
        using var cache = new SmallCache(16, content: Patterns.Make(0, 4 * Page, 1), canResize: true);
        cache.Device.Write(Page, Patterns.Make(Page, 512, 1)); // the cache has all of the sector
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.SetLength ? new IOException("planned") : null);
        Assert.Throws<IOException>(() => cache.Device.SetLength(End));
        cache.Device.Write(Page + 10, [1, 2, 3]);
        cache.Device.Read(Page, new byte[100]);
        cache.Device.Write(Page + 20, [4, 5, 6]);
        cache.Backing.BeforeCall = null;
        byte[] expected = Patterns.Make(0, 4 * Page, 1);
        ((byte[])[1, 2, 3]).CopyTo(expected, Page + 10);
        ((byte[])[4, 5, 6]).CopyTo(expected, Page + 20);
        expected.AsSpan(End).Clear();
        cache.Device.SetLength(4 * Page);
        Rig.AssertSame(expected, Rig.ReadAll(cache.Device), "extended again");
        cache.Device.Drain();
        Rig.AssertSame(expected, cache.Backing.Snapshot(), "on the backing");
    }

    /// <summary>From the moment on when a truncation cuts the backing, write-back writes nothing beyond the new end,
    /// also of the sector that has it.</summary>
    [Fact]
    public void Write_back_keeps_inside_the_new_end_while_the_backing_is_being_cut()
    {
        const int End = Page + 100;
        using var cache = new SmallCache(16, backingBytes: 8 * Page, canResize: true, with: o =>
            o with { WritebackDelay = TimeSpan.Zero });
        int written = 0;
        long farthest = 0;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write && cache.Device.Length == End)
            {
                written++;
                farthest = Math.Max(farthest, call.Offset + call.LengthBytes);
            }

            if (call.Operation == DiskOperation.SetLength && written == 0)
            {
                cache.Device.Write(Page, new byte[100]);
                cache.Device.Write(0, new byte[512]);
                cache.Device.Flush();
                cache.Settle();
                Assert.True(written > 0, "nothing was written back meanwhile");
            }
        };
        cache.Device.SetLength(End);
        Assert.InRange(farthest, Page, End);
        Assert.Equal(End, cache.Backing.Length);
        cache.Device.SetLength(2 * Page);
        cache.Device.Write(Page, Patterns.Make(Page, Page, 9));
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(Page, Page, 9), cache.Backing.Peek(Page, Page),
            "what lies beyond the former end is written back again");
    }

    /// <summary>A miss that comes while the backing is longer than the device, just before it is cut: the cache keeps
    /// nothing of what lies beyond.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_miss_just_before_the_backing_is_cut_leaves_nothing_beyond_the_end(bool asynchronous)
    {
        const int End = Page + 100;
        byte[] content = new byte[4 * Page];
        content.AsSpan().Fill(0xAA);
        using var cache = new SmallCache(content: content, canResize: true);
        bool read = false;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.SetLength && !read)
            {
                read = true;
                Assert.Equal(100, asynchronous ? cache.Device.ReadAsync(Page, new byte[512]).AsTask().Result
                    : cache.Device.Read(Page, new byte[512]));
                cache.Device.Flush();
            }
        };
        if (asynchronous)
        {
            await cache.Device.SetLengthAsync(End);
        }
        else
        {
            cache.Device.SetLength(End);
        }

        Assert.True(read);
        cache.Device.Flush();
        using (PCacheDevice killed = cache.OpenKilledCopy())
        {
            Extend(killed);
        }

        Extend(cache.Device);

        static void Extend(PCacheDevice device)
        {
            device.SetLength(2 * Page);
            byte[] found = Rig.ReadAll(device);
            Rig.AssertSame(new byte[Page - 100], found.AsSpan(End), "cut off and extended again");
            Assert.Equal(-1, found.AsSpan(0, End).IndexOfAnyExcept((byte)0xAA));
        }
    }

    /// <summary>What a truncation cuts off leaves the discard queue too: a later growth's data must not be
    /// discarded.</summary>
    [Fact]
    public void A_discard_beyond_the_new_end_is_forgotten()
    {
        using var cache = new SmallCache(16, backingBytes: 8 * Page, canResize: true, canDiscard: true);
        cache.Device.Write(0, Patterns.Make(0, 8 * Page, 1));
        cache.Device.Discard(2 * Page, 4 * Page);
        cache.Device.SetLength(3 * Page);
        var discarded = new List<DiskCall>();
        cache.Backing.AfterCall = call =>
        {
            if (call.Operation == DiskOperation.Discard)
            {
                discarded.Add(call);
            }
        };
        cache.Device.SetLength(8 * Page);
        cache.Device.Drain();
        cache.Settle();
        Assert.All(discarded, call => Assert.InRange(call.Offset + call.LengthBytes, 0, 3 * Page));
    }

    private static void Fill(SmallCache cache, Kind kind)
    {
        if (kind != Kind.New)
        {
            cache.Device.Write(0, Patterns.Make(0, 8 * Page, 1));
        }

        if (kind is Kind.OverwriteSector or Kind.Part)
        {
            for (int sector = 0; sector < 8; sector += 2)
            {
                cache.Device.Write((2 * Page) + (sector * 512), Patterns.Make((2 * Page) + (sector * 512), 512, 2));
            }
        }

        if (kind == Kind.Part)
        {
            // to open a segment takes its time, before the lock is taken
            cache.Device.Internals.Writable.Writer.Heads.RetireAll();
            return;
        }

        cache.Device.Write(7 * Page, new byte[512]); // a list that is open for the next key
        cache.Device.Write(7 * Page, new byte[512]);
    }

    /// <summary>Writes, and says what the device holds then.</summary>
    private static async Task Write(SmallCache cache, Kind kind, byte[] expected)
    {
        byte[] data = Patterns.Make(2 * Page, Page, 3);
        byte[] other = Patterns.Make(0, 512, 4);
        BlockWrite[] batch = [new(0, other), new(2 * Page, data)];
        (int at, byte[] stored) = (2 * Page, data);
        switch (kind)
        {
            case Kind.OverwriteSector:
                (at, stored) = ((2 * Page) + 1024, data[..512]);
                cache.Device.Write(at, stored);
                break;
            case Kind.Part:
                // of a sector whose rest isn't needed, where the end is in it
                (at, stored) = ((2 * Page) + 1024, data[..200]);
                cache.Device.Write(at, stored);
                break;
            case Kind.Zeroes:
                stored = new byte[Page];
                cache.Device.WriteZeroes(2 * Page, Page);
                break;
            case Kind.Batch:
                cache.Device.WriteBatch(batch);
                other.CopyTo(expected, 0);
                break;
            case Kind.Asynchronous:
                await cache.Device.WriteAsync(2 * Page, data);
                break;
            case Kind.AsynchronousBatch:
                await cache.Device.WriteBatchAsync(batch);
                other.CopyTo(expected, 0);
                break;
            default:
                cache.Device.Write(2 * Page, data);
                break;
        }

        stored.CopyTo(expected, at);
    }
}
