using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// Read misses fill the cache, and never hide a write: not one that overtakes them, not at the next crash.
/// </summary>
public sealed class ReadMissTests
{
    private const int Length = 1 << 20;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_miss_fills_the_cache_if_asked(bool cacheReads)
    {
        using var cache = new SmallCache(with: o => o with { CacheReads = cacheReads },
            content: Patterns.Make(0, Length, 3));
        var buffer = new byte[16384];
        long readsOfTheOpen = cache.Backing.Calls(DiskOperation.Read);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(buffer.Length, cache.Device.Read(8192, buffer));
            Rig.AssertSame(Patterns.Make(8192, 16384, 3), buffer, $"read {i}");
        }

        Assert.Equal(cacheReads ? 16384 : 3 * 16384, cache.Status.MissBytes);
        Assert.Equal(cacheReads ? 2 * 16384 : 0, cache.Status.HitBytes);
        Assert.True(cacheReads == (cache.Backing.Calls(DiskOperation.Read) - readsOfTheOpen == 1));
        Assert.True(cache.Status.IsClean);
        cache.Device.Flush();
        cache.Reopen();
        Assert.Equal(buffer.Length, cache.Device.Read(8192, buffer));
        Rig.AssertSame(Patterns.Make(8192, 16384, 3), buffer, "after a reopen");
        cache.Device.Drain();
        Assert.Equal(0, cache.Backing.Calls(DiskOperation.Write));
    }

    [Fact]
    public void A_hit_in_part_reads_the_rest_from_the_backing()
    {
        using var cache = new SmallCache(content: Patterns.Make(0, Length, 3));
        cache.Device.Write(2 * 512, Patterns.Make(2 * 512, 1024, 9));
        cache.Device.Write((6 * 512) + 100, [1, 2, 3]);
        byte[] expected = Patterns.Make(0, 16 * 512, 3);
        Patterns.Fill(expected.AsSpan(2 * 512, 1024), 2 * 512, 9);
        ((byte[])[1, 2, 3]).CopyTo(expected, (6 * 512) + 100);
        for (int i = 0; i < 2; i++)
        {
            var buffer = new byte[(16 * 512) - 150];
            Assert.Equal(buffer.Length, cache.Device.Read(50, buffer));
            Rig.AssertSame(expected.AsSpan(50, buffer.Length), buffer, $"read {i}");
        }
    }

    public static TheoryData<bool, bool, string> Overtakers()
    {
        var data = new TheoryData<bool, bool, string>();
        foreach (bool asynchronous in new[] { false, true })
        {
            foreach (bool afterEffect in new[] { false, true })
            {
                foreach (string what in new[] { "write", "part", "zeroes", "drained" })
                {
                    data.Add(asynchronous, afterEffect, what);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Overtakers))]
    public async Task A_write_that_overtakes_a_miss_wins(bool asynchronous, bool afterEffect, string what)
    {
        using var cache = new SmallCache(
            with: o => o with
            {
                Maintenance = MaintenanceMode.OwnThread,
                TimeProvider = TimeProvider.System,
                WritebackDelay = TimeSpan.FromHours(1)
            },
            content: Patterns.Make(0, Length, 3));
        cache.Backing.Hang(DiskOperation.Read, afterEffect);
        var buffer = new byte[8192];
        Task<int> miss = asynchronous ? cache.Device.ReadAsync(16384, buffer).AsTask()
            : Eventually.Thread(() => cache.Device.Read(16384, buffer));
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "the miss to reach the backing");
        byte[] expected = Patterns.Make(16384, 8192, 3);
        Task overtaking = Eventually.Thread(() => Overtake(cache.Device, what, expected));
        if (what == "part")
        {
            // To complete a sector the write itself has to read the backing, which hangs.
            cache.Backing.ReleaseHanging();
        }

        await Eventually.Completes(overtaking, "the write that overtakes");
        cache.Backing.ReleaseHanging();
        Assert.Equal(8192, await Eventually.Completes(miss, "the miss"));
        byte[] old = Patterns.Make(16384, 8192, 3);
        for (int at = 0; at < 8192; at += 512)
        {
            ReadOnlySpan<byte> sector = buffer.AsSpan(at, 512);
            Assert.True(sector.SequenceEqual(old.AsSpan(at, 512))
                || sector.SequenceEqual(expected.AsSpan(at, 512)), $"sector {at / 512} is neither old nor new");
        }

        Assert.Equal(8192, cache.Device.Read(16384, buffer));
        Rig.AssertSame(expected, buffer, "read afterwards");
        cache.Device.Flush();
        using (PCacheDevice copy = cache.OpenKilledCopy(o => o with { WritebackDelay = TimeSpan.Zero }))
        {
            Assert.Equal(8192, copy.Read(16384, buffer));
            Rig.AssertSame(expected, buffer, "after a kill");
            copy.Drain();
            Assert.Equal(8192, copy.Read(16384, buffer));
            Rig.AssertSame(expected, buffer, "after a kill and a drain");
        }

        cache.Device.Drain();
        Rig.AssertSame(expected, cache.Backing.Peek(16384, 8192), "on the backing");
        cache.Reopen();
        Assert.Equal(8192, cache.Device.Read(16384, buffer));
        Rig.AssertSame(expected, buffer, "after a reopen");
    }

    [Theory]
    [InlineData(false, Length - 16384)]
    [InlineData(true, Length - 16384)]
    [InlineData(false, Length - 8192 + 100)]
    [InlineData(true, Length - 8192 + 100)]
    public async Task A_length_that_shrinks_under_a_miss_brings_nothing_back(bool afterEffect, int cutTo)
    {
        using var cache = new SmallCache(
            canResize: true,
            with: o => o with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System },
            content: Patterns.Make(0, Length, 3));
        cache.Backing.Hang(DiskOperation.Read, afterEffect);
        var buffer = new byte[8192];
        Task<int> miss = Eventually.Thread(() => cache.Device.Read(Length - 8192, buffer));
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "the miss to reach the backing");
        Task cut = Eventually.Thread(() =>
        {
            cache.Device.SetLength(cutTo);
            cache.Device.SetLength(Length);
        });

        // The cut may wait for the miss, or overtake it.
        await Task.WhenAny(cut, Task.Delay(300));
        cache.Backing.ReleaseHanging();
        await Eventually.Completes(cut, "the cut");
        await Eventually.Completes(miss, "the miss");
        byte[] expected = Patterns.Make(Length - 8192, 8192, 3);
        expected.AsSpan(Math.Max(0, cutTo - (Length - 8192))).Clear();
        Assert.Equal(8192, cache.Device.Read(Length - 8192, buffer));
        Rig.AssertSame(expected, buffer, "extended again");
        cache.Device.Flush();
        using PCacheDevice copy = cache.OpenKilledCopy();
        Assert.Equal(8192, copy.Read(Length - 8192, buffer));
        Rig.AssertSame(expected, buffer, "extended again, after a kill");
    }

    [Fact]
    public async Task Concurrent_misses_of_one_range_all_read_it()
    {
        using var cache = new SmallCache(
            with: o => o with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System },
            content: Patterns.Make(0, Length, 3));
        cache.Backing.Hang(DiskOperation.Read, afterEffect: true);
        Task[] readers = [.. Enumerable.Range(0, 8)
            .Select(i => i % 2 == 0 ? Eventually.Thread(() => Read(i)) : Task.Run(() => ReadAsync(i)))];
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "a miss to reach the backing");
        cache.Backing.ReleaseHanging();
        await Eventually.Completes(Task.WhenAll(readers), "all readers");
        long missed = cache.Status.MissBytes;
        Read(0);
        Assert.Equal(missed, cache.Status.MissBytes);

        void Read(int i)
        {
            var buffer = new byte[20_000];
            Assert.Equal(buffer.Length, cache.Device.Read(512 + i, buffer));
            Rig.AssertSame(Patterns.Make(0, Length, 3).AsSpan(512 + i, buffer.Length), buffer, $"reader {i}");
        }

        async Task ReadAsync(int i)
        {
            var buffer = new byte[20_000];
            Assert.Equal(buffer.Length, await cache.Device.ReadAsync(512 + i, buffer));
            Rig.AssertSame(Patterns.Make(0, Length, 3).AsSpan(512 + i, buffer.Length), buffer, $"reader {i}");
        }
    }

    [Fact]
    public async Task A_cancelled_miss_leaves_the_range_readable()
    {
        using var cache = new SmallCache(
            with: o => o with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System },
            content: Patterns.Make(0, Length, 3));
        cache.Backing.Hang(DiskOperation.Read);
        using var cancel = new CancellationTokenSource();
        Task<int> miss = cache.Device.ReadAsync(0, new byte[4096], cancel.Token).AsTask();
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "the miss to reach the backing");
        await cancel.CancelAsync();
        cache.Backing.ReleaseHanging();
        _ = await Record.ExceptionAsync(() => Eventually.Completes(miss, "the cancelled miss"));
        var buffer = new byte[4096];
        Assert.Equal(4096, await Eventually.Completes(Eventually.Thread(() => cache.Device.Read(0, buffer)),
            "the next read"));
        Rig.AssertSame(Patterns.Make(0, 4096, 3), buffer, "the next read");
        cache.Device.Write(0, Patterns.Make(0, 4096, 4));
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(0, 4096, 4), cache.Backing.Peek(0, 4096), "the backing");
    }

    private static void Overtake(PCacheDevice device, string what, byte[] expected)
    {
        switch (what)
        {
            case "part":
                device.Write(16384 + 1000, expected.AsSpan(0, 3000));
                expected.AsSpan(0, 3000).ToArray().CopyTo(expected, 1000);
                break;
            case "zeroes":
                device.WriteZeroes(16384 + 1024, 2048);
                expected.AsSpan(1024, 2048).Clear();
                break;
            default:
                device.Write(16384 + 1024, Patterns.Make(16384 + 1024, 2048, 9));
                Patterns.Fill(expected.AsSpan(1024, 2048), 16384 + 1024, 9);
                break;
        }

        if (what == "drained")
        {
            device.Drain();
        }
    }
}
