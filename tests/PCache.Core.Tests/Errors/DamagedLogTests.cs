using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>Damaged dirty keys that are logged anew: once each, without keeping anything else from going on.</summary>
public sealed class DamagedLogTests
{
    private const int Sector = 512;

    [Fact]
    public void Two_damaged_keys_with_one_payload_are_not_logged_anew_for_ever()
    {
        using var cache = new SmallCache(6);
        cache.Device.WriteZeroes(0, Sector);
        cache.Device.WriteZeroes(0, Sector);
        cache.Device.WriteZeroes(0, Sector);
        cache.Device.Flush();
        cache.Reopen(change: DamageZeroPayload);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        cache.Settle();
        LogPosition head = cache.Status.KeyHead;
        cache.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(head, cache.Status.KeyHead);
        Assert.Equal(1, cache.Status.DirtyKeys);
        Assert.Equal([new DeviceRange(0, Sector)], cache.Status.DamagedRanges);
    }

    [Fact]
    public void A_damaged_key_logged_anew_before_a_kill_is_logged_once_after_it()
    {
        using var cache = new SmallCache(6);
        cache.Device.Write(0, Patterns.Make(0, Sector, 1));
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Patterns.Make(0, Sector, 1)));
        byte[]? killed = null;
        LogPosition before = cache.Status.KeyHead;

        // The kill comes when the key stands in the log twice: the dirty tail hasn't passed the old one yet.
        cache.Region.BeforeEvent = _ =>
        {
            if (killed is null && cache.Status.KeyHead != before)
            {
                killed = cache.Region.KillImage();
            }
        };
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        cache.Region.BeforeEvent = null;
        Assert.NotNull(killed);
        cache.Reopen(change: image => killed.CopyTo(image, 0));
        Assert.Equal(2, cache.Status.DirtyKeys);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        cache.Settle();
        LogPosition head = cache.Status.KeyHead;
        cache.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(head, cache.Status.KeyHead);
        Assert.Equal(1, cache.Status.DirtyKeys);
    }

    [Fact]
    public void Giving_damage_up_never_caches_what_an_older_dirty_write_will_replace()
    {
        using var cache = new SmallCache(6);
        cache.Device.Write(0, Patterns.Make(0, Sector, 1));
        cache.Device.Flush();
        cache.Device.Write(0, Patterns.Make(0, Sector, 2));
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Patterns.Make(0, Sector, 2)));
        var content = new byte[Sector];
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Read(0, content));
        cache.Device.AbandonDamaged(0, Sector);

        // The backing doesn't have the first write yet: what is read now must not be taken for clean.
        cache.Device.Read(0, content);
        cache.Device.Drain();
        cache.Device.Read(0, content);
        Assert.Equal(Patterns.Make(0, Sector, 1), content);
        cache.Device.Read(0, content);
        Assert.Equal(Patterns.Make(0, Sector, 1), content);
    }

    [Fact]
    public void A_truncation_gets_by_damage_that_was_logged_anew_already()
    {
        using var cache = new SmallCache(6, canResize: true);
        cache.Device.Write(0, Patterns.Make(0, Sector, 1));
        cache.Device.Write(8192, Patterns.Make(8192, Sector, 2));
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Patterns.Make(0, Sector, 1)));
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        cache.Device.SetLength(4096);
        Assert.Equal(4096, cache.Backing.Length);
        Assert.Equal([new DeviceRange(0, Sector)], cache.Status.DamagedRanges);
        cache.Device.SetLength(16384);
        var read = new byte[Sector];
        cache.Device.Read(8192, read);
        Rig.AssertSame(new byte[Sector], read, "cut off and extended again");
    }

    [Fact]
    public void Damage_at_the_dirty_tail_of_a_full_log_does_not_stop_everything()
    {
        using var cache = new SmallCache(6, backingBytes: 64 << 20, with: o => o with { StartWritebackPaused = true });
        cache.Device.Write(0, Patterns.Make(0, Sector, 1));
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Patterns.Make(0, Sector, 1)));
        Assert.Throws<PCacheFullException>(() => FillLog(cache.Device));
        cache.Device.ResumeWriteback();
        cache.Device.Write(8192, Patterns.Make(8192, Sector, 2));
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Drain());
        Rig.AssertSame(Patterns.Make(8192, Sector, 2), cache.Backing.Peek(8192, Sector), "written back");
        Assert.Equal([new DeviceRange(0, Sector)], cache.Status.DamagedRanges);
    }

    private static void FillLog(PCacheDevice device)
    {
        for (int i = 0; i < 100_000; i++)
        {
            device.WriteZeroes(4096 + (i % 16000 * 4096L), Sector);
        }
    }

    private static void DamageZeroPayload(byte[] image)
    {
        // The only payload there is stands at the head of the first data segment: segment 3, behind the log's first one
        // and the reserve.
        int payload = Enumerable.Range(0, 6)
            .Select(segment => 20480 + (segment * Rig.SegmentBytes) + 12288)
            .First(at => at != 20480 + 12288 && image.AsSpan(at, Sector).IndexOfAnyExcept((byte)0) < 0 && at >= 20480
                + (3 * Rig.SegmentBytes));
        image[payload + 100] ^= 1;
    }

    private static void Flip(byte[] image, byte[] sector)
    {
        int at = image.AsSpan().IndexOf(sector);
        Assert.True(at > 0, "the payload isn't on the region");
        image[at + 300] ^= 0x10;
    }
}
