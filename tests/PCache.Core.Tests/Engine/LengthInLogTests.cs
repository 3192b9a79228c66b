using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Inspection;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>The device's length stands in the log until write-back has made the backing as long.</summary>
public sealed class LengthInLogTests
{
    private const int Page = 4096;
    private const int Old = 2 * Page;

    [Fact]
    public void A_kset_tells_any_length_up_to_the_longest()
    {
        Gen<long> lengths = Gen.OneOf(
            Gen.Choose(0, int.MaxValue).Select(n => (long)n),
            Gen.Elements(0L, uint.MaxValue, 1L + uint.MaxValue, KsetHeader.MaxDeviceLength),
            Gen.Choose(0, (1 << 27) - 1).Select(n => ((long)n << 32) | 0xFEDCBA98));
        Prop.ForAll(lengths.ToArbitrary(), length =>
        {
            ulong flags = KsetHeader.MakeFlags(last: false, barrier: true, uint.MaxValue)
                | KsetHeader.LengthFlags(length) | KsetHeader.BatchFlags(continues: false, goesOn: true);
            var header = new KsetHeader { FlagsAndSequence = flags, KeyCount = 1 };
            Assert.True(header.HasLength && header.IsBarrier && header.BatchGoesOn && !header.ContinuesBatch);
            Assert.Equal(uint.MaxValue, header.Sequence);
            Assert.Equal(length, header.DeviceLength(new CacheKey { Reserved = (uint)length }));
        }).Check(Config.QuickThrowOnFailure);
    }

    [Fact]
    public void An_append_takes_the_length_that_belongs_to_its_keys()
    {
        var epoch = new LogEpoch();
        var length = new LoggedLength(epoch, 100);
        Assert.Equal((false, -1L), (length.IsUnlogged, length.UnloggedBefore(epoch.Raise())));
        length.Grow(200);
        long cut = epoch.Raise();
        length.Grow(300); // after the cut: its keys aren't taken
        Assert.Equal((true, 200L), (length.IsUnlogged, length.UnloggedBefore(cut)));
        length.NoteLogged(200);
        Assert.Equal(-1, length.UnloggedBefore(cut));
        Assert.Equal(300, length.UnloggedBefore(epoch.Raise()));
        length.Limit(250);
        Assert.Equal((true, 250L), (length.IsUnlogged, length.UnloggedBefore(epoch.Raise())));
        length.Limit(150);
        Assert.Equal((false, -1L), (length.IsUnlogged, length.UnloggedBefore(epoch.Raise())));
        length.Begin(50);
        length.Grow(60);
        Assert.Equal(60, length.UnloggedBefore(epoch.Raise()));
    }

    [Theory]
    [InlineData(Old, Old + 1)]
    [InlineData(Old, 5 * Page)]
    [InlineData(100, 200)]
    [InlineData(100, 512)]
    [InlineData(0, 1)]
    [InlineData(0, 1L << 40)]
    public void Growth_alone_survives_a_power_cut_once_flushed(long from, long to)
    {
        using SmallCache cache = Make(from);
        cache.Device.SetLength(to);
        cache.Device.Flush();
        Assert.Equal(from, cache.Backing.Length);
        using PCacheDevice after = AfterPowerCut(cache);
        Assert.Equal(to, after.Length);
        byte[] read = new byte[(int)Math.Min(to, 8 * Page)];
        Assert.Equal(read.Length, after.Read(0, read));
        Assert.False(read.AsSpan((int)from).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void What_is_appended_is_read_and_written_back_to_the_byte()
    {
        using SmallCache cache = Make(100);
        var all = new List<byte>(new byte[100]);
        var random = new Random(5);
        for (int i = 0; i < 300; i++)
        {
            byte[] record = new byte[random.Next(1, 900)];
            random.NextBytes(record);
            cache.Device.Write(cache.Device.Length, record);
            cache.Device.Flush();
            all.AddRange(record);
            if (i % 97 == 0)
            {
                cache.Settle();
            }
        }

        Assert.Equal(all, Rig.ReadAll(cache.Device));
        cache.Device.Drain();
        Assert.Equal(all, cache.Backing.Snapshot());
    }

    [Fact]
    public void Where_the_backing_has_not_grown_yet_it_is_not_asked()
    {
        using SmallCache cache = Make(Page);
        cache.Device.SetLength(64 * Page);
        int calls = 0;
        cache.Backing.BeforeCall = _ => calls++;
        byte[] read = new byte[Page];
        Assert.Equal(Page, cache.Device.Read(32 * Page, read));
        cache.Device.Write((40 * Page) + 3, [1, 2, 3]);
        Assert.Equal(0, calls);
        Assert.False(read.AsSpan().ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_truncation_begins_the_lengths_anew()
    {
        using SmallCache cache = Make(Old);
        cache.Device.SetLength(8 * Page);
        cache.Device.Flush();
        cache.Device.SetLength(Page);
        Assert.Equal(Page, cache.Backing.Length);
        cache.Device.Write(0, new byte[512]);
        cache.Device.Flush();
        using (PCacheDevice cut = AfterPowerCut(cache))
        {
            Assert.Equal(Page, cut.Length);
        }

        cache.Device.SetLength(3 * Page); // shorter than it was once: told again all the same
        cache.Device.Flush();
        using PCacheDevice grown = AfterPowerCut(cache);
        Assert.Equal(3 * Page, grown.Length);
    }

    /// <summary>A write that found no room had made the device longer, and has no key.</summary>
    [Fact]
    public void A_length_that_no_key_brought_into_the_log_is_gone_with_a_truncation()
    {
        using SmallCache cache = Make(Old, o => o with { StartWritebackPaused = true });
        Assert.ThrowsAny<PCacheException>(() => cache.Device.Write(8 * Page, new byte[4 << 20]));
        Assert.Equal((8 * Page) + (4 << 20), cache.Device.Length);
        cache.Device.ResumeWriteback();
        cache.Device.SetLength(Page);
        cache.Device.Write(0, new byte[512]);
        cache.Device.Flush();
        using PCacheDevice after = AfterPowerCut(cache);
        Assert.Equal(Page, after.Length);
    }

    /// <summary>The same with a truncation that fails: the device goes on with what it was cut to.</summary>
    [Fact]
    public void A_length_that_no_key_brought_into_the_log_is_told_as_far_as_a_failed_truncation_leaves_it()
    {
        using SmallCache cache = Make(Old);
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.Read ? new IOException("planned") : null);
        Assert.ThrowsAny<IOException>(() => cache.Device.Write(Old - 10, new byte[8 * Page])); // wants a sector's rest
        Assert.Equal(Old - 10 + (8 * Page), cache.Device.Length);
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.SetLength ? new IOException("planned") : null);
        Assert.ThrowsAny<IOException>(() => cache.Device.SetLength(6 * Page));
        cache.Device.Write(5 * Page, Patterns.Make(0, 512, 1));
        cache.Device.Flush();
        cache.Backing.FailWhere(_ => null);
        using PCacheDevice after = AfterPowerCut(cache);
        Assert.Equal(6 * Page, after.Length);
        byte[] read = new byte[512];
        after.Read(5 * Page, read);
        Assert.Equal(Patterns.Make(0, 512, 1), read);
    }

    /// <summary>A call of the backing that fails may have taken effect.</summary>
    [Fact]
    public void Data_behind_a_growth_that_failed_and_happened_all_the_same_is_read_from_the_backing()
    {
        using SmallCache cache = Make(Old, o => o with { CacheReads = false });
        byte[] data = Patterns.Make(0, Page, 1);
        cache.Device.Write(4 * Page, data);
        bool failed = false;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.SetLength && !failed)
            {
                failed = true;
                cache.Backing.SetLength(5 * Page);
                throw new IOException("planned");
            }
        };
        _ = Record.Exception(() => cache.Device.Drain());
        cache.Backing.BeforeCall = null;
        cache.Device.Drain();
        Assert.True(failed);
        cache.Device.SetGcThreshold(0);
        for (int i = 0; i < 150; i++)
        {
            cache.Device.Write(0, new byte[4 * Page]); // turns the cache over
            cache.Device.Drain();
        }

        byte[] read = new byte[Page];
        cache.Device.Read(4 * Page, read);
        Assert.Equal(data, read);
    }

    [Fact]
    public void A_backing_that_cannot_grow_is_not_that_of_a_cache_that_has()
    {
        using SmallCache cache = Make(Old);
        cache.Device.Write(Old, new byte[512]);
        cache.Device.Flush();
        using SimulatedPmem region = cache.Region.AfterKill();
        var error = Assert.Throws<PCacheBackingMismatchException>(() =>
            PCacheDevice.Open(region, Disks.Make(Old), cache.Options));
        Assert.Equal((BackingMismatchReason.TooShort, (long?)Old + 512), (error.Reason, error.ExpectedLength));
        using PCacheDevice reading = PCacheDevice.Open(
            region, Disks.Make(Old), cache.Options with { ReadOnly = true });
        Assert.Equal(Old + 512, reading.Length);
        Assert.Equal(Old + 512, Rig.ReadAll(reading).Length);
    }

    [Fact]
    public void Linux_is_told_no_until_the_backing_is_as_long()
    {
        using SmallCache cache = Make(Old);
        cache.Device.Write(Old, new byte[700]);
        cache.Device.Flush();
        Assert.True(IsRefused(Old));
        Assert.False(IsRefused(Old + 700));
        cache.Device.Drain();
        Assert.False(IsRefused(Old + 700));

        bool IsRefused(long backing) => CacheImage.Check(
            cache.Region, new CheckOptions { CheckLinux = true, BackingLengthBytes = backing })
            .Findings.Any(finding => finding.Code == "linux-length");
    }

    [Fact]
    public void A_rescue_knows_the_length_and_makes_the_backing_as_long()
    {
        using SmallCache cache = Make(Old);
        byte[] data = Patterns.Make(0, 1024, 1)[..700];
        cache.Device.Write(Old, data);
        cache.Device.Flush();
        RescueImage image = CacheRescue.Open(cache.Region);
        Assert.Equal(Old + 700, image.DeviceLength);
        SimulatedDisk backing = cache.Backing.AfterKill();
        byte[] read = new byte[2 * Page];
        Assert.Equal(700, image.Read(Old, read, backing, RescueFill.Stop));
        Assert.Equal(data, read[..700]);
        image.WriteBack(backing);
        Assert.Equal(data, backing.Snapshot()[Old..]);
    }

    private static SmallCache Make(long backing, Func<PCacheOptions, PCacheOptions>? with = null)
    {
        var cache = new SmallCache(16, backing, canResize: true, with: o =>
            (with?.Invoke(o) ?? o) with { LeaveBackingOpen = true });
        cache.Backing.Flush();
        return cache;
    }

    private static PCacheDevice AfterPowerCut(SmallCache cache)
    {
        SimulatedPmem left = SimulatedPmem.Allocate(cache.Region.LengthBytes);
        left.LoadPowerCut(cache.Region, new int[cache.Region.Open.Count]); // all that may be lost is
        return PCacheDevice.Open(
            left, cache.Backing.AfterPowerCut(null), cache.Options with { LeaveRegionOpen = false });
    }
}
