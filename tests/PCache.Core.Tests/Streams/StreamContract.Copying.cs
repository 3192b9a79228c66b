namespace PCache.Core.Tests.Streams;

/// <content>Copying.</content>
public abstract partial class StreamContract
{
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
    public async Task At_the_end_and_beyond_it_nothing_is_copied()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        using var target = new MemoryStream();
        foreach (long position in (long[])[3, 10])
        {
            stream.Position = position;
            stream.CopyTo(target);
            await stream.CopyToAsync(target);
            Assert.Equal(position, stream.Position);
        }

        Assert.Equal(0, target.Length);
        stream.Position = 2;
        stream.CopyTo(target);
        target.WriteByte(9); // it was left open
        Assert.Equal([3, 9], target.ToArray());
    }

    [Fact]
    public async Task What_cannot_be_copied_to_is_refused()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        var closed = new MemoryStream();
        closed.Dispose();
        using var readOnly = new MemoryStream([], writable: false);
        Assert.Throws<ObjectDisposedException>(() => stream.CopyTo(closed));
        Assert.Throws<NotSupportedException>(() => stream.CopyTo(readOnly));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.CopyToAsync(closed));
        await Assert.ThrowsAsync<NotSupportedException>(() => stream.CopyToAsync(readOnly));
        Assert.Equal(1, stream.Position);
    }

    [Fact]
    public async Task It_can_be_copied_to_and_from_one_of_its_kind()
    {
        using Stream one = Create();
        using Stream two = Create();
        byte[] data = Bytes(20_000, 5);
        two.Write([7]);
        one.Write(data);
        one.Position = 0;
        one.CopyTo(two, 777);
        Assert.Equal(20_001, two.Position);
        two.Position = 1;
        await two.CopyToAsync(one);
        await HoldsAsync(one, [.. data, .. data]);
        await HoldsAsync(two, [7, .. data]);
    }
}
