using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>The stream views of a cache: what is theirs beyond what every Stream does (see Streams).</summary>
public sealed class StreamTests
{
    [Fact]
    public void A_buffer_is_private_until_it_is_flushed()
    {
        using var cache = new SmallCache();
        using PCacheStream buffered = cache.Device.OpenStream(4096);
        using PCacheStream plain = cache.Device.OpenStream();
        buffered.Write([1, 2, 3]);
        Assert.Equal(0, plain.ReadByte());
        buffered.Flush();
        Assert.Equal(2, plain.ReadByte());
        buffered.Write([4]);
        buffered.Dispose();
        plain.Position = 3;
        Assert.Equal(4, plain.ReadByte());
    }

    [Fact]
    public async Task Bad_arguments_are_refused()
    {
        using var cache = new SmallCache();
        using PCacheStream stream = cache.Device.OpenStream();
        stream.Position = 10;
        var bytes = new byte[10];
        Assert.Throws<ArgumentNullException>(() => { _ = stream.Read(null!, 0, 1); });
        Assert.Throws<ArgumentNullException>(() => stream.Write(null!, 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = stream.Read(bytes, -1, 1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Write(bytes, 0, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Write(bytes, 5, 6));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.SetLength(-1));
        Assert.ThrowsAny<ArgumentException>(() => stream.Seek(0, (SeekOrigin)9));
        Assert.Throws<IOException>(() => stream.Seek(-11, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
#pragma warning disable CA1835 // The overload with arrays is what is tested.
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await stream.WriteAsync(bytes, 5, 6));
#pragma warning restore CA1835
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await stream.ReadExactlyAsync(bytes.AsMemory(), cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await stream.WriteAsync(bytes.AsMemory(), cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.FlushAsync(cancelled.Token));
        Assert.Equal(10, stream.Position);
        Assert.Equal(0, cache.Status.WrittenBytes);
    }

    [Fact]
    public void A_closed_stream_says_so_and_leaves_the_others()
    {
        using var cache = new SmallCache();
        PCacheStream one = cache.Device.OpenStream();
        using var two = new PCacheStream(cache.Device, leaveOpen: true);
        Assert.Same(cache.Device, two.Device);
        one.Dispose();
        one.Dispose();
        Assert.False(one.CanRead || one.CanWrite || one.CanSeek);
        Action[] calls =
        [
            () => one.ReadByte(), () => one.WriteByte(1), one.Flush, () => one.Seek(0, SeekOrigin.Begin), () =>
                _ = one.Length, () => _ = one.Position,
            () => one.Position = 1, () => one.SetLength(1), () => one.ReadExactly(new byte[1], 0, 1), () =>
                one.Write(new byte[1], 0, 1),
        ];
        Assert.All(calls, call => Assert.Throws<ObjectDisposedException>(call));
        two.WriteByte(5);
        two.Dispose();
        Assert.Equal(1, cache.Device.Read(0, new byte[1]));
        new PCacheStream(cache.Device).Dispose();
        Assert.Throws<ObjectDisposedException>(() => cache.Device.Flush());
    }

    [Fact]
    public async Task One_line_makes_any_stream_a_cached_stream()
    {
        using var folder = new TempFolder();
        string path = folder["cache"];
        var options = new PCacheOptions { SegmentSizeBytes = 65536, PayloadCrc = true, LeaveBackingOpen = true };
        using var backing = new MemoryStream();
        backing.SetLength(200_000);
        await using (PCacheStream stream = PCacheStream.OpenOrCreate(path, Rig.RegionLength(8), backing, options))
        {
            stream.Position = 1000;
            stream.Write("kept in the cache"u8);
        }

        Assert.True(backing.CanRead);
        Assert.True(backing.ToArray().AsSpan().IndexOfAnyExcept((byte)0) < 0);
        using (PCacheStream stream = PCacheStream.OpenOrCreate(path, Rig.RegionLength(8), backing, options))
        {
            stream.Position = 1000;
            var bytes = new byte[17];
            stream.ReadExactly(bytes);
            Assert.Equal("kept in the cache"u8.ToArray(), bytes);
            await stream.Cache!.DrainAsync();
        }

        Assert.Equal("kept in the cache"u8.ToArray(), backing.ToArray()[1000..1017]);
        using (PCacheStream stream = PCacheStream.OpenOrCreate(path, Rig.RegionLength(8), backing,
            options with { LeaveBackingOpen = false }))
        {
            Assert.Equal(200_000, stream.Length);
        }

        Assert.False(backing.CanRead);
    }
}
