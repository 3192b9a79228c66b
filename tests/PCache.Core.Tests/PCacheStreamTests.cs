// What is PCacheStream's own: when the buffer is handed over, what a failure leaves behind, fixed lengths, who disposes
// what, and that the fast paths cost nothing.

#pragma warning disable CA2012 // whether a ValueTask is complete at once is what is tested

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests;

public class PCacheStreamTests
{
    private static readonly int[] BufferSizes = [0, 1, 2, 16, 4096];
    private static readonly SimulatedDiskOptions Growing = new() { CanResize = true };

    [Fact]
    public void What_cannot_be_streamed_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => new PCacheStream(null!));
        using IBlockDevice device = BlockDevice.FromMemory(0);
        Assert.Throws<ArgumentOutOfRangeException>(() => new PCacheStream(device, -1));
        using IBlockDevice blocks = BlockDevice.FromMemory(0, blockSize: 512);
        Assert.Throws<ArgumentException>(() => new PCacheStream(blocks));
        using var stream = new PCacheStream(device, int.MaxValue);
        Assert.Same(device, stream.Device);
    }

    [Fact]
    public async Task A_fixed_length_refuses_what_exceeds_it_before_anything_changes()
    {
        foreach (int bufferSize in BufferSizes)
        {
            using var disk = new SimulatedDisk(10);
            using var stream = new PCacheStream(disk, bufferSize);
            stream.Write([1, 2, 3, 4, 5, 6, 7]);
            foreach (byte[] tooLong in (byte[][])[[9, 9, 9, 9], new byte[5000]])
            {
                Assert.Throws<NotSupportedException>(() => stream.Write(tooLong));
                await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(tooLong));
            }

            Assert.Equal(7, stream.Position);
            stream.Write([8, 9, 10]);
            Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
            Assert.Throws<NotSupportedException>(() => stream.SetLength(9));
            stream.Position = 20;
            Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
            Assert.Equal(10, stream.Length);
            Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Content(disk));
        }
    }

    [Fact]
    public void The_longest_position_is_the_longest_long()
    {
        using var stream = new PCacheStream(BlockDevice.FromMemory(5), 16);
        stream.Position = long.MaxValue;
        Assert.Equal(0, stream.Read(new byte[100]));
        Assert.Throws<IOException>(() => stream.WriteByte(1));
        Assert.Throws<IOException>(() => stream.Seek(1, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(long.MaxValue, SeekOrigin.End));
        stream.Position = long.MaxValue - 1;
        stream.WriteByte(1);
        Assert.Equal(long.MaxValue, stream.Length);
    }

    [Fact]
    public void A_read_only_device_makes_a_read_only_stream()
    {
        foreach (int bufferSize in BufferSizes)
        {
            using var stream = new PCacheStream(BlockDevice.FromStream(new MemoryStream([1, 2, 3], writable: false)),
                bufferSize);
            Assert.False(stream.CanWrite);
            Assert.Throws<NotSupportedException>(() => stream.Write([]));
            Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
            Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
            Assert.Equal(1, stream.ReadByte());
            stream.Flush();
            Assert.Equal(2, stream.ReadByte());
        }
    }

    [Fact]
    public void Unbuffered_streams_over_one_device_see_each_other_at_once()
    {
        using IBlockDevice device = BlockDevice.FromMemory(0);
        using var one = new PCacheStream(device, leaveOpen: true);
        using var other = new PCacheStream(device, 1, leaveOpen: true);
        one.Write([1, 2, 3]);
        Assert.Equal(1, other.ReadByte());
        one.Position = 1;
        one.WriteByte(9);
        Assert.Equal(9, other.ReadByte());
        Assert.Equal(2, one.Position);
    }

    [Fact]
    public void Adjacent_small_writes_reach_the_device_as_one()
    {
        using var disk = new SimulatedDisk(0, Growing);
        using var stream = new PCacheStream(disk, 100);
        List<string> calls = [];
        disk.AfterCall = call => calls.Add($"{call.Operation} {call.Offset}+{call.LengthBytes}");
        for (int i = 0; i < 25; i++)
        {
            stream.Write([(byte)i, 1, 2, 3]);
        }

        Assert.Empty(calls);
        Assert.Equal(100, stream.Length);
        stream.Write(new byte[30]);
        stream.Write(new byte[90]);
        stream.Write(new byte[500]);
        stream.WriteByte(1);
        stream.Flush();
        Assert.Equal(
            ["Write 0+100", "Write 100+100", "Write 200+20", "Write 220+500", "Write 720+1", "Flush 0+0"],
            calls);
    }

    [Theory]
    [InlineData("flush")]
    [InlineData("flushAsync")]
    [InlineData("seek")]
    [InlineData("position")]
    [InlineData("read")]
    [InlineData("readAsync")]
    [InlineData("setLength")]
    [InlineData("dispose")]
    [InlineData("disposeAsync")]
    public async Task Pending_writes_are_private_until(string how)
    {
        using var disk = new SimulatedDisk(0, Growing);
        var stream = new PCacheStream(disk, 16, leaveOpen: true);
        stream.Write([1, 2]);
        await stream.WriteAsync(new byte[] { 3 });
        Assert.Equal(0, disk.Length);
        Assert.Equal(3, stream.Length);
        _ = stream.Seek(0, SeekOrigin.End);
        Assert.Equal(0, disk.Length);
        switch (how)
        {
            case "flush":
                stream.Flush();
                break;
            case "flushAsync":
                await stream.FlushAsync();
                break;
            case "seek":
                _ = stream.Seek(0, SeekOrigin.Begin);
                break;
            case "position":
                stream.Position = 100;
                break;
            case "read":
                Assert.Equal(-1, stream.ReadByte());
                break;
            case "readAsync":
                Assert.Equal(0, await stream.ReadAsync(new byte[5].AsMemory()));
                break;
            case "setLength":
                stream.SetLength(3);
                break;
            case "dispose":
                stream.Dispose();
                break;
            default:
                await stream.DisposeAsync();
                break;
        }

        Assert.Equal([1, 2, 3], disk.Snapshot());
        Assert.Equal(how.StartsWith("flush", StringComparison.Ordinal) ? 1 : 0, disk.Calls(DiskOperation.Flush));
        stream.Dispose();
        Assert.False(disk.IsDisposed);
    }

    [Fact]
    public async Task Disposing_disposes_the_device_unless_left_open()
    {
        foreach (bool viaAsync in (bool[])[false, true])
        {
            var disk = new SimulatedDisk(0, Growing);
            var stream = new PCacheStream(disk, 16);
            stream.WriteByte(1);
            disk.Plan(new DiskFault { Operation = DiskOperation.Write });
            await Assert.ThrowsAsync<IOException>(async () =>
            {
                if (viaAsync)
                {
                    await stream.DisposeAsync();
                }
                else
                {
                    stream.Dispose();
                }
            });
            Assert.True(disk.IsDisposed);
            Assert.False(stream.CanRead);
            stream.Dispose();
            await stream.DisposeAsync();
        }
    }

    [Fact]
    public void Small_reads_fetch_ahead_until_a_flush_or_a_write()
    {
        using var disk = new SimulatedDisk(100, Growing);
        using var stream = new PCacheStream(disk, 50);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(0, stream.ReadByte());
            stream.Position = 49 - (i / 2);
            stream.Position = i + 1;
        }

        Assert.Equal(1, disk.Calls(DiskOperation.Read));
        stream.Position = 0;
        Assert.Equal(0, stream.ReadByte());
        disk.Write(0, [7, 7, 7, 7]);
        stream.Position = 0;
        Assert.Equal(0, stream.ReadByte());
        stream.Flush();
        Assert.Equal(7, stream.ReadByte());
        disk.Write(2, [8]);
        stream.WriteByte(9);
        stream.Position = 2;
        Assert.Equal(9, stream.ReadByte());
        stream.Position = 0;
        stream.WriteByte(5);
        stream.Position = 0;
        Assert.Equal(5, stream.ReadByte());
    }

    [Fact]
    public async Task A_failed_read_or_write_leaves_the_position()
    {
        foreach (int bufferSize in BufferSizes)
        {
            using var disk = new SimulatedDisk(10_000, Growing);
            using var stream = new PCacheStream(disk, bufferSize);
            byte[] large = new byte[5000];
            stream.Position = 5;
            disk.Plan(new DiskFault { Operation = DiskOperation.Read, Times = 2 });
            Assert.Throws<IOException>(() => stream.Read(large));
            await Assert.ThrowsAsync<IOException>(async () => await stream.ReadExactlyAsync(large));
            Assert.Equal(5, stream.Position);
            disk.Plan(new DiskFault { Operation = DiskOperation.Write, Times = 2 });
            Assert.Throws<IOException>(() => stream.Write(large));
            await Assert.ThrowsAsync<IOException>(async () => await stream.WriteAsync(large));
            Assert.Equal(5, stream.Position);
            stream.Write(large);
            Assert.Equal(5005, stream.Position);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_pending_when_the_device_failed_is_pending_still(bool viaAsync)
    {
        using var disk = new SimulatedDisk(0, Growing);
        using var stream = new PCacheStream(disk, 4);
        stream.Write([1, 2, 3]);
        disk.Plan(new DiskFault { Operation = DiskOperation.Write, Times = 4 });
        Assert.Throws<IOException>(() => stream.Position = 0);
        await Assert.ThrowsAsync<IOException>(() => WriteAsync([8, 8, 8]));
        await Assert.ThrowsAsync<IOException>(() => WriteAsync([8, 8, 8, 8, 8, 8, 8, 8, 8]));
        await Assert.ThrowsAsync<IOException>(() => stream.FlushAsync());
        Assert.Equal(3, stream.Position);
        Assert.Equal(3, stream.Length);
        await WriteAsync([4, 5, 6]);
        disk.Plan(new DiskFault { Operation = DiskOperation.Flush });
        Assert.Throws<IOException>(stream.Flush);
        stream.Flush();
        Assert.Equal([1, 2, 3, 4, 5, 6], Content(disk));

        async Task WriteAsync(byte[] bytes)
        {
            if (viaAsync)
            {
                await stream.WriteAsync(bytes);
            }
            else
            {
                stream.Write(bytes);
            }
        }
    }

    [Fact]
    public async Task The_position_moves_when_the_device_has_answered()
    {
        using var disk = new SimulatedDisk(10, Growing);
        using var stream = new PCacheStream(disk);
        disk.Hang(DiskOperation.Write);
        disk.Hang(DiskOperation.Read);
        ValueTask writing = stream.WriteAsync(new byte[] { 1, 2 });
        Assert.False(writing.IsCompleted);
        Assert.Equal(0, stream.Position);
        disk.ReleaseHanging();
        await writing;
        Assert.Equal(2, stream.Position);
        disk.Plan(new DiskFault { Operation = DiskOperation.Read, Kind = DiskFaultKind.Hang });
        using var cancel = new CancellationTokenSource();
        ValueTask<int> reading = stream.ReadAsync(new byte[2], cancel.Token);
        await disk.WaitUntilHangingAsync();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reading);
        Assert.Equal(2, stream.Position);
        disk.ReleaseHanging();
        Assert.Equal(8, await stream.ReadAsync(new byte[20].AsMemory()));
        Assert.Equal(10, stream.Position);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public void Hits_allocate_nothing_and_complete_at_once(int bufferSize)
    {
        using var stream = new PCacheStream(BlockDevice.FromMemory(1 << 20), bufferSize);
        byte[] small = new byte[64];
        byte[] page = new byte[4096];
        void Once() // Assert.Equal allocates
        {
            stream.Position = 0;
            for (int i = 0; i < 100; i++)
            {
                stream.Write(small);
                stream.Write(small, 0, 4);
                stream.WriteByte(1);
                stream.Write(page);
                stream.Write(small);
                Assert.True(stream.WriteAsync(small).IsCompletedSuccessfully);
                stream.Flush();
                Assert.True(stream.WriteAsync(small).IsCompletedSuccessfully);
                stream.Flush();
            }

            stream.Position = 0;
            for (int i = 0; i < 100; i++)
            {
                Assert.True(stream.Read(small) == 64);
                Assert.True(stream.Read(small, 0, 4) == 4);
                Assert.True(stream.ReadByte() >= 0);
                Assert.True(stream.Read(page) == 4096);
                ValueTask<int> reading = stream.ReadAsync(small.AsMemory(0, 8));
                Assert.True(reading.IsCompletedSuccessfully);
                Assert.True(reading.Result == 8);
                Task<int> task = stream.ReadAsync(small, 0, 64);
                Assert.True(task.IsCompletedSuccessfully);
                stream.Position += 4096 + 56;
                Assert.True(stream.Length >= stream.Position);
            }
        }

        Once();
        Once();
        Assert.Equal(0, Allocations.Least(Once));
    }

    private static byte[] Content(SimulatedDisk device)
    {
        byte[] content = new byte[device.Length];
        Assert.Equal(content.Length, device.Read(0, content));
        return content;
    }
}
