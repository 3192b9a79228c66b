using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Callers that are interrupted, cancelled or aborted by a backing that throws, at any moment, in front of a full
/// cache: nothing of theirs stays behind (room,
/// placeholders, a place in the queue, a lock), what was acknowledged is there, and writes, drain and close go through
/// afterwards.
/// </summary>
public sealed partial class InterruptTests
{
    private const int Threads = 6;
    private const int PageBytes = 4096;
    private const int PagesEach = 48;

    // More than the cache has room for: it is always full.
    private const long DeviceBytes = (long)Threads * PagesEach * PageBytes;

    [Theory]
    [InlineData(BackingKind.Memory, RegionKind.Memory, 1)]
    [InlineData(BackingKind.MemoryStream, RegionKind.Memory, 2)]
    [InlineData(BackingKind.Memory, RegionKind.PowerSafe, 3)]
    public async Task Callers_that_are_interrupted_cancelled_or_aborted_leave_nothing_behind(BackingKind backing,
        RegionKind region, int seed)
    {
        var options = new PCacheOptions
        {
            WritebackDelay = TimeSpan.Zero,
            KsetTimeout = TimeSpan.FromMilliseconds(5),
            WritebackGroupBytes = 64 << 10,
            SpaceTimeout = TimeSpan.FromSeconds(20),
        };
        var rig = new Rig(region, backing, segments: 12, DeviceBytes, options);
        if (rig.Scripted is { } disk)
        {
            int calls = 0;
            disk.FailWhere(e => Interlocked.Increment(ref calls) % 97 == 0 ? new IOException("now and then") : null);
        }

        var run = new Run(rig.Device, seed);
        await Eventually.Completes(Eventually.Thread(() => run.For(TimeSpan.FromSeconds(2.5))), "the callers");
        rig.Scripted?.FailWhere(_ => null);
        Assert.True(run.Interrupted > 0, "no caller was interrupted");
        Assert.Empty(run.Errors);

        await Eventually.Completes(Eventually.Thread(() => WriteEverything(rig.Device, run)),
            "writes of a whole cache");
        await Eventually.Completes(Eventually.Thread(() => rig.Device.Drain()), "a drain");
        Assert.Equal(0, rig.Device.GetStatus().DirtyBytes);
        run.Verify(rig.Device);
        rig.Device.PauseWriteback();
        if (region == RegionKind.Memory)
        {
            Audit(rig);
        }

        await Eventually.Completes(Eventually.Thread(rig.Dispose), "a close");
    }

    [Fact]
    public async Task A_writer_interrupted_while_it_waits_for_room_leaves_the_queue_and_the_next_is_served()
    {
        using var cache = new SmallCache(segments: 8, with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            StartWritebackPaused = true,
        });
        FillUp(cache);
        Exception? first = null;
        var interrupted = new Thread(() =>
            first = Record.Exception(() => cache.Device.Write(0, new byte[8 * PageBytes])));
        interrupted.Start();
        Eventually.True(() => Waiters(cache.Device) == 1, "the first waits");
        Task second = Eventually.Thread(() => cache.Device.Write(0, Patterns.Make(0, PageBytes, 7)));
        Eventually.True(() => Waiters(cache.Device) == 2, "the second waits");
        interrupted.Interrupt();
        Assert.True(interrupted.Join(TestRuns.HangLimit));
        Assert.IsType<ThreadInterruptedException>(first);
        Eventually.True(() => Waiters(cache.Device) == 1, "the first has left");
        cache.Device.ResumeWriteback();
        await Eventually.Completes(second, "the second");
    }

    [Fact]
    public async Task A_truncation_that_is_interrupted_is_finished_by_the_next_change_of_length()
    {
        using var cache = new SmallCache(segments: 8, canResize: true, with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            StartWritebackPaused = true,
        });
        cache.Device.Write(0, Patterns.Make(0, 64 << 10, 3));
        cache.Backing.Hang(DiskOperation.Write);
        Exception? thrown = null;
        var cutter = new Thread(() => thrown = Record.Exception(() => cache.Device.SetLength(8192)));
        cutter.Start();
        await cache.Backing.WaitUntilHangingAsync();
        cutter.Interrupt();
        Assert.True(cutter.Join(TestRuns.HangLimit));
        Assert.IsType<ThreadInterruptedException>(thrown);
        Assert.Equal(8192, cache.Device.Length);
        cache.Backing.ReleaseHanging();
        await Eventually.Completes(Eventually.Thread(() => cache.Device.SetLength(64 << 10)), "growth");
        var read = new byte[64 << 10];
        Assert.Equal(read.Length, cache.Device.Read(0, read));
        Rig.AssertSame([.. Patterns.Make(0, 8192, 3), .. new byte[(64 << 10) - 8192]], read, "cut and grown");
        cache.Device.Drain();
        Rig.AssertSame(read, cache.Backing.Snapshot(), "the backing");
    }

    [Fact]
    public void Interrupted_while_the_gate_of_a_stream_is_held_by_another_no_caller_is_left_out()
    {
        using var stream = new SlowStream(1 << 16);
        using IBlockDevice device = BlockDevice.FromStream(stream, leaveOpen: true);
        bool stop = false;
        long done = 0;
        Thread[] readers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            var buffer = new byte[512];
            while (!Volatile.Read(ref stop))
            {
                try
                {
                    device.Read(0, buffer);
                    Interlocked.Increment(ref done);
                }
                catch (ThreadInterruptedException)
                {
                }
            }
        }))];
        Array.ForEach(readers, r => r.Start());
        var random = new Random(1);
        for (int i = 0; i < 3000; i++)
        {
            readers[random.Next(readers.Length)].Interrupt();
            Thread.SpinWait(random.Next(500));
        }

        long before = Volatile.Read(ref done);
        Eventually.True(() => Volatile.Read(ref done) > before + 10, "reads go on");
        Volatile.Write(ref stop, true);
        foreach (Thread reader in readers)
        {
            Assert.True(reader.Join(TestRuns.HangLimit), "a reader never came out");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_interrupted_thread_closes_and_opens_and_is_interrupted_afterwards(bool drain)
    {
        var cache = new SmallCache(with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            DrainOnDispose = drain,
            StartWritebackPaused = !drain,
        });
        byte[] data = Patterns.Make(0, 200_000, 4);
        cache.Device.Write(0, data);
        Exception? thrown = null;
        Exception? later = null;
        var thread = new Thread(() =>
        {
            Thread.CurrentThread.Interrupt();
            thrown = Record.Exception(() =>
                cache.Reopen(o => MachineClock.On(o, new Machine { ReplayHelpers = 2, ReplayBatchKeys = 2 })));
            later = Record.Exception(() => Thread.Sleep(1));
        });
        thread.Start();
        Assert.True(thread.Join(TestRuns.HangLimit));
        Assert.Null(thrown);
        Assert.IsType<ThreadInterruptedException>(later);
        var read = new byte[data.Length];
        cache.Device.Read(0, read);
        Rig.AssertSame(data, read, "after the reopen");
        cache.Dispose();
    }

    private static int Waiters(PCacheDevice device) => device.Internals.Space.Count;

    private static void FillUp(SmallCache cache)
    {
        PCacheStatus before;
        do
        {
            before = cache.Status;
            using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
            try
            {
                cache.Device.WriteAsync(before.WrittenBytes % (1 << 20), new byte[8 * PageBytes],
                    cancellationToken: stop.Token).AsTask().GetAwaiter().GetResult();
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
        while (true);
    }

    private static void WriteEverything(PCacheDevice device, Run run)
    {
        for (int round = 0; round < 3; round++)
        {
            for (int page = 0; page < Threads * PagesEach; page++)
            {
                run.WriteWhole(device, page);
            }
        }
    }

    /// <summary>At rest: nothing is written, and the maintenance has nothing more to do.</summary>
    private static void Audit(Rig rig)
    {
        IntegrityException? last = null;
        for (int i = 0; i < 100; i++)
        {
            try
            {
                rig.Device.Flush();
                IntegrityAudit.Check(rig.Device, rig.CurrentRegion);
                return;
            }
            catch (IntegrityException e)
            {
                last = e; // garbage collection may be at work
                Thread.Sleep(20);
            }
        }

        throw last!;
    }

    private sealed class SlowStream(int lengthBytes) : MemoryStream(new byte[lengthBytes])
    {
        public override int Read(Span<byte> buffer)
        {
            Thread.SpinWait(300);
            return base.Read(buffer);
        }
    }
}
