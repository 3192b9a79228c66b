using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>Arguments, disposal and read-only opens.</summary>
public sealed class LifetimeTests
{
    private const int Length = 1 << 20;

    [Fact]
    public async Task Bad_arguments_are_refused_and_nothing_changes()
    {
        using var cache = new SmallCache();
        PCacheDevice device = cache.Device;
        byte[] before = cache.Region.KillImage();
        var one = new byte[1];
        foreach (long offset in new[] { -1, long.MinValue, -512 })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => { _ = device.Read(offset, one); });
            Assert.Throws<ArgumentOutOfRangeException>(() => device.Write(offset, one));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.WriteZeroes(offset, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.Discard(offset, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.AbandonDamaged(offset, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.WriteZeroes(0, offset));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.Discard(0, offset));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.AbandonDamaged(0, offset));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await device.ReadAsync(offset, one));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await device.WriteAsync(offset, one));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await device.WriteZeroesAsync(offset, 1));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await device.DiscardAsync(offset, 1));
        }

        foreach (long offset in new[] { Length, Length + 1L, long.MaxValue })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => device.Write(offset, one));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.WriteZeroes(offset, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.WriteZeroes(1, offset));
            Assert.Equal(0, device.Read(offset, one));
        }

        Assert.ThrowsAny<ArgumentException>(() => device.Write(0, one, (WriteDurability)5));
        Assert.ThrowsAny<ArgumentException>(() => device.OpenStream(-1));
        Assert.ThrowsAny<ArgumentException>(() => new PCacheStream(device, -1));
        Assert.Throws<NotSupportedException>(() => device.SetLength(1));
        Assert.Equal(0, cache.Status.PendingKeys);
        Rig.AssertSame(before, cache.Region.KillImage(), "the region");

        using var growing = new SmallCache(canResize: true);
        Assert.Throws<ArgumentOutOfRangeException>(() => growing.Device.SetLength(-1));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await growing.Device.SetLengthAsync(-1));
        Assert.Equal(Length, growing.Device.Length);
    }

    [Fact]
    public async Task After_dispose_every_member_says_so()
    {
        var cache = new SmallCache(canResize: true);
        PCacheDevice device = cache.Device;
        PCacheStream stream = device.OpenStream();
        device.Write(0, [1]);
        device.Dispose();
        device.Dispose();
        await device.DisposeAsync();
        var one = new byte[1];
        Action[] calls =
        [
            () => device.Read(0, one), () => device.Write(0, one), () =>
                device.Write(0, one, WriteDurability.ForceUnitAccess), device.Flush,
            () => device.WriteZeroes(0, 1), () => device.Discard(0, 1), () => device.SetLength(5), () =>
                device.Drain(), device.PauseWriteback,
            device.ResumeWriteback, () => device.SetGcThreshold(50), () => device.SetLabel("x"), () =>
                device.AbandonDamaged(0, 1),
            () => device.OpenStream(), () => device.RunMaintenanceStep(), () => device.GetStatus(), () =>
                _ = device.Length,
            () => stream.ReadExactly(one, 0, 1), () => stream.Write(one, 0, 1), () => stream.WriteByte(1), () =>
                stream.ReadByte(),
            () => stream.SetLength(1), stream.Flush,
        ];
        for (int i = 0; i < calls.Length; i++)
        {
            Exception? error = Record.Exception(calls[i]);
            Assert.True(error is ObjectDisposedException, $"call {i}: {error?.ToString() ?? "no exception"}");
        }

        Func<Task>[] asynchronous =
        [
            async () => await device.ReadAsync(0, one), async () => await device.WriteAsync(0, one), async () =>
                await device.FlushAsync(),
            async () => await device.WriteZeroesAsync(0, 1), async () => await device.DiscardAsync(0, 1), async () =>
                await device.SetLengthAsync(4),
            () => device.DrainAsync(), async () => await stream.ReadExactlyAsync(one.AsMemory()), async () =>
                await stream.WriteAsync(one.AsMemory()),
        ];
        for (int i = 0; i < asynchronous.Length; i++)
        {
            Exception? error = await Record.ExceptionAsync(asynchronous[i]);
            Assert.True(error is ObjectDisposedException,
                $"asynchronous call {i}: {error?.ToString() ?? "no exception"}");
        }

        cache.Reopen();
        Assert.Equal(1, cache.Device.Read(0, one));
        Assert.Equal(1, one[0]);
        cache.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Dispose_in_the_middle_of_work_loses_nothing_that_returned(bool asynchronous)
    {
        for (int round = 0; round < 5; round++)
        {
            var cache = new SmallCache(8,
                with: o => o with
                {
                    Maintenance = MaintenanceMode.OwnThread,
                    TimeProvider = TimeProvider.System,
                    WritebackDelay = TimeSpan.Zero
                });
            PCacheDevice device = cache.Device;
            long[] last = new long[6];
            using var started = new CountdownEvent(last.Length);
            Task[] workers = [.. Enumerable.Range(0, last.Length).Select(w => Eventually.Thread(() => Work(w)))];
            Assert.True(started.Wait(TestRuns.HangLimit));
            if (asynchronous)
            {
                await device.DisposeAsync();
            }
            else
            {
                device.Dispose();
            }

            await Eventually.Completes(Task.WhenAll(workers), "the workers to notice");
            cache.Reopen();
            byte[] content = Rig.ReadAll(cache.Device);
            for (int w = 0; w < last.Length; w++)
            {
                long id = Patterns.IdOf(content.AsSpan(w * 4096, 512), w * 4096);

                // The write in flight when the device was closed may be there too.
                Assert.InRange(id, last[w], last[w] + 1);
            }

            cache.Dispose();

            void Work(int worker)
            {
                int at = worker * 4096;
                var buffer = new byte[4096];
                try
                {
                    for (int i = 1; ; i++)
                    {
                        device.Write(at, Patterns.Make(at, 4096, i), i % 5 == 0 ? WriteDurability.ForceUnitAccess
                            : WriteDurability.Normal);
                        last[worker] = i;
                        Assert.Equal(4096, device.Read(at, buffer));
                        Assert.Equal(i, Patterns.IdOf(buffer.AsSpan(512, 512), at + 512));
                        if (i == 20)
                        {
                            started.Signal();
                        }

                        if (i % 7 == 0)
                        {
                            device.Flush();
                        }

                        _ = device.GetStatus();
                    }
                }
                catch (ObjectDisposedException)
                {
                }
            }
        }
    }

    [Fact]
    public async Task A_read_only_open_changes_nothing_and_refuses_writes()
    {
        using var cache = new SmallCache(canResize: true, content: Patterns.Make(0, Length, 9));
        cache.Device.Write(4096, Patterns.Make(4096, 8192, 1));
        cache.Device.Flush();
        cache.Device.Write(65536, Patterns.Make(65536, 512, 2));
        byte[] image = cache.Region.KillImage();
        using SimulatedPmem region = SimulatedPmem.FromImage(image);
        var backing = Disks.Make(Patterns.Make(0, Length, 9), canResize: true);
        region.BeforeEvent = _ => Assert.Fail("a store to a read-only cache");
        PCacheDevice device = PCacheDevice.Open(region, backing, cache.Options with { ReadOnly = true });
        Assert.False(device.CanWrite);
        Assert.False(device.CanResize);
        Assert.True(device.GetStatus().IsReadOnly);
        byte[] expected = Patterns.Make(0, Length, 9);
        Patterns.Fill(expected.AsSpan(4096, 8192), 4096, 1);
        for (int i = 0; i < 2; i++)
        {
            Rig.AssertSame(expected, Rig.ReadAll(device), $"read {i}");
        }

        var one = new byte[1];
        Assert.Throws<NotSupportedException>(() => device.Write(0, one));
        Assert.Throws<NotSupportedException>(() => device.WriteZeroes(0, 1));
        Assert.Throws<NotSupportedException>(() => device.Discard(0, 1));
        Assert.Throws<NotSupportedException>(() => device.SetLength(1));
        Assert.Throws<NotSupportedException>(() => device.Drain());
        Assert.Throws<NotSupportedException>(() => device.SetGcThreshold(1));
        Assert.Throws<NotSupportedException>(() => device.SetLabel("x"));
        Assert.Throws<NotSupportedException>(() => device.AbandonDamaged(0, 1));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await device.WriteAsync(0, one));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await device.WriteZeroesAsync(0, 1));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await device.DiscardAsync(0, 1));
        device.Flush();
        await device.FlushAsync();
        using (PCacheStream stream = device.OpenStream())
        {
            Assert.True(stream.CanRead);
            Assert.False(stream.CanWrite);
            Assert.Throws<NotSupportedException>(() => stream.Write(one, 0, 1));
            Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
            stream.Flush();
        }

        device.Dispose();
        Rig.AssertSame(image, region.KillImage(), "the region");
        Rig.AssertSame(Patterns.Make(0, Length, 9), backing.Snapshot(), "the backing");
        Assert.Equal(0, backing.Calls(DiskOperation.Write));
    }

    [Fact]
    public void A_read_only_open_of_a_backing_that_cannot_be_written()
    {
        using var cache = new SmallCache();
        cache.Device.Write(0, Patterns.Make(0, 512, 1));
        cache.Device.Flush();
        byte[] image = cache.Region.KillImage();
        using SimulatedPmem region = SimulatedPmem.FromImage(image);
        using PCacheDevice device = PCacheDevice.Open(
            region, Disks.Make(Length, canWrite: false), cache.Options with { ReadOnly = true });
        Assert.Equal(1, Patterns.IdOf(Rig.ReadAll(device).AsSpan(0, 512), 0));
        using SimulatedPmem second = SimulatedPmem.FromImage(image);
        Exception? error = Record.Exception(() =>
            PCacheDevice.Open(second, Disks.Make(Length, canWrite: false), cache.Options));
        Assert.True(error is ArgumentException or NotSupportedException
            or IOException, $"a writable open over a read-only backing: {error?.ToString() ?? "accepted"}");
        Rig.AssertSame(image, second.KillImage(), "the region after the refusal");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Region_and_backing_stay_open_if_asked(bool leaveOpen)
    {
        var region = SimulatedPmem.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(Length);
        PCacheDevice.Create(region, backing,
            new PCacheOptions { SegmentSizeBytes = 65536, LeaveRegionOpen = leaveOpen, LeaveBackingOpen = leaveOpen })
            .Dispose();
        Assert.Equal(!leaveOpen, backing.IsDisposed);
        Assert.Equal(leaveOpen, Record.Exception(() => region.Write(0, [0])) is not ObjectDisposedException);
        region.Dispose();
    }

    [Fact]
    public void Status_tells_what_happened()
    {
        using var cache = new SmallCache(with: o => o with { Label = "a label" });
        PCacheStatus status = cache.Status;
        Assert.True(status.IsClean);
        Assert.False(status.IsDegraded);
        Assert.Equal(Persistence.Assumed, status.Persistence);
        Assert.True(status.IsPowerSafe);
        Assert.Equal(16, status.SegmentCount);
        Assert.Equal(Length, status.Length);
        Assert.Equal("a label", status.Label);
        cache.Device.Write(0, new byte[4096]);
        cache.Device.Write(0, new byte[4096]);
        status = cache.Status;
        Assert.Equal(8192, status.DirtyBytes);
        Assert.Equal(2, status.DirtyKeys);
        Assert.Equal(8192, status.WrittenBytes);
        LogPosition head = status.KeyHead;
        cache.Device.Flush();
        status = cache.Status;
        Assert.Equal(0, status.PendingKeys);
        Assert.NotEqual(head, status.KeyHead);
        Assert.Equal(head, status.DirtyTail);
        cache.Device.Drain();
        status = cache.Status;
        Assert.Equal(status.KeyHead, status.DirtyTail);
        Assert.Equal(0, status.DirtyKeys);
        Assert.InRange(status.SegmentsUsed, 1, status.SegmentCount);
        cache.Reopen();
        PCacheStatus reopened = cache.Status;
        Assert.Equal(status.CacheId, reopened.CacheId);
        Assert.Equal(status.KeyHead, cache.Device.Recovery.KeyHead);
        Assert.Equal(LogEnd.Clean, cache.Device.Recovery.LogEnd);
        Assert.Equal(0, reopened.WrittenBytes);
        Assert.True(reopened.IsClean);
    }
}
