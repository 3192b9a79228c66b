// What every Stream refuses, and that nothing has changed then.

#pragma warning disable CA1835, CA2022 // these very overloads, and what they return, are what is tested

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

public abstract partial class StreamContract
{
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
        foreach ((int offset, int count) in ((int, int)[])[(-1, 0), (0, -1), (0, 6), (6, 0), (5, 1), (1, int.MaxValue),
            (int.MaxValue, 1)])
        {
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.Read(buffer, offset, count));
            Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.Write(buffer, offset, count));
            await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(async () =>
                await stream.ReadAsync(buffer, offset, count));
            await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(async () =>
                await stream.WriteAsync(buffer, offset, count));
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
    public async Task Bad_arguments_of_every_overload_are_refused_at_once_and_before_cancellation()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        var cancelled = new CancellationToken(canceled: true);
        byte[] buffer = new byte[5];

        // Not in the tasks: the calls themselves throw.
        Assert.Throws<ArgumentNullException>(() => { _ = stream.ReadAsync(null!, 0, 0, cancelled); });
        Assert.Throws<ArgumentNullException>(() => { _ = stream.WriteAsync(null!, 0, 0, cancelled); });
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => { _ = stream.ReadAsync(buffer, 0, 6, cancelled); });
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => { _ = stream.WriteAsync(buffer, -1, 1, cancelled); });
        Assert.Throws<ArgumentNullException>(() => { _ = stream.CopyToAsync(null!, 10, cancelled); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = stream.CopyToAsync(Stream.Null, 0, cancelled); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = stream.CopyToAsync(Stream.Null, -1, cancelled); });
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.CopyTo(Stream.Null, -1));
        Assert.Throws<ArgumentNullException>(() => stream.BeginRead(null!, 0, 0, null, null));
        Assert.Throws<ArgumentNullException>(() => stream.BeginWrite(null!, 0, 0, null, null));
        Assert.Throws<ArgumentNullException>(() => stream.EndRead(null!));
        Assert.Throws<ArgumentNullException>(() => stream.EndWrite(null!));
        Assert.Throws<ArgumentNullException>(() => stream.ReadExactly(null!, 0, 0));
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => stream.ReadExactly(buffer, 3, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.ReadAtLeast(buffer, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.ReadAtLeast(buffer, 6));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await stream.ReadExactlyAsync(null!, 0, 0));
        await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(async () =>
            await stream.ReadExactlyAsync(buffer, 3, 3));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await stream.ReadAtLeastAsync(buffer, 6));
        Assert.Equal(1, stream.Position);
        await HoldsAsync(stream, [1, 2, 3]);
    }

    [Fact]
    public void Results_of_other_calls_are_refused()
    {
        using Stream stream = Create();
        Assert.IsAssignableFrom<SystemException>(Record.Exception(() => stream.EndRead(Task.FromResult("not a read"))));
        Assert.IsAssignableFrom<SystemException>(Record.Exception(() => stream.EndWrite(new ForeignResult())));
        IAsyncResult writing = stream.BeginWrite([1], 0, 1, null, null);
        Assert.IsAssignableFrom<SystemException>(Record.Exception(() => stream.EndRead(writing)));
    }

    [Fact]
    public async Task Empty_reads_and_writes_change_nothing_wherever_the_position_is()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        foreach (long position in (long[])[0, 1, 3])
        {
            stream.Position = position;
            foreach (ReadMode mode in Enum.GetValues<ReadMode>())
            {
                Assert.Equal(0, await StreamModes.ReadAsync(stream, mode, [], 0, 0));
                Assert.Equal(0, await StreamModes.ReadAsync(stream, mode, new byte[3], 3, 0));
            }

            foreach (WriteMode mode in Enum.GetValues<WriteMode>())
            {
                await StreamModes.WriteAsync(stream, mode, [], 0, 0);
                await StreamModes.WriteAsync(stream, mode, new byte[3], 3, 0);
            }

            Assert.Equal(position, stream.Position);
        }

        await HoldsAsync(stream, [1, 2, 3]);
    }

    private sealed class ForeignResult : IAsyncResult
    {
        public object? AsyncState => null;

        public WaitHandle AsyncWaitHandle => new ManualResetEvent(true);

        public bool CompletedSynchronously => true;

        public bool IsCompleted => true;
    }
}
