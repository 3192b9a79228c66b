using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// When data reaches the backing: delay, pause, drain, and that nothing counts as clean before the backing was flushed.
/// </summary>
public sealed class WritebackTests
{
    private static readonly TimeSpan JustLess = TimeSpan.FromSeconds(4.9);

    [Fact]
    public void It_begins_after_the_delay()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.FromSeconds(5) });
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        cache.Advance(JustLess);
        Assert.Equal(0, cache.Backing.Calls(DiskOperation.Write));
        Assert.False(cache.Status.IsClean);
        Assert.Equal(4096, cache.Status.DirtyBytes);
        cache.Advance(TimeSpan.FromSeconds(0.2));
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Assert.Equal(1, cache.Backing.Calls(DiskOperation.Write));
        Assert.True(cache.Backing.Calls(DiskOperation.Flush) >= 1);
        Assert.Equal(0, cache.Status.DirtyBytes);
        Assert.Equal(4096, cache.Status.WritebackBytes);
        Rig.AssertSame(Patterns.Make(0, 4096, 1), cache.Backing.Peek(0, 4096), "the backing");
    }

    [Fact]
    public void The_timer_logs_what_was_not_flushed()
    {
        using var cache = new SmallCache(with: o =>
            o with { KsetTimeout = TimeSpan.FromSeconds(1), WritebackDelay = TimeSpan.FromHours(1) });
        cache.Device.Write(0, Patterns.Make(0, 512, 1));
        cache.Settle();
        Assert.Equal(1, cache.Status.PendingKeys);
        Assert.Equal(1, cache.Status.DirtyKeys);
        cache.Advance(TimeSpan.FromSeconds(1.1));
        Assert.Equal(0, cache.Status.PendingKeys);
        Assert.Equal(1, cache.Status.DirtyKeys);
        using PCacheDevice copy = cache.OpenKilledCopy();
        Assert.Equal(1, copy.Recovery.LiveKeys);
        Rig.AssertSame(Patterns.Make(0, 512, 1), Rig.ReadAll(copy).AsSpan(0, 512), "after a kill");
    }

    [Fact]
    public void Pause_stops_it_and_resume_starts_it()
    {
        using var cache = new SmallCache(with: o =>
            o with { StartWritebackPaused = true, WritebackDelay = TimeSpan.Zero });
        Assert.True(cache.Status.WritebackPaused);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        cache.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, cache.Backing.Calls(DiskOperation.Write));
        cache.Device.ResumeWriteback();
        Assert.False(cache.Status.WritebackPaused);
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean after resume");
        cache.Device.PauseWriteback();
        cache.Device.PauseWriteback();
        cache.Device.Write(0, Patterns.Make(0, 4096, 2));
        cache.Device.Flush();
        cache.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, cache.Backing.Calls(DiskOperation.Write));
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
        Assert.True(cache.Status.WritebackPaused);
        Rig.AssertSame(Patterns.Make(0, 4096, 2), cache.Backing.Peek(0, 4096), "drained though paused");
    }

    [Fact]
    public void Within_a_group_only_the_latest_version_is_written_sorted_and_merged()
    {
        using var cache = new SmallCache();
        for (int i = 1; i <= 20; i++)
        {
            cache.Device.Write(8192, Patterns.Make(8192, 4096, i));
        }

        foreach (int page in new[] { 3, 0, 1 })
        {
            cache.Device.Write(page * 4096, Patterns.Make(page * 4096, 4096, 100));
        }

        var offsets = new List<DiskCall>();
        cache.Backing.BeforeCall = offsets.Add;
        cache.Device.Drain();
        DiskCall write = Assert.Single(offsets, e => e.Operation == DiskOperation.Write);
        Assert.Equal(new DiskCall(DiskOperation.Write, 0, 4 * 4096), write);
        Assert.Equal(DiskOperation.Flush, offsets[^1].Operation);
        Rig.AssertSame(Patterns.Make(8192, 4096, 20), cache.Backing.Peek(8192, 4096), "the latest version");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_is_clean_before_the_backing_was_flushed(bool asynchronous)
    {
        using var cache = new SmallCache(with: o =>
            o with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System });
        cache.Device.Write(0, Patterns.Make(0, 65536, 7));
        cache.Device.Flush();
        cache.Backing.Hang(DiskOperation.Flush);
        Task drain = asynchronous ? cache.Device.DrainAsync() : Eventually.Thread(() => cache.Device.Drain());
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "the backing's flush");
        Assert.False(drain.IsCompleted);
        Assert.False(cache.Status.IsClean);

        // The power goes now, and the backing loses all that it wasn't asked to flush.
        using (PCacheDevice copy = PCacheDevice.Open(Rig.Load(cache.Region.KillImage()), Disks.Make(1 << 20),
            cache.Options with { LeaveRegionOpen = false }))
        {
            Rig.AssertSame(Patterns.Make(0, 65536, 7), Rig.ReadAll(copy).AsSpan(0, 65536),
                "after the backing lost power");
        }

        cache.Backing.ReleaseHanging();
        await Eventually.Completes(drain, "the drain");
        Assert.True(cache.Status.IsClean);
    }

    [Fact]
    public async Task Drain_reports_progress_and_can_be_cancelled()
    {
        using var cache = new SmallCache(
            with: o => o with
            {
                Maintenance = MaintenanceMode.OwnThread,
                TimeProvider = TimeProvider.System,
                WritebackGroupBytes = 64 << 10
            });
        for (int i = 0; i < 10; i++)
        {
            cache.Device.Write(i * 65536, Patterns.Make(i * 65536, 32768, i + 1));
            cache.Device.Flush();
        }

        cache.Backing.Hang(DiskOperation.Write);
        using var cancel = new CancellationTokenSource();
        Task drain = cache.Device.DrainAsync(null, cancel.Token);
        await Eventually.Completes(cache.Backing.WaitUntilHangingAsync(), "a backing write");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            Eventually.Completes(drain, "the cancelled drain"));
        Assert.False(cache.Status.IsClean);
        cache.Backing.ReleaseHanging();

        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        Assert.ThrowsAny<OperationCanceledException>(() => cache.Device.Drain(null, cancelled.Token));

        var progress = new Collector();
        await Eventually.Completes(cache.Device.DrainAsync(progress), "the drain");
        Assert.True(cache.Status.IsClean);
        List<DrainProgress> reports = progress.Reports;
        Assert.NotEmpty(reports);
        Assert.Equal(0, reports[^1].RemainingKeys);
        Assert.Equal(0, reports[^1].RemainingBytes);
        for (int i = 1; i < reports.Count; i++)
        {
            Assert.True(reports[i].WrittenBytes >= reports[i - 1].WrittenBytes, $"progress {i} went back");
        }

        byte[] content = cache.Backing.Snapshot();
        for (int i = 0; i < 10; i++)
        {
            Rig.AssertSame(Patterns.Make(i * 65536, 32768, i + 1), content.AsSpan(i * 65536, 32768), $"write {i}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispose_drains_only_if_asked(bool drainOnDispose)
    {
        var cache = new SmallCache(with: o => o with { DrainOnDispose = drainOnDispose });
        cache.Device.Write(512, Patterns.Make(512, 512, 1));
        cache.Device.Dispose();
        Assert.Equal(drainOnDispose ? 1 : 0, cache.Backing.Calls(DiskOperation.Write));
        Assert.True(cache.Backing.IsDisposed);
        ImageChecks.AssertSound(cache.Region.KillImage());
        cache.Reopen();
        Assert.Equal(drainOnDispose, cache.Status.IsClean);
        Rig.AssertSame(Patterns.Make(512, 512, 1), Rig.ReadAll(cache.Device).AsSpan(512, 512), "after the reopen");
        cache.Dispose();
    }

    [Theory]
    [InlineData(4096, 1 << 20)]
    [InlineData(4096, (1 << 20) - 512)]
    [InlineData(65536, 1 << 20)]
    [InlineData(1, (1 << 20) - 3)]
    [InlineData(512, (1 << 20) - 3)]
    public void The_backing_gets_whole_blocks_and_nothing_past_its_end(int blockSize, int length)
    {
        var random = new Random(blockSize);
        byte[] model = new byte[length];
        random.NextBytes(model);
        using var cache = new SmallCache(8, blockSize: blockSize, content: (byte[])model.Clone());
        for (int i = 0; i < 200; i++)
        {
            int at = random.Next(3) == 0 ? length - random.Next(1, 3000) : random.Next(length);
            int count = Math.Min(random.Next(1, 3000), length - at);
            switch (random.Next(5))
            {
                case < 3:
                    var bytes = new byte[count];
                    random.NextBytes(bytes);
                    cache.Device.Write(at, bytes);
                    bytes.CopyTo(model, at);
                    break;
                case 3:
                    cache.Device.WriteZeroes(at, count);
                    model.AsSpan(at, count).Clear();
                    break;
                default:
                    var read = new byte[count];
                    Assert.Equal(count, cache.Device.Read(at, read));
                    Rig.AssertSame(model.AsSpan(at, count), read, $"read {i}");
                    break;
            }

            if (i % 20 == 0)
            {
                cache.Device.Drain();
                Rig.AssertSame(model, cache.Backing.Snapshot(), $"the backing after {i} operations");
            }
        }

        cache.Device.Drain();
        Rig.AssertSame(model, cache.Backing.Snapshot(), "the backing at the end");
        Assert.Empty(cache.Backing.Violations);
    }

    private sealed class Collector : IProgress<DrainProgress>
    {
        private readonly List<DrainProgress> _reports = [];

        public List<DrainProgress> Reports
        {
            get
            {
                lock (_reports)
                {
                    return [.. _reports];
                }
            }
        }

        public void Report(DrainProgress value)
        {
            lock (_reports)
            {
                _reports.Add(value);
            }
        }
    }
}
