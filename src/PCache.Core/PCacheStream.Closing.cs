using PCache.Core.Primitives;

namespace PCache.Core;

/// <summary>
/// The stream's end. Keeps true: what is pending is handed over, or its loss is told; nothing that hangs keeps the
/// caller longer than the device's own time-out; the stream is disposed all the same. Whatever hangs has the buffer
/// for itself.
/// </summary>
public sealed partial class PCacheStream
{
    /// <summary>
    /// Hands what is pending to the device, without a flush, and disposes the device unless it is to be left open. A
    /// cache that has no room, or hangs, is waited for no longer than its <see cref="PCacheOptions.DisposeTimeout"/>.
    /// </summary>
    /// <exception cref="IOException">What was pending couldn't be handed over (it is lost then), or the device failed
    /// at its end. The stream is disposed all the same.</exception>
    /// <exception cref="ObjectDisposedException">Something was pending, and the device is disposed: it is
    /// lost.</exception>
    public override async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        try
        {
            if (_isPending && _device is PCacheDevice cache)
            {
                using var stop = new CancellationTokenSource();
                Task handingOver = HandOverAtLastAsync(stop.Token);
                if (await Task.WhenAny(handingOver, Task.Delay(cache.DisposeTimeout, stop.Token)).ConfigureAwait(false)
                    != handingOver && !handingOver.IsCompleted)
                {
                    await stop.CancelAsync().ConfigureAwait(false);
                    throw NotHandedOver(cache);
                }

                await stop.CancelAsync().ConfigureAwait(false); // it has ended: this ends the delay
                await handingOver.ConfigureAwait(false);
            }

            await HandOverAsync(CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            MarkDisposed();
            if (!_leaveOpen)
            {
                await _device.DisposeAsync().ConfigureAwait(false);
            }

            await base.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc cref="DisposeAsync"/>
    protected override void Dispose(bool disposing)
    {
        try
        {
            if (disposing && !_disposed)
            {
                try
                {
                    HandOverAtLast();
                }
                finally
                {
                    MarkDisposed();
                    if (!_leaveOpen)
                    {
                        _device.Dispose();
                    }
                }
            }
        }
        finally
        {
            base.Dispose(disposing);
        }
    }

    // Whatever hangs: the buffer is this stream's alone, and may go on to be used by a call that is left to end on
    // its own.
    private void HandOverAtLast()
    {
        if (_isPending && _device is PCacheDevice cache)
        {
            var stop = new CancellationTokenSource(); // not disposed: a call that hangs still has its token
            Task handingOver = HandOverAtLastAsync(stop.Token);
            if (!Uninterrupted.Wait(handingOver, cache.DisposeTimeout))
            {
                stop.Cancel();
                throw NotHandedOver(cache);
            }

            handingOver.GetAwaiter().GetResult();
        }

        HandOver();
    }

    // On a thread of the pool: a stream under the cache may hang in what is called asynchronous.
    private Task HandOverAtLastAsync(CancellationToken cancellationToken)
    {
        long offset = _bufferOffset;
        Memory<byte> bytes = _buffer.AsMemory(0, _bufferCount);
        return Task.Run(
            async () =>
            {
                await _device.WriteAsync(offset, bytes, _durability, cancellationToken).ConfigureAwait(false);
                NothingPending();
            },
            CancellationToken.None);
    }

    private PCacheException NotHandedOver(PCacheDevice cache) => new(
        $"The last {_bufferCount} bytes written to this stream, at position {_bufferOffset}, were still in its buffer "
        + $"and couldn't be handed to the cache within PCacheOptions.DisposeTimeout "
        + $"({cache.DisposeTimeout.TotalSeconds:0.###} s): they may be lost. Flush the stream before it is disposed to "
        + $"be able to try again.");
}
