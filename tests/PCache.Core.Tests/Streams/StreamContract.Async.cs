// Asynchronous calls: cancellation, Begin and End, buffers of all kinds, flushes.

#pragma warning disable CA1835, CA2022 // these very overloads, and what they return, are what is tested

namespace PCache.Core.Tests.Streams;

public abstract partial class StreamContract
{
    [Fact]
    public async Task A_cancelled_call_does_nothing()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        var token = new CancellationToken(canceled: true);
        byte[] buffer = [9, 9, 9];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.ReadAsync(buffer, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await stream.ReadAsync(buffer, 0, 1, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.WriteAsync(buffer, token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await stream.WriteAsync(buffer, 0, 1, token));
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
    public async Task A_cancelled_call_answers_with_a_cancelled_task()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Flush();
        stream.Position = 1;
        var token = new CancellationToken(canceled: true);
        byte[] buffer = [9, 9, 9];
        Task[] tasks =
        [
            stream.ReadAsync(buffer, token).AsTask(), stream.ReadAsync(buffer, 0, 1, token),
                stream.WriteAsync(buffer, token).AsTask(), stream.WriteAsync(buffer, 0, 1, token),
            stream.FlushAsync(token), stream.CopyToAsync(Stream.Null, token),
                stream.ReadExactlyAsync(buffer, token).AsTask(),
                stream.ReadAtLeastAsync(buffer, 1, true, token).AsTask(),
            stream.ReadAsync(Memory<byte>.Empty, token).AsTask(),
                stream.WriteAsync(ReadOnlyMemory<byte>.Empty, token).AsTask(),
        ];
        foreach (Task task in tasks)
        {
            OperationCanceledException e = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
            Assert.Equal(TaskStatus.Canceled, task.Status);
            Assert.Equal(token, e.CancellationToken);
        }

        Assert.Equal(1, stream.Position);
        await HoldsAsync(stream, [1, 2, 3]);
    }

    [Fact]
    public async Task Memory_that_is_no_array_will_do()
    {
        using Stream stream = Create();
        byte[] data = Bytes(5000, 1);
        using (var native = new NativeBytes(5000))
        {
            data.CopyTo(native.GetSpan());
            await stream.WriteAsync(native.Memory);
            stream.Write(native.GetSpan()[..10]);
        }

        stream.Position = 0;
        using (var native = new NativeBytes(6000))
        {
            await stream.ReadExactlyAsync(native.Memory[..100]);
            stream.ReadExactly(native.GetSpan()[100..200]);
            Assert.Equal(4810, await stream.ReadAtLeastAsync(native.Memory[200..], 5000, throwOnEndOfStream: false));
            Assert.Equal([.. data, .. data[..10]], native.GetSpan()[..5010].ToArray());
        }
    }

    [Fact]
    public async Task Flushing_keeps_position_and_content_however_often()
    {
        using Stream stream = Create();
        stream.Flush();
        await stream.FlushAsync();
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        stream.Flush();
        stream.Flush();
        Assert.Equal(1, stream.Position);
        Assert.Equal(2, stream.ReadByte());
        await stream.FlushAsync();
        Assert.Equal(2, stream.Position);
        stream.WriteByte(9);
        await stream.FlushAsync();
        await HoldsAsync(stream, [1, 2, 9]);
    }

    private sealed unsafe class NativeBytes(int length) : System.Buffers.MemoryManager<byte>
    {
        private readonly byte* _bytes = (byte*)System.Runtime.InteropServices.NativeMemory.AllocZeroed((nuint)length);

        public override Span<byte> GetSpan() => new(_bytes, length);

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0) => new(_bytes + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing) => System.Runtime.InteropServices.NativeMemory.Free(_bytes);
    }
}
