// Streams that can't grow, and streams that can't be written: what they refuse, and that nothing has changed then.

namespace PCache.Core.Tests.Streams;

/// <summary>A writable stream of exactly 1000 bytes, which count 0, 1, 2, ...</summary>
public abstract class FixedStreamContract : StreamContractBase
{
    [Fact]
    public async Task What_would_exceed_it_is_refused_and_nothing_changes()
    {
        using Stream stream = Create();
        Assert.True(stream.CanWrite);
        stream.Position = 998;
        Assert.Throws<NotSupportedException>(() => stream.Write([1, 2, 3]));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(new byte[] { 1, 2, 3 }));
        Assert.Throws<NotSupportedException>(() => stream.Write(new byte[5000], 0, 5000));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1001));
        Assert.Equal(998, stream.Position);
        Assert.Equal(1000, stream.Length);
        stream.Write([8, 9]);
        Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
        stream.Flush();
        Assert.Equal(1000, stream.Position);
        await HoldsAsync(stream, [.. LimitedContent.Bytes[..998], 8, 9]);
    }

    [Fact]
    public void Beyond_its_end_there_is_nothing_and_no_way_to_write()
    {
        using Stream stream = Create();
        stream.Position = 1500;
        Assert.Equal(-1, stream.ReadByte());
        Assert.Equal(0, stream.Read(new byte[10], 0, 10));
        Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
        Assert.Equal(1500, stream.Position);
        Assert.Equal(1000, stream.Length);
    }
}

/// <summary>A stream of 1000 bytes, which count 0, 1, 2, ..., that can't be written.</summary>
public abstract class ReadOnlyStreamContract : StreamContractBase
{
    [Fact]
    public async Task Every_way_to_write_is_refused()
    {
        using Stream stream = Create();
        Assert.True(stream.CanRead);
        Assert.True(stream.CanSeek);
        Assert.False(stream.CanWrite);
        stream.Position = 10;
        byte[] data = [1, 2, 3];
        Assert.Throws<NotSupportedException>(() => stream.Write(data, 0, 3));
        Assert.Throws<NotSupportedException>(() => stream.Write(data.AsSpan()));
        Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(500));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1000));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(data));
#pragma warning disable CA1835 // this very overload is tested
        await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(data, 0, 3));
#pragma warning restore CA1835
        await Assert.ThrowsAsync<NotSupportedException>(() =>
            Task.Factory.FromAsync(stream.BeginWrite, stream.EndWrite, data, 0, 3, null));
        using var source = new MemoryStream(data);
        Assert.Throws<NotSupportedException>(() => source.CopyTo(stream));
        Assert.Equal(10, stream.Position);
        stream.Flush();
        await stream.FlushAsync();
        await HoldsAsync(stream, LimitedContent.Bytes);
    }

    [Fact]
    public async Task Everything_else_works()
    {
        using Stream stream = Create();
        Assert.Equal(990, stream.Seek(-10, SeekOrigin.End));
        byte[] found = new byte[20];
        Assert.Equal(10, await stream.ReadAtLeastAsync(found, 20, throwOnEndOfStream: false));
        Assert.Equal(LimitedContent.Bytes[990..], found[..10]);
        stream.Position = 0;
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        Assert.Equal(LimitedContent.Bytes, copy.ToArray());
        stream.Position = 2000;
        Assert.Equal(-1, stream.ReadByte());
    }
}

internal static class LimitedContent
{
    public static byte[] Bytes { get; } = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
}
