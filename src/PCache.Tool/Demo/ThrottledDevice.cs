// Keeps true: content and errors are those of the device behind; every read, write and flush takes at least its
// latency, and all together no more than the bandwidth.
using System.Diagnostics;
using PCache.Core;

namespace PCache.Tool.Demo;

/// <summary>A device made slow: like a disk far away.</summary>
internal sealed class ThrottledDevice(
    IBlockDevice inner, TimeSpan readLatency, TimeSpan writeLatency, long bytesPerSecond) : DelegatingDevice(inner)
{
    private readonly Lock _gate = new();
    private long _busyUntil;

    public override int Read(long offset, Span<byte> buffer)
    {
        Wait(readLatency, buffer.Length);
        return base.Read(offset, buffer);
    }

    public override async ValueTask<int> ReadAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await WaitAsync(readLatency, buffer.Length, cancellationToken).ConfigureAwait(false);
        return await base.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
    }

    public override void Write(
        long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        Wait(writeLatency, buffer.Length);
        base.Write(offset, buffer, durability);
    }

    public override async ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        await WaitAsync(writeLatency, buffer.Length, cancellationToken).ConfigureAwait(false);
        await base.WriteAsync(offset, buffer, durability, cancellationToken).ConfigureAwait(false);
    }

    public override void Flush()
    {
        Wait(writeLatency, 0);
        base.Flush();
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        await WaitAsync(writeLatency, 0, cancellationToken).ConfigureAwait(false);
        await base.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public override void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        Wait(writeLatency, length);
        base.WriteZeroes(offset, length, durability);
    }

    public override async ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        await WaitAsync(writeLatency, length, cancellationToken).ConfigureAwait(false);
        await base.WriteZeroesAsync(offset, length, durability, cancellationToken).ConfigureAwait(false);
    }

    private void Wait(TimeSpan latency, long bytes)
    {
        TimeSpan delay = Reserve(latency, bytes);
        if (delay > TimeSpan.Zero)
        {
            Thread.Sleep(delay);
        }
    }

    private async ValueTask WaitAsync(TimeSpan latency, long bytes, CancellationToken cancellationToken)
    {
        TimeSpan delay = Reserve(latency, bytes);
        if (delay > TimeSpan.Zero)
        {
            await Task.Delay(delay, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Queues the transfer behind those before it; latencies overlap, transfers don't.</summary>
    private TimeSpan Reserve(TimeSpan latency, long bytes)
    {
        long now = Stopwatch.GetTimestamp();
        long transfer = (long)((double)bytes / bytesPerSecond * Stopwatch.Frequency);
        long end;
        lock (_gate)
        {
            _busyUntil = Math.Max(_busyUntil, now) + transfer;
            end = _busyUntil;
        }

        return Stopwatch.GetElapsedTime(now, end) + latency;
    }
}
