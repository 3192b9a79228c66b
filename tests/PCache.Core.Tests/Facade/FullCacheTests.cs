using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// The smallest cache (4 segments, 2 of them in reserve, a threshold of 90 %): writers wait, in order, and always get
/// on; readers never notice.
/// </summary>
public sealed class FullCacheTests
{
    private const int Chunk = 40_960;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Many_writers_get_on(bool asynchronous)
    {
        const int Writers = 8;
        const int PerWriter = 60;
        using SmallCache cache = Tiny();
        Task[] writers = [.. Enumerable.Range(0, Writers)
            .Select(w => asynchronous ? Task.Run(() => WriteAsync(w)) : Eventually.Thread(() => Write(w)))];
        await Eventually.Completes(Task.WhenAll(writers), "all writers");
        byte[] content = Rig.ReadAll(cache.Device);
        Check(content);
        PCacheStatus status = cache.Status;
        Assert.True(status.SpaceWaits > 0);
        Assert.True(status.SegmentsReclaimed > 0);
        Assert.True(status.SegmentsUsed <= status.SegmentCount);
        cache.Device.Drain();
        Check(cache.Backing.Snapshot());

        void Write(int writer)
        {
            for (int i = 0; i < PerWriter; i++)
            {
                cache.Device.Write(At(writer, i), Patterns.Make(At(writer, i), 8192, Id(writer, i)));
                if (i % 7 == 0)
                {
                    cache.Device.Flush();
                }
            }
        }

        async Task WriteAsync(int writer)
        {
            for (int i = 0; i < PerWriter; i++)
            {
                await cache.Device.WriteAsync(At(writer, i), Patterns.Make(At(writer, i), 8192, Id(writer, i)));
                if (i % 7 == 0)
                {
                    await cache.Device.FlushAsync();
                }
            }
        }

        void Check(byte[] bytes)
        {
            for (int w = 0; w < Writers; w++)
            {
                for (int slot = 0; slot < 16; slot++)
                {
                    int last = PerWriter - 1 - ((PerWriter - 1 - slot) % 16);
                    int at = At(w, slot);
                    Rig.AssertSame(Patterns.Make(at, 8192, Id(w, last)), bytes.AsSpan(at, 8192),
                        $"writer {w}, slot {slot}");
                }
            }
        }

        static int At(int writer, int i) => (writer * 131_072) + (i % 16 * 8192);

        static int Id(int writer, int i) => (writer * 1000) + i + 1;
    }

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(Chunk)]
    [InlineData(3 * Chunk)]
    public async Task Waiting_writes_complete_in_order_of_arrival(int size)
    {
        using SmallCache cache = Tiny(o => o with { StartWritebackPaused = true });
        (_, Task first) = await FillUntilAWriteWaits(cache);
        var waiting = new List<Task> { first };
        for (int i = 0; i < 8; i++)
        {
            waiting.Add(i % 2 == 0
                ? cache.Device.WriteAsync(900_096, Patterns.Make(900_096, size, 1000 + i)).AsTask()
                : BlockedWriter(cache, size, 1000 + i));
        }

        Assert.All(waiting, t => Assert.False(t.IsCompleted));
        cache.Device.ResumeWriteback();
        await Eventually.Completes(Task.WhenAll(waiting), "the waiting writes");
        var buffer = new byte[size];
        cache.Device.Read(900_096, buffer);
        Rig.AssertSame(Patterns.Make(900_096, size, 1007), buffer, "the last to arrive is the last to be written");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Waiting_ends_with_the_time_out_and_nothing_else_is_lost(bool asynchronous)
    {
        using SmallCache cache = Tiny(o => o with
        {
            StartWritebackPaused = true,
            SpaceTimeout = TimeSpan.FromMilliseconds(50),
        });
        Exception? error = null;
        int written = 0;
        while (error is null)
        {
            Assert.True(written < 100, "never full");
            int at = written * 8192;
            byte[] bytes = Patterns.Make(at, 8192, written + 1);
            error = asynchronous
                ? await Record.ExceptionAsync(async () => await cache.Device.WriteAsync(at, bytes))
                : Record.Exception(() => cache.Device.Write(at, bytes));
            written += error is null ? 1 : 0;
        }

        Assert.IsType<PCacheFullException>(error);
        AssertChunks(cache.Device, written, 8192, "while full");
        cache.Device.Flush();
        ImageChecks.AssertSound(cache.Region.KillImage());
        cache.Device.ResumeWriteback();
        cache.Device.Drain();
        cache.Device.Write(0, Patterns.Make(0, 8192, 1));
        AssertChunks(cache.Device, written, 8192, "after the drain");
    }

    [Fact]
    public void The_time_out_counts_by_the_devices_clock()
    {
        var clock = new VirtualClock();
        using SmallCache cache = Tiny(o =>
            o with { StartWritebackPaused = true, SpaceTimeout = TimeSpan.FromHours(1), TimeProvider = clock });
        Task? waiting = null;
        for (int i = 0; waiting is null; i++)
        {
            Task write = cache.Device.WriteAsync(i * 8192, new byte[8192]).AsTask();
            waiting = write.IsCompletedSuccessfully ? null : write;
        }

        Eventually.True(
            () =>
            {
                clock.Advance(TimeSpan.FromMinutes(10));
                return waiting.IsCompleted;
            },
            "the time-out");
        Assert.IsType<PCacheFullException>(waiting.Exception!.InnerException);
    }

    [Fact]
    public async Task Cancelling_a_waiting_write_leaves_everything_sound()
    {
        using SmallCache cache = Tiny(o => o with { StartWritebackPaused = true });
        (int written, Task first) = await FillUntilAWriteWaits(cache);
        using var cancel = new CancellationTokenSource();
        Task[] waiting = [.. Enumerable.Range(0, 5)
            .Select(i => cache.Device.WriteAsync(0, Patterns.Make(0, Chunk, 500 + i), WriteDurability.Normal,
            cancel.Token).AsTask())];
        Assert.All(waiting, t => Assert.False(t.IsCompleted));
        AssertChunks(cache.Device, written, Chunk, "while writes wait");
        await cancel.CancelAsync();
        foreach (Task one in waiting)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                Eventually.Completes(one, "a cancelled write"));
        }

        Assert.False(first.IsCompleted);
        AssertChunks(cache.Device, written, Chunk, "after the cancellation");
        ImageChecks.AssertSound(cache.Region.KillImage());
        using (PCacheDevice copy = cache.OpenKilledCopy())
        {
            Assert.True(copy.Length > 0);
        }

        cache.Device.ResumeWriteback();
        await Eventually.Completes(first, "the write that wasn't cancelled");
        AssertChunks(cache.Device, written + 1, Chunk, "after the resume");
        cache.Device.Drain();
        AssertChunks(cache.Backing, written + 1, Chunk, "on the backing");
    }

    [Fact]
    public async Task A_cancelled_token_stops_a_write_before_it_begins()
    {
        using SmallCache cache = Tiny();
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await cache.Device.WriteAsync(0, new byte[512], WriteDurability.Normal, cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await cache.Device.ReadAsync(0, new byte[512], cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await cache.Device.FlushAsync(cancel.Token));
        Assert.Equal(0, cache.Status.WrittenBytes);
    }

    [Fact]
    public async Task Reads_never_fail_nor_wait_because_the_cache_is_full()
    {
        using SmallCache cache = Tiny(o => o with { StartWritebackPaused = true }, Patterns.Make(0, 1 << 20, 77));
        (int written, Task first) = await FillUntilAWriteWaits(cache);
        AssertChunks(cache.Device, written, Chunk, "hits");
        var buffer = new byte[65536];
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(65536, cache.Device.Read(800 * 1024, buffer));
            Rig.AssertSame(Patterns.Make(800 * 1024, 65536, 77), buffer, "a miss without room");
            Assert.Equal(65536, await cache.Device.ReadAsync(900 * 1024, buffer));
            Rig.AssertSame(Patterns.Make(900 * 1024, 65536, 77), buffer, "an asynchronous miss without room");
        }

        cache.Device.ResumeWriteback();
        await Eventually.Completes(first, "the waiting write");
    }

    [Fact]
    public async Task While_a_write_waits_readers_see_the_newest_acknowledged_data()
    {
        using SmallCache cache = Tiny(o => o with { StartWritebackPaused = true }, Patterns.Make(0, 1 << 20, 77));
        (_, Task first) = await FillUntilAWriteWaits(cache);
        Task overwrite = cache.Device.WriteAsync(0, Patterns.Make(0, Chunk, 900)).AsTask();
        Assert.False(overwrite.IsCompleted);
        var buffer = new byte[Chunk];
        cache.Device.Read(0, buffer);
        for (int at = 0; at < Chunk; at += 512)
        {
            Assert.Contains(Patterns.IdOf(buffer.AsSpan(at, 512), at), new long[] { 1, 900 });
        }

        cache.Device.ResumeWriteback();
        await Eventually.Completes(Task.WhenAll(first, overwrite), "the waiting writes");
        cache.Device.Read(0, buffer);
        Rig.AssertSame(Patterns.Make(0, Chunk, 900), buffer, "the overwrite");
    }

    [Fact]
    public async Task Dispose_ends_waiting_writes()
    {
        using SmallCache cache = Tiny(o => o with { StartWritebackPaused = true });
        (int written, Task first) = await FillUntilAWriteWaits(cache);
        Task blocked = BlockedWriter(cache, Chunk, 5);
        await Eventually.Completes(Eventually.Thread(cache.Device.Dispose), "dispose while writes wait");
        Assert.NotNull(await Record.ExceptionAsync(() => Eventually.Completes(first, "the waiting write")));
        Assert.NotNull(await Record.ExceptionAsync(() => Eventually.Completes(blocked, "the blocked write")));
        cache.Reopen();
        AssertChunks(cache.Device, written, Chunk, "after the reopen");
    }

    [Fact]
    public void By_hand_and_paused_a_write_without_room_fails_instead_of_hanging()
    {
        using SmallCache cache = Tiny(o =>
            o with { StartWritebackPaused = true, Maintenance = MaintenanceMode.Manual });
        int written = 0;
        Exception? error = null;
        while (error is null)
        {
            Assert.True(written < 100, "never full");
            error = Record.Exception(() =>
                cache.Device.Write(written * 8192, Patterns.Make(written * 8192, 8192, written + 1)));
            written += error is null ? 1 : 0;
        }

        Assert.IsType<PCacheFullException>(error);
        AssertChunks(cache.Device, written, 8192, "after the refusal");
        cache.Device.ResumeWriteback();
        cache.Device.Write(written * 8192, Patterns.Make(written * 8192, 8192, written + 1));
        AssertChunks(cache.Device, written + 1, 8192, "after the resume");
        cache.Device.Drain();
        AssertChunks(cache.Backing, written + 1, 8192, "on the backing");
    }

    private static SmallCache Tiny(Func<PCacheOptions, PCacheOptions>? with = null, byte[]? content = null) => new(
        4,
        with: o => (with ?? (x => x))(o with
        {
            LogReserveSegments = 2,
            GcThresholdPercent = 90,
            WritebackDelay = TimeSpan.FromHours(1),
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
        }),
        content: content);

    private static async Task<(int Written, Task Waiting)> FillUntilAWriteWaits(SmallCache cache)
    {
        for (int i = 0; i < 25; i++)
        {
            long waits = cache.Status.SpaceWaits;
            Task write = cache.Device.WriteAsync(i * Chunk, Patterns.Make(i * Chunk, Chunk, i + 1)).AsTask();
            Eventually.True(() => write.IsCompleted || cache.Status.SpaceWaits > waits, "a write to return or to wait");
            if (!write.IsCompleted)
            {
                return (i, write);
            }

            await write;
        }

        throw new InvalidOperationException("The cache never filled up.");
    }

    private static Task BlockedWriter(SmallCache cache, int size, long id)
    {
        long waits = cache.Status.SpaceWaits;
        Task write = Eventually.Thread(() => cache.Device.Write(900_096, Patterns.Make(900_096, size, id)));
        Eventually.True(() => cache.Status.SpaceWaits > waits, "a writer to block");
        return write;
    }

    private static void AssertChunks(IBlockDevice device, int count, int size, string when)
    {
        var buffer = new byte[size];
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(size, device.Read(i * size, buffer));
            Rig.AssertSame(Patterns.Make(i * size, size, i + 1), buffer, $"write {i} {when}");
        }
    }
}
