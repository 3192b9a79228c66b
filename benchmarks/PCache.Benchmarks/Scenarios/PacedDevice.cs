// Keeps true: content and errors are those of the device behind; over any longer time it takes no more than so many
// calls and so many bytes a second, however many wait at once. Unlike the demo's slow disk it sleeps only when it is
// some milliseconds behind, and catches up what a sleep took too long: the rate is exact, single latencies aren't.
using System.Diagnostics;
using PCache.Core;
using PCache.Tool;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A device of a fixed rate.</summary>
/// <param name="inner">The device behind; disposed with this.</param>
/// <param name="bytesPerSecond">Bandwidth.</param>
/// <param name="perCall">What each call costs besides.</param>
internal sealed class PacedDevice(IBlockDevice inner, double bytesPerSecond, TimeSpan perCall) : DelegatingDevice(inner)
{
    private static readonly long Slack = Stopwatch.Frequency / 500;
    private readonly Lock _gate = new();
    private long _busyUntil;

    public override int Read(long offset, Span<byte> buffer)
    {
        Wait(buffer.Length);
        return base.Read(offset, buffer);
    }

    public override async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer,
        CancellationToken cancellationToken = default)
    {
        await WaitAsync(buffer.Length, cancellationToken).ConfigureAwait(false);
        return await base.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
    }

    public override void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability =
        WriteDurability.Normal)
    {
        Wait(buffer.Length);
        base.Write(offset, buffer, durability);
    }

    public override async ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        await WaitAsync(buffer.Length, cancellationToken).ConfigureAwait(false);
        await base.WriteAsync(offset, buffer, durability, cancellationToken).ConfigureAwait(false);
    }

    public override void Flush()
    {
        Wait(0);
        base.Flush();
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        await WaitAsync(0, cancellationToken).ConfigureAwait(false);
        await base.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Wait(long bytes)
    {
        TimeSpan delay = Reserve(bytes);
        if (delay > TimeSpan.Zero)
        {
            Thread.Sleep(delay);
        }
    }

    private async ValueTask WaitAsync(long bytes, CancellationToken cancellationToken)
    {
        TimeSpan delay = Reserve(bytes);
        if (delay > TimeSpan.Zero)
        {
            await Task.Delay(delay, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Queues the call behind those before it; says how long to wait when that is worth a sleep.</summary>
    private TimeSpan Reserve(long bytes)
    {
        long now = Stopwatch.GetTimestamp();
        long cost = (long)((perCall.TotalSeconds + (bytes / bytesPerSecond)) * Stopwatch.Frequency);
        lock (_gate)
        {
            // Idle time isn't saved up, but for what sleeps take too long.
            _busyUntil = Math.Max(_busyUntil, now - (4 * Slack)) + cost;
            return _busyUntil - now > Slack ? Stopwatch.GetElapsedTime(now, _busyUntil) : TimeSpan.Zero;
        }
    }
}
