using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>
/// A backing that fails once, for a while, for ever, or hangs: dirty data is never lost, retries slow down, no caller
/// waits for ever.
/// </summary>
public sealed class FailingBackingTests
{
    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Flush)]
    public void The_nth_call_fails_once_for_every_n(DiskOperation kind)
    {
        for (int n = 0; ; n++)
        {
            Assert.True(n < 1000, "the operation never completes without a fault");
            using var cache = new SmallCache(8,
                with: o => o with
                {
                    WritebackDelay = TimeSpan.Zero,
                    WritebackGroupBytes = 64 << 10,
                    WritebackConcurrency = 1 + (n % 4)
                });
            byte[] model = Fill(cache, 5);
            int calls = 0;
            bool struck = false;
            cache.Backing.FailWhere(e =>
            {
                if (e.Operation != kind || calls++ != n)
                {
                    return null;
                }

                struck = true;
                return new IOException("planned");
            });
            cache.AdvanceUntil(() => cache.Status.IsClean, $"clean though {kind} {n} failed");
            Assert.Null(cache.Status.WritebackError);
            Assert.Equal(0, cache.Status.WritebackFailures);
            Rig.AssertSame(model, cache.Backing.Snapshot(), $"the backing, {kind} {n} failed");
            Rig.AssertSame(model, Rig.ReadAll(cache.Device), $"the device, {kind} {n} failed");
            if (!struck)
            {
                Assert.True(n > 0);
                return;
            }
        }
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Flush)]
    public void Retries_slow_down_are_visible_and_end_with_the_fault(DiskOperation kind)
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        byte[] model = Fill(cache, 3);
        var attempts = new List<TimeSpan>();
        cache.Backing.FailWhere(e =>
        {
            if (e.Operation != kind)
            {
                return null;
            }

            attempts.Add(cache.Clock.Elapsed);
            return new IOException("the disk is gone");
        });
        for (int i = 0; i < 4000 && attempts.Distinct().Count() < 7; i++)
        {
            cache.Advance(TimeSpan.FromMilliseconds(50));
        }

        TimeSpan[] moments = [.. attempts.Distinct()];
        Assert.True(moments.Length >= 6, $"only {moments.Length} attempts in 200 s");
        TimeSpan first = moments[1] - moments[0];
        TimeSpan last = moments[^1] - moments[^2];
        Assert.True(last >= 2 * first, $"delays don't grow: {string.Join(", ", moments)}");
        PCacheStatus status = cache.Status;
        Assert.False(status.IsClean);
        Assert.True(status.WritebackFailures >= 6);
        Assert.Contains("the disk is gone", status.WritebackError!.ToString(), StringComparison.Ordinal);
        Rig.AssertSame(model, Rig.ReadAll(cache.Device), "the device while the backing fails");
        using (PCacheDevice copy = cache.OpenKilledCopy())
        {
            Rig.AssertSame(model, Rig.ReadAll(copy), "after a kill");
        }

        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean after the fault has gone");
        Assert.Null(cache.Status.WritebackError);
        Assert.Equal(0, cache.Status.WritebackFailures);
        Rig.AssertSame(model, cache.Backing.Snapshot(), "the backing");
    }

    [Fact]
    public void One_bad_block_does_not_lose_the_others()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        byte[] model = Fill(cache, 3);
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Write && e.Offset <= 131072 && 131072 < e.Offset
            + e.LengthBytes ? new IOException("bad block") : null);
        for (int i = 0; i < 100; i++)
        {
            cache.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.False(cache.Status.IsClean);
        Assert.NotNull(cache.Status.WritebackError);
        Rig.AssertSame(model, Rig.ReadAll(cache.Device), "the device");
        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Rig.AssertSame(model, cache.Backing.Snapshot(), "the backing");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_backing_that_fails_for_good_ends_waiting_writes_and_loses_nothing(bool asynchronous,
        bool ownThread)
    {
        using var cache = new SmallCache(4, with: o =>
            ownThread ? o with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System } : o);
        cache.Backing.FailWhere(e => e.Operation is DiskOperation.Write or DiskOperation.Flush
            ? new IOException("gone for good") : null);
        var model = new byte[1 << 20];
        Exception? error = null;
        for (int i = 0; i < 30 && error is null; i++)
        {
            byte[] bytes = Patterns.Make(i * 16384, 16384, i + 1);
            Task write = asynchronous ? cache.Device.WriteAsync(i * 16384, bytes).AsTask()
                : Eventually.Thread(() => cache.Device.Write(i * 16384, bytes));
            if (!ownThread)
            {
                Eventually.True(
                    () =>
                    {
                        cache.Settle();
                        cache.Clock.Advance(TimeSpan.FromSeconds(1));
                        return write.IsCompleted;
                    },
                    "a write that has no room");
            }

            error = await Record.ExceptionAsync(() => Eventually.Completes(write, "a write that has no room"));
            if (error is null)
            {
                bytes.CopyTo(model, i * 16384);
            }
        }

        var full = Assert.IsType<PCacheFullException>(error);
        Assert.Contains("gone for good", full.ToString(), StringComparison.Ordinal);
        int acknowledged = (model.AsSpan().LastIndexOfAnyExcept((byte)0) + 16384) / 16384 * 16384;
        Rig.AssertSame(model.AsSpan(0, acknowledged), Rig.ReadAll(cache.Device).AsSpan(0, acknowledged),
            "acknowledged writes");
        cache.Backing.BeforeCall = null;
        cache.Device.Drain();
        Rig.AssertSame(model.AsSpan(0, acknowledged), cache.Backing.Peek(0, acknowledged),
            "the backing once it is back");
        cache.Device.Write(1 << 19, new byte[200_000]);
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Flush)]
    public async Task Dispose_ends_at_once_while_the_backing_fails_and_the_data_stays(DiskOperation kind)
    {
        var cache = new SmallCache(with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            WritebackDelay = TimeSpan.Zero
        });
        using var failed = new ManualResetEventSlim();
        cache.Backing.FailWhere(e =>
        {
            if (e.Operation != kind)
            {
                return null;
            }

            failed.Set();
            return new IOException("gone for good");
        });
        byte[] model = Fill(cache, 3);
        Assert.True(failed.Wait(TestRuns.HangLimit));
        await Eventually.Completes(Eventually.Thread(cache.Device.Dispose), "dispose while the backing fails");
        cache.Reopen(backing: Disks.Make(1 << 20));
        Rig.AssertSame(model, Rig.ReadAll(cache.Device), "after the reopen with a backing that has nothing");
        cache.Device.Drain();
        Rig.AssertSame(model, cache.Backing.Snapshot(), "the new backing");
        cache.Dispose();
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Flush)]
    [InlineData(DiskOperation.Read)]
    public async Task Dispose_does_not_wait_for_ever_for_a_hanging_backing(DiskOperation kind)
    {
        var cache = new SmallCache(with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            WritebackDelay = TimeSpan.Zero,
            DisposeTimeout = TimeSpan.FromMilliseconds(100),
        });
        cache.Backing.Hang(kind);
        byte[] model = Fill(cache, 3);
        Task? read = kind == DiskOperation.Read
            ? Eventually.Thread(() => Record.Exception(() => cache.Device.Read(900_000, new byte[100]))) : null;
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "the hanging call");
        await Eventually.Completes(Eventually.Thread(cache.Device.Dispose), "dispose while a backing call hangs");
        byte[] image = cache.Region.KillImage();
        cache.Backing.ReleaseHanging();
        if (read is not null)
        {
            await Eventually.Completes(read, "the read that hung");
        }

        using PCacheDevice copy = PCacheDevice.Open(Rig.Load(image), cache.Backing.AfterKill(),
            cache.Options with { LeaveRegionOpen = false });
        if (kind != DiskOperation.Read)
        {
            Rig.AssertSame(model, Rig.ReadAll(copy), "what the closed cache holds");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_failing_read_is_the_callers_error_and_no_other_callers(bool asynchronous)
    {
        using var cache = new SmallCache(content: Patterns.Make(0, 1 << 20, 5));
        cache.Device.Write(0, Patterns.Make(0, 4096, 6));
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Read ? new IOException("unreadable") : null);
        var buffer = new byte[4096];
        Exception? error = asynchronous
            ? await Record.ExceptionAsync(async () => await cache.Device.ReadAsync(8192, buffer))
            : Record.Exception(() => cache.Device.Read(8192, buffer));
        Assert.IsAssignableFrom<IOException>(error);
        Assert.Equal(4096, cache.Device.Read(0, buffer));
        Rig.AssertSame(Patterns.Make(0, 4096, 6), buffer, "a hit");
        error = Record.Exception(() => cache.Device.Write(8192 + 100, new byte[5]));
        Assert.IsAssignableFrom<IOException>(error);
        cache.Backing.BeforeCall = null;
        Assert.Equal(4096, cache.Device.Read(8192, buffer));
        Rig.AssertSame(Patterns.Make(8192, 4096, 5), buffer, "read again");
    }

    private static byte[] Fill(SmallCache cache, int groups)
    {
        var model = new byte[1 << 20];
        for (int group = 0; group < groups; group++)
        {
            for (int i = 0; i < 5; i++)
            {
                int at = ((group * 3) + (i * 7)) % 16 * 32768;
                byte[] bytes = Patterns.Make(at, 4096, (group * 10) + i + 1);
                cache.Device.Write(at, bytes);
                bytes.CopyTo(model, at);
            }

            cache.Device.Flush();
        }

        return model;
    }
}
