// What every seekable, growable Stream does, in the spirit of the .NET runtime's own conformance tests: run over PCacheStream with several buffer sizes, and over
// MemoryStream and FileStream as controls, so that a wrong expectation fails there too.

#pragma warning disable CA1835, CA2022 // these very overloads, and what they return, are what is tested

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests;

public abstract class StreamConformanceTests : IDisposable
{
    protected TempFolder Folder { get; } = new();

    // MemoryStream's one peculiarity.
    protected virtual bool EmptyWriteGrows => false;

    public static TheoryData<ReadMode, WriteMode> Modes()
    {
        var modes = new TheoryData<ReadMode, WriteMode>();
        foreach (ReadMode read in Enum.GetValues<ReadMode>())
        {
            foreach (WriteMode write in Enum.GetValues<WriteMode>())
            {
                modes.Add(read, write);
            }
        }

        return modes;
    }

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void It_can_do_everything_but_time_out()
    {
        using Stream stream = Create();
        Assert.True(stream.CanRead);
        Assert.True(stream.CanSeek);
        Assert.True(stream.CanWrite);
        Assert.False(stream.CanTimeout);
        Assert.Throws<InvalidOperationException>(() => stream.ReadTimeout);
        Assert.Throws<InvalidOperationException>(() => stream.WriteTimeout = 1);
        Assert.Equal(0, stream.Length);
        Assert.Equal(0, stream.Position);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task What_was_written_is_read(ReadMode readMode, WriteMode writeMode)
    {
        foreach (int pieceBytes in (int[])[1, 3, 16, 17, 5000])
        {
            using Stream stream = Create();
            byte[] data = Bytes(Math.Min(9973, (pieceBytes * 60) + 7), seed: pieceBytes);
            for (int at = 0; at < data.Length; at += pieceBytes)
            {
                Assert.Equal(at, stream.Position);
                await StreamModes.WriteAsync(stream, writeMode, data, at, Math.Min(pieceBytes, data.Length - at));
            }

            Assert.Equal(data.Length, stream.Length);
            Assert.Equal(data.Length, stream.Position);
            stream.Position = 0;
            byte[] found = new byte[data.Length + 10];
            int total = 0;
            while (true)
            {
                int wanted = Math.Min(pieceBytes, found.Length - total);
                int read = await StreamModes.ReadAsync(stream, readMode, found, total, wanted);
                total += read;
                Assert.Equal(total, stream.Position);
                if (read == 0)
                {
                    break;
                }
            }

            Assert.Equal(data, found[..total]);
            Assert.Equal(0, await StreamModes.ReadAsync(stream, readMode, found, 0, 1));
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Beyond_the_end_nothing_is_read_and_writing_fills_with_zeros(ReadMode readMode, WriteMode writeMode)
    {
        using Stream stream = Create();
        await StreamModes.WriteAsync(stream, writeMode, [1, 2, 3], 0, 3);
        stream.Position = 10;
        Assert.Equal(0, await StreamModes.ReadAsync(stream, readMode, new byte[5], 0, 5));
        Assert.Equal(10, stream.Position);
        Assert.Equal(3, stream.Length);
        await StreamModes.WriteAsync(stream, writeMode, [], 0, 0);
        Assert.Equal(EmptyWriteGrows && writeMode != WriteMode.SingleBytes ? 10 : 3, stream.Length);
        await StreamModes.WriteAsync(stream, writeMode, [4], 0, 1);
        Assert.Equal(11, stream.Length);
        Assert.Equal(11, stream.Position);
        await HoldsAsync(stream, [1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
    }

    [Fact]
    public async Task Bad_arguments_are_refused()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        byte[] buffer = new byte[5];
        Assert.Throws<ArgumentNullException>(() => stream.Read(null!, 0, 0));
        Assert.Throws<ArgumentNullException>(() => stream.Write(null!, 0, 0));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await stream.ReadAsync(null!, 0, 0));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await stream.WriteAsync(null!, 0, 0));
        Assert.Throws<ArgumentNullException>(() => stream.CopyTo(null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.CopyTo(Stream.Null, 0));
        foreach ((int offset, int count) in ((int, int)[])[(-1, 0), (0, -1), (0, 6), (6, 0), (5, 1), (1, int.MaxValue), (int.MaxValue, 1)])
        {
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.Read(buffer, offset, count));
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.Write(buffer, offset, count));
            await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(async () => await stream.ReadAsync(buffer, offset, count));
            await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(async () => await stream.WriteAsync(buffer, offset, count));
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.BeginRead(buffer, offset, count, null, null));
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.BeginWrite(buffer, offset, count, null, null));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => stream.SetLength(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<ArgumentException>(() => stream.Seek(0, (SeekOrigin)3));
        Assert.Throws<ArgumentException>(() => stream.Seek(0, (SeekOrigin)(-1)));
        Assert.Equal(3, stream.Position);
        await HoldsAsync(stream, [1, 2, 3]);
    }

    [Fact]
    public void Seeking_moves_from_each_origin_and_never_before_the_beginning()
    {
        using Stream stream = Create();
        stream.Write(Bytes(100, 1));
        Assert.Equal(7, stream.Seek(7, SeekOrigin.Begin));
        Assert.Equal(17, stream.Seek(10, SeekOrigin.Current));
        Assert.Equal(12, stream.Seek(-5, SeekOrigin.Current));
        Assert.Equal(90, stream.Seek(-10, SeekOrigin.End));
        Assert.Equal(130, stream.Seek(30, SeekOrigin.End));
        Assert.Equal(130, stream.Position);
        Assert.Equal(100, stream.Length);
        Assert.Equal(50, stream.Seek(50, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-51, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(-101, SeekOrigin.End));
        Assert.Equal(50, stream.Position);
        Assert.Equal(Bytes(100, 1)[50], stream.ReadByte());
        for (int i = 99; i >= 0; i--)
        {
            stream.Position = i;
            Assert.Equal(Bytes(100, 1)[i], stream.ReadByte());
        }
    }

    [Fact]
    public async Task Setting_the_length_cuts_grows_and_moves_the_position()
    {
        using Stream stream = Create();
        stream.Write(Bytes(100, 1));
        stream.SetLength(40);
        Assert.Equal(40, stream.Position);
        Assert.Equal(40, stream.Length);
        stream.Position = 10;
        stream.SetLength(60);
        Assert.Equal(10, stream.Position);
        await HoldsAsync(stream, [.. Bytes(100, 1)[..40], .. new byte[20]]);
        stream.SetLength(0);
        Assert.Equal(0, stream.Position);
        Assert.Equal(-1, stream.ReadByte());
        stream.WriteByte(5);
        await HoldsAsync(stream, [5]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Copying_begins_at_the_position(bool viaAsync)
    {
        using Stream stream = Create();
        byte[] data = Bytes(10_000, 1);
        stream.Write(data);
        foreach (int bufferSize in (int[])[1, 100, 81_920])
        {
            stream.Position = 3;
            using var target = new MemoryStream();
            if (viaAsync)
            {
                await stream.CopyToAsync(target, bufferSize);
            }
            else
            {
                stream.CopyTo(target, bufferSize);
            }

            Assert.Equal(data[3..], target.ToArray());
            Assert.Equal(data.Length, stream.Position);
        }
    }

    [Fact]
    public async Task A_cancelled_call_does_nothing()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        var token = new CancellationToken(canceled: true);
        byte[] buffer = [9, 9, 9];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.ReadAsync(buffer, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.ReadAsync(buffer, 0, 1, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.WriteAsync(buffer, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.WriteAsync(buffer, 0, 1, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.FlushAsync(token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.CopyToAsync(Stream.Null, token));
        Assert.Equal(1, stream.Position);
        Assert.Equal([9, 9, 9], buffer);
        await HoldsAsync(stream, [1, 2, 3]);
    }

    [Fact]
    public void Begin_and_End_pass_state_and_callback()
    {
        using Stream stream = Create();
        using var called = new SemaphoreSlim(0);
        object state = new();
        IAsyncResult writing = stream.BeginWrite([1, 2, 3], 0, 3, _ => called.Release(), state);
        stream.EndWrite(writing);
        called.Wait();
        Assert.Same(state, writing.AsyncState);
        stream.Position = 0;
        byte[] found = new byte[5];
        IAsyncResult reading = stream.BeginRead(found, 1, 4, _ => called.Release(), state);
        Assert.Equal(3, stream.EndRead(reading));
        called.Wait();
        Assert.Same(state, reading.AsyncState);
        Assert.Equal([0, 1, 2, 3, 0], found);
    }

    [Fact]
    public void Reading_exactly_stops_at_the_end()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Flush();
        stream.Position = 0;
        byte[] found = new byte[3];
        stream.ReadExactly(found);
        Assert.Equal([1, 2, 3], found);
        stream.Position = 1;
        Assert.Throws<EndOfStreamException>(() => stream.ReadExactly(found));
        Assert.Equal(2, stream.ReadAtLeast([0, 0], 0, throwOnEndOfStream: false) + 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task After_disposal_everything_is_refused(int how)
    {
        Stream stream = Create();
        stream.Write([1, 2, 3]);
        switch (how)
        {
            case 0:
                stream.Dispose();
                break;
            case 1:
                stream.Close();
                break;
            default:
                await stream.DisposeAsync();
                break;
        }

        Assert.False(stream.CanRead);
        Assert.False(stream.CanSeek);
        Assert.False(stream.CanWrite);
        byte[] buffer = new byte[5];
        foreach (int count in (int[])[0, 1])
        {
            Assert.Throws<ObjectDisposedException>(() => stream.Read(buffer, 0, count));
            Assert.Throws<ObjectDisposedException>(() => stream.Read(buffer.AsSpan(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.ReadAsync(buffer.AsMemory(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.ReadAsync(buffer, 0, count));
            Assert.Throws<ObjectDisposedException>(() => stream.Write(buffer, 0, count));
            Assert.Throws<ObjectDisposedException>(() => stream.Write(buffer.AsSpan(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.WriteAsync(buffer.AsMemory(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.WriteAsync(buffer, 0, count));
        }

        Assert.Throws<ObjectDisposedException>(() => stream.ReadByte());
        Assert.Throws<ObjectDisposedException>(() => stream.WriteByte(1));
        Assert.Throws<ObjectDisposedException>(() => stream.Length);
        Assert.Throws<ObjectDisposedException>(() => stream.Position);
        Assert.Throws<ObjectDisposedException>(() => stream.Position = 0);
        Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin));
        Assert.ThrowsAny<Exception>(() => stream.SetLength(0));
        Assert.Throws<ObjectDisposedException>(() => stream.CopyTo(Stream.Null));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.CopyToAsync(Stream.Null));
        stream.Dispose();
        await stream.DisposeAsync();
    }

    protected abstract Stream Create();

    private static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static async Task HoldsAsync(Stream stream, byte[] expected)
    {
        long position = stream.Position;
        Assert.Equal(expected.Length, stream.Length);
        stream.Position = 0;
        byte[] found = new byte[expected.Length + 1];
        Assert.Equal(expected.Length, await stream.ReadAtLeastAsync(found, found.Length, throwOnEndOfStream: false));
        Assert.Equal(expected, found[..expected.Length]);
        stream.Position = position;
    }
}

public class UnbufferedPCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0));
}

public class Buffer1PCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 1);
}

public class Buffer2PCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 2);
}

public class Buffer16PCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 16);
}

public class Buffer4096PCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 4096);
}

public class TrulyAsyncPCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromStream(new Backing.AwkwardStream(0)));
}

public class BufferedTrulyAsyncPCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromStream(new Backing.AwkwardStream(0)), 64);
}

public class FilePCacheStreamConformanceTests : StreamConformanceTests
{
    protected override Stream Create() => new PCacheStream(BlockDevice.OpenFile(Folder.CreateFile($"{Guid.NewGuid():N}")), 256);
}

public class MemoryStreamControlTests : StreamConformanceTests
{
    protected override bool EmptyWriteGrows => true;

    protected override Stream Create() => new MemoryStream();
}

public class FileStreamControlTests : StreamConformanceTests
{
    protected override Stream Create() => new FileStream(Folder[$"{Guid.NewGuid():N}"], FileMode.CreateNew, FileAccess.ReadWrite);
}
