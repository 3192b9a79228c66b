using System.Diagnostics;
using PCache.Core.Pmem;
using PCache.Core.Tests.Diagnostics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Disposing takes no longer than it was told to and throws what it documents (nothing, or an <see
/// cref="IOException"/>), whatever the backing does: hang, fail, cancel, be disposed; what
/// isn't drained then is in the cache, and is told.
/// </summary>
public sealed class CloseWithinTimeTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    public enum Trouble
    {
        HangingWrite,
        HangingFlush,
        Fails,
        Cancels,
        IsDisposed,
        Interrupts,
        Crawls,
    }

    public static TheoryData<Trouble, bool> Troubles
    {
        get
        {
            var data = new TheoryData<Trouble, bool>();
            foreach (Trouble trouble in Enum.GetValues<Trouble>())
            {
                data.Add(trouble, false);
                data.Add(trouble, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_drain_at_the_end_that_does_not_come_through_is_told_by_an_io_exception(Trouble trouble,
        bool asynchronous)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(1 << 20, canResize: true);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = Short,
            LeaveRegionOpen = true,
            DrainOnDispose = true,
            StartWritebackPaused = true,
        };
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        byte[] data = Patterns.Make(0, 64 << 10, 1);
        device.Write(0, data);
        Make(backing, trouble);

        var time = Stopwatch.StartNew();
        Task<Exception?> closing = Eventually.Thread<Exception?>(() => Record.Exception(() =>
        {
            if (asynchronous)
            {
                device.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
            else
            {
                device.Dispose();
            }
        }));
        Exception? thrown = await Eventually.Completes(closing, "dispose");
        var error = Assert.IsAssignableFrom<IOException>(thrown);
        Assert.Contains("Nothing is lost", error.Message, StringComparison.Ordinal);
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(20), $"the close took {time.Elapsed}");
        device.Dispose(); // does nothing
        await device.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => device.Flush());

        byte[] image = Rig.Copy(region);
        backing.FailWhere(_ => null);
        backing.ReleaseHanging();
        Eventually.True(() => backing.IsDisposed, "the backing is let go");
        using PCacheDevice again = PCacheDevice.Open(Rig.Load(image), Disks.Make(1 << 20, canResize: true),
            options with { DrainOnDispose = false, LeaveRegionOpen = false });
        var read = new byte[data.Length];
        again.Read(0, read);
        Rig.AssertSame(data, read, "what wasn't drained");
    }

    [Fact]
    public async Task A_long_drain_that_gets_on_ends_with_the_time_too_and_says_how_much_is_left()
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(1 << 20);
        var told = new List<CloseProgress>();
        PCacheDevice device = PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = TimeSpan.FromMilliseconds(600),
            LeaveRegionOpen = true,
            DrainOnDispose = true,
            StartWritebackPaused = true,
            WritebackGroupBytes = 64 << 10,
            CloseProgress = new Told(told),
        });
        for (int i = 0; i < 64; i++)
        {
            device.Write(i * 8192, Patterns.Make(0, 512, i), WriteDurability.ForceUnitAccess);
        }

        backing.FailWhere(e =>
        {
            if (e.Operation == DiskOperation.Flush)
            {
                Thread.Sleep(50);
            }

            return null;
        });
        var error = Assert.IsAssignableFrom<IOException>(
            await Eventually.Completes(Eventually.Thread<Exception?>(() => Record.Exception(device.Dispose)),
            "dispose"));
        Assert.Matches("[1-9][0-9]* bytes stay dirty", error.Message);
        Assert.Equal([CloseStage.Draining, CloseStage.Flushing, CloseStage.Releasing, CloseStage.Done],
            told.Select(p => p.Stage).Distinct());
        Assert.True(told[0].DirtyBytes > told[^1].DirtyBytes, "nothing was written back");
        Assert.True(told[^1].DirtyBytes > 0);
        Assert.Equal(told.OrderBy(p => p.Elapsed), told);
    }

    [Fact]
    public async Task A_long_close_says_so_in_the_log_and_an_unwilling_listener_keeps_no_caller()
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(1 << 20);
        var log = new LogTests.Recorder();
        int calls = 0;
        PCacheDevice device = PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = TimeSpan.FromSeconds(30),
            LeaveRegionOpen = true,
            DrainOnDispose = true,
            StartWritebackPaused = true,
            LoggerFactory = log,
            CloseProgress = new Unwilling(() => calls++),
        });
        device.Write(0, new byte[512]);
        backing.Hang(DiskOperation.Write);
        Task closing = Eventually.Thread(device.Dispose);
        Eventually.True(() => log.Has(22), "a line in the log");
        backing.ReleaseHanging();
        await Eventually.Completes(closing, "dispose");
        Assert.Equal(1, calls);
        Assert.True(log.Has(23));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_backing_that_hangs_when_it_is_disposed_does_not_hold_the_close(bool readOnly)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = Short,
            LeaveRegionOpen = true
        };
        using var go = new ManualResetEventSlim();
        PCacheDevice device = PCacheDevice.Create(region, readOnly ? new MemoryStream(new byte[1 << 20])
            : new HangsAtClosing(go), options);
        if (readOnly)
        {
            device.Dispose();
            device = PCacheDevice.Open(region, new HangsAtClosing(go), options with { ReadOnly = true });
        }

        await Eventually.Completes(Eventually.Thread(device.Dispose), "dispose");
        go.Set();
    }

    [Fact]
    public async Task Many_at_once_close_it_once()
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(1 << 20);
        PCacheDevice device = PCacheDevice.Create(region, backing,
            new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes, LeaveRegionOpen = true, DrainOnDispose = true });
        device.Write(0, new byte[512]);
        Task[] closing = [.. Enumerable.Range(0, 4)
            .Select(i => i % 2 == 0 ? Eventually.Thread(device.Dispose) : device.DisposeAsync().AsTask())];
        foreach (Task one in closing)
        {
            await Eventually.Completes(one, "dispose");
        }

        Assert.True(backing.IsDisposed);
        Assert.Empty(backing.Violations);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_view_whose_buffer_finds_no_room_is_disposed_in_time_and_says_what_is_lost(bool asynchronous)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(4 << 20);
        PCacheDevice device = PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            DisposeTimeout = Short,
            LeaveRegionOpen = true,
            StartWritebackPaused = true,
        });
        var view = new PCacheStream(device, bufferSize: 4096);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await device.WriteAsync(0, new byte[2 << 20], cancellationToken: stop.Token));
        view.Position = 3 << 20;
        view.Write(new byte[100]);
        Exception? thrown = await Eventually.Completes(
            Eventually.Thread<Exception?>(() => Record.Exception(() =>
            {
                if (asynchronous)
                {
                    view.DisposeAsync().AsTask().GetAwaiter().GetResult();
                }
                else
                {
                    view.Dispose();
                }
            })),
            "dispose");
        Assert.Contains("100 bytes", Assert.IsAssignableFrom<IOException>(thrown).Message, StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => device.Flush());
        view.Dispose();
    }

    private static void Make(SimulatedDisk backing, Trouble trouble)
    {
        switch (trouble)
        {
            case Trouble.HangingWrite:
                backing.Hang(DiskOperation.Write);
                break;
            case Trouble.HangingFlush:
                backing.Hang(DiskOperation.Flush);
                break;
            case Trouble.Crawls:
                backing.FailWhere(e =>
                {
                    if (e.Operation == DiskOperation.Write)
                    {
                        Thread.Sleep(1000);
                    }

                    return null;
                });
                break;
            default:
                backing.FailWhere(e => e.Operation is not (DiskOperation.Write or DiskOperation.Flush) ? null
                    : trouble switch
                    {
                        Trouble.Fails => new InvalidOperationException("unusual"),
                        Trouble.Cancels => new TaskCanceledException("cancelled by the backing"),
                        Trouble.IsDisposed => new ObjectDisposedException("backing"),
                        _ => new ThreadInterruptedException("interrupted in the backing"),
                    });
                break;
        }
    }

    private sealed class Told(List<CloseProgress> told) : IProgress<CloseProgress>
    {
        public void Report(CloseProgress value) => told.Add(value);
    }

    private sealed class Unwilling(Action called) : IProgress<CloseProgress>
    {
        public void Report(CloseProgress value)
        {
            called();
            throw new InvalidOperationException("unwilling");
        }
    }

    private sealed class HangsAtClosing(ManualResetEventSlim go) : MemoryStream(new byte[1 << 20])
    {
        protected override void Dispose(bool disposing)
        {
            go.Wait(TestRuns.HangLimit);
            base.Dispose(disposing);
        }
    }
}
