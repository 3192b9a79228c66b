using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A close ends, tells what went wrong, and lets go of everything, whatever backing and region do.</summary>
public sealed class CloseTests
{
    private static readonly PCacheOptions Own = new()
    {
        SegmentSizeBytes = Rig.SegmentBytes,
        DisposeTimeout = TimeSpan.FromMilliseconds(200),
        LeaveRegionOpen = true
    };

    [Theory]
    [InlineData(MaintenanceMode.Manual)]
    [InlineData(MaintenanceMode.OwnThread)]
    public async Task A_backing_that_fails_to_close_is_an_error_of_the_dispose(MaintenanceMode mode)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(6));
        var backing = new BadAtClosing(Disks.Make(1 << 20));
        PCacheDevice device = PCacheDevice.Create(region, backing,
            Own with { Maintenance = mode, DisposeTimeout = TestRuns.HangLimit });
        device.Write(0, new byte[512]);
        Task<Exception?> closed = Eventually.Thread<Exception?>(() => Record.Exception(device.Dispose));
        var error = Assert.IsAssignableFrom<IOException>(await Eventually.Completes(closed, "dispose"));
        Assert.Equal("bad at closing", Assert.IsType<InvalidOperationException>(error.InnerException).Message);
        device.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_longest_dispose_timeout_closes_too(bool drain)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 20);
        PCacheDevice device = PCacheDevice.Create(region, backing,
            Own with { DisposeTimeout = TimeSpan.FromDays(30), DrainOnDispose = drain });
        device.Write(0, new byte[512]);
        device.Dispose();
        Assert.True(backing.IsDisposed);
        ImageChecks.AssertSound(region);
    }

    [Fact]
    public void A_flush_that_fails_in_an_unusual_way_does_not_keep_the_device_open()
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 20, canResize: true);
        PCacheDevice device = PCacheDevice.Create(region, backing, Own with
        {
            Maintenance = MaintenanceMode.Manual,
            DrainOnDispose = true,
        });
        device.Write(1 << 20, Patterns.Make(1 << 20, 512, 1));
        backing.FailWhere(e => e.Operation == DiskOperation.Flush ? new InvalidOperationException("unusual") : null);
        Assert.IsType<InvalidOperationException>(Assert.ThrowsAny<IOException>(device.Dispose).InnerException);
        Assert.Throws<ObjectDisposedException>(() => { _ = device.Read(0, new byte[1]); });
        Assert.True(backing.IsDisposed);
        ImageChecks.AssertSound(region);
        using PCacheDevice again = PCacheDevice.Open(region, backing.AfterKill(),
            Own with { Maintenance = MaintenanceMode.Manual });
        var read = new byte[512];
        again.Read(1 << 20, read);
        Rig.AssertSame(Patterns.Make(1 << 20, 512, 1), read, "acknowledged before the close");
    }

    [Theory]
    [InlineData(DiskOperation.Flush)]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.SetLength)]
    public async Task A_backing_that_hangs_does_not_hang_the_close(DiskOperation call)
    {
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(6));
        var backing = Disks.Make(1 << 20, canResize: true);
        PCacheDevice device = PCacheDevice.Create(region, backing,
            Own with { DrainOnDispose = true, StartWritebackPaused = true });
        device.Write(1 << 20, Patterns.Make(0, 512, 1));
        backing.Hang(call);
        Task closed = Eventually.Thread(() => Record.Exception(device.Dispose));
        await backing.WaitUntilHangingAsync();
        await Eventually.Completes(closed, "dispose");
        Assert.False(backing.IsDisposed);
        backing.ReleaseHanging();
        Eventually.True(() => backing.IsDisposed, "the last operation lets go of the backing");
        ImageChecks.AssertSound(region);
    }

    /// <summary>A backing whose dispose throws.</summary>
    private sealed class BadAtClosing(SimulatedDisk inner) : IBlockDevice
    {
        public long Length => inner.Length;

        public int BlockSize => inner.BlockSize;

        public bool CanWrite => true;

        public bool CanResize => false;

        public bool CanDiscard => false;

        public int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

        public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken =
            default) => inner.ReadAsync(offset, buffer, cancellationToken);

        public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability =
            WriteDurability.Normal) => inner.Write(offset, buffer, durability);

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(offset, buffer, durability, cancellationToken);

        public void Flush() => inner.Flush();

        public ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
            inner.FlushAsync(cancellationToken);

        public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
            inner.WriteZeroes(offset, length, durability);

        public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default) =>
            inner.WriteZeroesAsync(offset, length, durability, cancellationToken);

        public void Discard(long offset, long length) => inner.Discard(offset, length);

        public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
            inner.DiscardAsync(offset, length, cancellationToken);

        public void SetLength(long length) => inner.SetLength(length);

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
            inner.SetLengthAsync(length, cancellationToken);

        public void Dispose() => throw new InvalidOperationException("bad at closing");

        public ValueTask DisposeAsync() => throw new InvalidOperationException("bad at closing");
    }
}
