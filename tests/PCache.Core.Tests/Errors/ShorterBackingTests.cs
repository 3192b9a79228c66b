using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>
/// A backing that another program cuts while the cache is open: a failure of whatever needs what is gone; nothing dirty
/// is dropped, nothing is cached as zeros, and all goes on once it is whole.
/// </summary>
public sealed class ShorterBackingTests
{
    private const int Length = 1 << 20;
    private const int Cut = 4096;

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 4096)]
    public async Task A_read_of_what_is_gone_fails_and_leaves_no_zeros(bool isAsync, int blockSize)
    {
        byte[] content = Content();
        using var cache = new SmallCache(content: content, canResize: true, blockSize: blockSize);
        var buffer = new byte[8192];
        cache.Backing.SetLength(Cut);
        foreach (long offset in new long[] { 900 << 10, Cut - 512, Length - 100 })
        {
            PCacheStorageChangedException error = await Assert.ThrowsAsync<PCacheStorageChangedException>(
                async () => _ = isAsync ? await cache.Device.ReadAsync(offset, buffer)
                    : cache.Device.Read(offset, buffer));
            Assert.Equal(StorageChange.Shorter, error.Change);
        }

        Assert.True(cache.Device.State.Degradation.HasFlag(Degradations.BackingChanged));
        Assert.IsType<PCacheStorageChangedException>(cache.Device.State.Error);
        Restore(cache.Backing, content);
        Assert.Equal(Degradations.None, cache.Device.State.Degradation);
        Rig.AssertSame(content, Rig.ReadAll(cache.Device), "the device afterwards");
    }

    [Fact]
    public void What_is_cached_goes_on_being_read_and_a_write_of_part_of_a_sector_that_is_gone_fails()
    {
        byte[] content = Content();
        using var cache = new SmallCache(content: content, canResize: true);
        var page = new byte[4096];
        cache.Device.Read(512 << 10, page);
        cache.Backing.SetLength(Cut);
        Assert.Equal(page.Length, cache.Device.Read(512 << 10, page));
        Assert.Equal(content[(512 << 10)..((512 << 10) + 4096)], page);
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Write((700 << 10) + 10, new byte[20]));
        Restore(cache.Backing, content);
        Rig.AssertSame(content, Rig.ReadAll(cache.Device), "the device afterwards");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Cut)]
    [InlineData((512 << 10) + 100)]
    [InlineData(Length - 1)]
    public void Write_back_stops_drops_nothing_and_goes_on_when_the_backing_is_whole(int cut)
    {
        byte[] content = Content();
        using var cache = new SmallCache(content: content, canResize: true, with: o =>
            o with { WritebackDelay = TimeSpan.Zero, StartWritebackPaused = true });
        byte[] model = [.. content];
        Write(cache, model, 512 << 10, 0xAB);
        Write(cache, model, 0, 0xAC);
        cache.Device.Flush();
        long dirty = cache.Status.DirtyBytes;
        cache.Backing.SetLength(cut);
        Assert.Equal(StorageChange.Shorter,
            Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Drain()).Change);
        cache.Device.ResumeWriteback();
        cache.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(dirty, cache.Status.DirtyBytes);
        Assert.Equal(cut, cache.Backing.Length);
        Assert.Equal(WritebackStall.BackingFailing, cache.Device.State.Stall);
        Assert.True(cache.Device.State.Degradation.HasFlag(Degradations.BackingChanged));
        Restore(cache.Backing, content);
        cache.AdvanceUntil(() => cache.Status.IsClean
            && cache.Device.State.Condition == PCacheCondition.Clean, "clean once the backing is whole");
        Rig.AssertSame(model, cache.Backing.Snapshot(), "the backing");
        Rig.AssertSame(model, Rig.ReadAll(cache.Device), "the device");
    }

    [Fact]
    public void A_cut_between_any_two_calls_of_a_group_loses_nothing()
    {
        for (int n = 0; ; n++)
        {
            byte[] content = Content();
            using var cache = new SmallCache(content: content, canResize: true, with: o =>
                o with { WritebackDelay = TimeSpan.Zero });
            byte[] model = [.. content];
            for (int i = 0; i < 6; i++)
            {
                Write(cache, model, i * (150 << 10), (byte)(0xC0 + i));
            }

            Write(cache, model, Length - 4096, 0xCF); // its write-back makes a cut backing as long as it was
            cache.Device.Flush();
            int calls = 0;
            bool struck = false;
            cache.Backing.AfterCall = call =>
            {
                if (call.Operation is DiskOperation.Write or DiskOperation.Flush && calls++ == n)
                {
                    struck = true;
                    cache.Backing.AfterCall = null;
                    cache.Backing.SetLength(Cut);
                }
            };
            Assert.Throws<PCacheStorageChangedException>(() =>
            {
                cache.Device.Drain();
                if (!struck)
                {
                    throw new PCacheStorageChangedException("not struck any more");
                }
            });
            cache.Backing.AfterCall = null;
            if (!struck)
            {
                Assert.True(n > 3);
                return;
            }

            Restore(cache.Backing, content);
            cache.AdvanceUntil(() => cache.Status.IsClean, "clean once the backing is whole");
            Rig.AssertSame(model, cache.Backing.Snapshot(), $"the backing, cut after call {n}");
        }
    }

    [Fact]
    public void Growth_does_not_hide_a_cut_and_goes_on_afterwards()
    {
        byte[] content = Content();
        using var cache = new SmallCache(content: content, canResize: true);
        cache.Backing.SetLength(Cut);
        cache.Device.Write(Length, new byte[512]); // calls no backing
        cache.Device.SetLength(2 * Length);
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Drain());
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.SetLength(Length / 2));
        Assert.Equal(Cut, cache.Backing.Length);
        Restore(cache.Backing, content);
        cache.Device.SetLength(Length / 2);
        Assert.Equal(Length / 2, cache.Backing.Length);
        Rig.AssertSame(content.AsSpan(0, Length / 2), Rig.ReadAll(cache.Device), "the device");
    }

    [Fact]
    public void A_growth_that_was_written_back_and_cut_off_is_missed()
    {
        using var cache = new SmallCache(content: Content(), canResize: true);
        cache.Device.SetLength(2 * Length);
        cache.Device.Drain();
        Assert.Equal(2 * Length, cache.Backing.Length);
        cache.Backing.SetLength(Length);
        cache.Device.Write(3 * Length, new byte[512]);
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Drain());
        Assert.Equal(Length, cache.Backing.Length);
        cache.Backing.SetLength(2 * Length);
        cache.Device.Drain();
        Assert.Equal((3 * Length) + 512, cache.Backing.Length);
    }

    [Fact]
    public void A_drain_with_nothing_dirty_and_a_close_tell_too_and_leave_no_fingerprint()
    {
        byte[] content = Content();
        var cache = new SmallCache(content: content, canResize: true);
        cache.Backing.SetLength(Cut);
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Drain());
        Assert.Throws<PCacheStorageChangedException>(() => cache.Device.Dispose());
        cache.Dispose();
    }

    [Fact]
    public void A_stream_that_was_cut_is_not_lengthened_by_writing_to_it()
    {
        using var stream = new MemoryStream();
        stream.Write(Content());
        using IBlockDevice device = BlockDevice.FromStream(stream, leaveOpen: true);
        stream.SetLength(Cut);
        Assert.Throws<IOException>(() => device.Write(Length - 4096, new byte[4096]));
        Assert.Equal(Cut, stream.Length);
    }

    private static byte[] Content()
    {
        var content = new byte[Length];
        new Random(7).NextBytes(content);
        return content;
    }

    private static void Write(SmallCache cache, byte[] model, int offset, byte value)
    {
        model.AsSpan(offset, 4096).Fill(value);
        cache.Device.Write(offset, model.AsSpan(offset, 4096));
    }

    private static void Restore(SimulatedDisk disk, byte[] content)
    {
        disk.SetLength(content.Length);
        disk.Write(0, content);
    }
}
