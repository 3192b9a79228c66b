// What differs from kind to kind: what is refused, what happens to the stream behind, read-only, growth that fails,
// disposal while a call hangs.

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Backing;

public class BlockDeviceFactoryTests
{
    [Fact]
    public void What_cannot_serve_is_refused_at_once()
    {
        using var folder = new TempFolder();
        string path = folder.CreateFile("f", 10);
        Assert.Throws<ArgumentNullException>(() => BlockDevice.FromStream(null!));
        var disposed = new MemoryStream();
        disposed.Dispose();
        Assert.Throws<ArgumentException>(() => BlockDevice.FromStream(disposed));
        using (var pipe = new System.IO.Compression.DeflateStream(new MemoryStream(),
            System.IO.Compression.CompressionMode.Decompress))
        {
            Assert.Throws<ArgumentException>(() => BlockDevice.FromStream(pipe));
        }

        using (var writeOnly = new FileStream(path, FileMode.Open, FileAccess.Write))
        {
            Assert.Throws<ArgumentException>(() => BlockDevice.FromStream(writeOnly));
        }

        Assert.Throws<ArgumentException>(() => BlockDevice.OpenFile(""));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockDevice.OpenFile(path, FileAccess.Write));
        Assert.Throws<FileNotFoundException>(() => BlockDevice.OpenFile(folder["missing"]));
        Assert.Throws<UnauthorizedAccessException>(() => BlockDevice.OpenFile(folder.Path));
        Assert.False(File.Exists(folder["missing"]));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockDevice.FromMemory(-1));
        foreach (int blockSize in (int[])[-512, 0, 3, 131_072])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => BlockDevice.FromMemory(0, blockSize));
        }
    }

    [Fact]
    public void Memory_is_taken_only_where_it_is_written()
    {
        using IBlockDevice device = BlockDevice.FromMemory(long.MaxValue);
        device.Write(long.MaxValue - 3, [1, 2, 3]);
        device.Write(1L << 60, [4]);
        byte[] found = new byte[8];
        Assert.Equal(4, device.Read(long.MaxValue - 4, found));
        Assert.Equal([0, 1, 2, 3, 0, 0, 0, 0], found);
        device.WriteZeroes(1, long.MaxValue - 2);
        Assert.Equal(4, device.Read(long.MaxValue - 4, found));
        Assert.Equal([0, 0, 0, 3, 0, 0, 0, 0], found);
        Assert.Equal(long.MaxValue, device.Length);
    }

    [Fact]
    public void What_a_FileStream_holds_back_is_seen_and_its_position_stays()
    {
        using var folder = new TempFolder();
        using var stream = new FileStream(folder["f"], FileMode.Create, FileAccess.ReadWrite, FileShare.None, 4096);
        stream.Write([1, 2, 3, 4, 5]);
        stream.Position = 2;
        stream.WriteByte(9);
        using (IBlockDevice device = BlockDevice.FromStream(stream, leaveOpen: true))
        {
            Assert.Equal(5, device.Length);
            byte[] found = new byte[5];
            Assert.Equal(5, device.Read(0, found));
            Assert.Equal([1, 2, 9, 4, 5], found);
            device.Write(4, [6, 7]);
            device.Flush();
            Assert.Equal(3, stream.Position);
        }

        Assert.Equal(4, stream.ReadByte());
        Assert.Equal(6, stream.ReadByte());
        Assert.Equal(6, stream.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_stream_is_disposed_unless_left_open(bool viaAsync)
    {
        using var folder = new TempFolder();
        foreach (bool leaveOpen in (bool[])[false, true])
        {
            foreach (Stream stream in (Stream[])[new FileStream(folder["f"], FileMode.Create), new MemoryStream(),
                new AwkwardStream(3)])
            {
                IBlockDevice device = BlockDevice.FromStream(stream, leaveOpen);
                if (viaAsync)
                {
                    await device.DisposeAsync();
                }
                else
                {
                    device.Dispose();
                }

                Assert.Equal(leaveOpen, stream.CanRead);
                Assert.Throws<ObjectDisposedException>(() => device.Length);
                stream.Dispose();
            }
        }
    }

    [Fact]
    public void Read_only_ones_read_and_refuse_the_rest()
    {
        using var folder = new TempFolder();
        File.WriteAllBytes(folder["f"], [1, 2, 3]);
        IBlockDevice[] devices =
        [
            BlockDevice.OpenFile(folder["f"], FileAccess.Read),
            BlockDevice.FromStream(new FileStream(folder["f"], FileMode.Open, FileAccess.Read)),
            BlockDevice.FromStream(new MemoryStream([1, 2, 3], writable: false)),
        ];
        foreach (IBlockDevice device in devices)
        {
            Assert.False(device.CanWrite);
            Assert.False(device.CanResize);
            byte[] found = new byte[4];
            Assert.Equal(2, device.Read(1, found));
            Assert.Equal([2, 3, 0, 0], found);
            Assert.Throws<NotSupportedException>(() => device.Write(0, [1]));
            Assert.Throws<NotSupportedException>(() => device.Write(0, []));
            Assert.Throws<NotSupportedException>(() => device.WriteZeroes(0, 1));
            Assert.Throws<NotSupportedException>(() => device.Discard(0, 1));
            Assert.Throws<NotSupportedException>(() => device.SetLength(0));
            device.Flush();
            device.Dispose();
        }
    }

    [Fact]
    public void A_stream_that_refuses_to_grow_leaves_everything_as_it_was()
    {
        using IBlockDevice device = BlockDevice.FromStream(new MemoryStream([1, 2, 3, 4]));
        Assert.Throws<NotSupportedException>(() => device.Write(3, [8, 9]));
        Assert.Throws<NotSupportedException>(() => device.Write(9, [8, 9]));
        Assert.Throws<NotSupportedException>(() => device.SetLength(5));
        byte[] found = new byte[8];
        Assert.Equal(4, device.Read(0, found));
        Assert.Equal([1, 2, 3, 4, 0, 0, 0, 0], found);
        Assert.Equal(4, device.Length);
    }

    [Fact]
    public async Task Flush_and_force_unit_access_reach_the_stream()
    {
        var plain = new AwkwardStream(10);
        using IBlockDevice device = BlockDevice.FromStream(plain);
        device.Write(0, [1]);
        Assert.Equal(0, plain.FlushCount);
        device.Write(0, [1], WriteDurability.ForceUnitAccess);
        Assert.Equal(1, plain.FlushCount);
        await device.WriteAsync(0, new byte[1], WriteDurability.ForceUnitAccess);
        device.WriteZeroes(0, 1, WriteDurability.ForceUnitAccess);
        await device.WriteZeroesAsync(0, 1, WriteDurability.ForceUnitAccess);
        Assert.Equal(4, plain.FlushCount);
        device.Flush();
        await device.FlushAsync();
        Assert.Equal(6, plain.FlushCount);
    }

    [Fact]
    public async Task A_class_derived_from_FileStream_is_not_gone_past_and_flushed_to_disk()
    {
        using var folder = new TempFolder();
        using var stream = new CountingFileStream(folder["f"]);
        using IBlockDevice device = BlockDevice.FromStream(stream, leaveOpen: true);
        device.Write(0, [1]);
        Assert.Equal(1, stream.WriteCount);
        int before = stream.DiskFlushCount;
        device.Flush();
        await device.FlushAsync();
        Assert.Equal(before + 2, stream.DiskFlushCount);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Disposing_while_a_call_hangs_returns_and_the_call_closes_the_stream(bool viaAsync)
    {
        var barrier = new TaskCompletionSource();
        var stream = new AwkwardStream(10) { ReadBarrier = barrier.Task };
        IBlockDevice device = BlockDevice.FromStream(stream);
        var hanging = Task.Run(async () =>
            viaAsync ? await device.ReadAsync(0, new byte[1]) : device.Read(0, new byte[1]));
        await stream.ReadStarted.Task;
        var waiting = device.WriteAsync(0, new byte[1]).AsTask();
        device.Dispose();
        Assert.Equal(0, stream.DisposeCount);
        barrier.SetResult();
        Assert.Equal(1, await hanging);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        device.Dispose();
        Assert.Equal(1, stream.DisposeCount);
    }

    [Fact]
    public async Task Waiting_for_the_gate_can_be_cancelled()
    {
        var barrier = new TaskCompletionSource();
        var stream = new AwkwardStream(10) { ReadBarrier = barrier.Task };
        using IBlockDevice device = BlockDevice.FromStream(stream);
        var hanging = device.ReadAsync(0, new byte[1]).AsTask();
        using var cancel = new CancellationTokenSource();
        var waiting = device.WriteAsync(0, new byte[1], WriteDurability.Normal, cancel.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        barrier.SetResult();
        Assert.Equal(1, await hanging);
    }

    [LoopDeviceFact]
    public void A_Linux_block_device_has_its_own_length_and_sector_size()
    {
        using var folder = new TempFolder();
        string name = LoopDeviceFactAttribute.Run("losetup", "--find", "--show", "--sector-size", "4096",
            folder.CreateFile("image", 1 << 20))!.Trim();
        try
        {
            using (IBlockDevice device = BlockDevice.OpenFile(name))
            {
                Assert.Equal(1 << 20, device.Length);
                Assert.Equal(4096, device.BlockSize);
                Assert.True(device.CanWrite);
                Assert.False(device.CanResize);
                byte[] block = SectorPattern.Make(2040, 8, 3);
                device.Write(2040 * 512, block, WriteDurability.ForceUnitAccess);
                byte[] found = new byte[8192];
                Assert.Equal(4096, device.Read(2040 * 512, found));
                Assert.Equal(block, found[..4096]);
                Assert.Equal(0, device.Read(1 << 20, found));
                Assert.Throws<ArgumentOutOfRangeException>(() => device.Write(1 << 20, block));
                Assert.Throws<ArgumentException>(() => device.Write(512, block));
                Assert.Throws<NotSupportedException>(() => device.SetLength(1 << 21));
            }

            using IBlockDevice readOnly = BlockDevice.FromStream(new FileStream(name, FileMode.Open, FileAccess.Read));
            Assert.Equal(1 << 20, readOnly.Length);
            Assert.False(readOnly.CanWrite);
        }
        finally
        {
            _ = LoopDeviceFactAttribute.Run("losetup", "--detach", name);
        }
    }
}
