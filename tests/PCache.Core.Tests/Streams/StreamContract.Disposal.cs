#pragma warning disable CA1835, CA2022 // these very overloads, and what they return, are what is tested

namespace PCache.Core.Tests.Streams;

/// <content>The end of a stream.</content>
public abstract partial class StreamContract
{
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
            await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
                await stream.ReadAsync(buffer.AsMemory(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.ReadAsync(buffer, 0, count));
            Assert.Throws<ObjectDisposedException>(() => stream.Write(buffer, 0, count));
            Assert.Throws<ObjectDisposedException>(() => stream.Write(buffer.AsSpan(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
                await stream.WriteAsync(buffer.AsMemory(0, count)));
            await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.WriteAsync(buffer, 0, count));
        }

        Assert.Throws<ObjectDisposedException>(() => stream.ReadByte());
        Assert.Throws<ObjectDisposedException>(() => stream.WriteByte(1));
        Assert.Throws<ObjectDisposedException>(() => stream.Length);
        Assert.Throws<ObjectDisposedException>(() => stream.Position);
        Assert.Throws<ObjectDisposedException>(() => stream.Position = 0);
        Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin));
        Assert.ThrowsAny<Exception>(() => stream.SetLength(0));
        Assert.Throws<ObjectDisposedException>(() => stream.ReadExactly(buffer));
        Assert.Throws<ObjectDisposedException>(() => stream.ReadAtLeast(buffer, 1));
        Assert.True(Record.Exception(() => stream.BeginRead(buffer, 0, 1, null, null)) is ObjectDisposedException
            or NotSupportedException);
        Assert.True(Record.Exception(() => stream.BeginWrite(buffer, 0, 1, null, null)) is ObjectDisposedException
            or NotSupportedException);
        if (!FlushIgnoresDisposal)
        {
            Assert.Throws<ObjectDisposedException>(stream.Flush);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.FlushAsync());
        }

        Assert.Throws<ObjectDisposedException>(() => stream.CopyTo(Stream.Null));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.CopyToAsync(Stream.Null));
        stream.Dispose();
        await stream.DisposeAsync();
    }
}
