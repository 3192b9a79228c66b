using System.Diagnostics;
using PCache.Core.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Engine;

/// <summary>
/// How long one close may take, and where it reports how far it has come. Keeps true: no wait goes on beyond the time
/// that the close has as a whole; no interrupt ends one; a close that takes
/// longer than a second says so in the log, then at intervals that double, up to a minute; what a progress callback
/// throws doesn't stop the close, and it isn't called again.
/// Belongs to the closing thread, but for <see cref="Left"/>.
/// </summary>
internal sealed class CloseMonitor(PCacheOptions options, DeviceDiagnostics diagnostics, DirtyCounters dirty)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan FirstMessage = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(1);

    private readonly long _begun = Stopwatch.GetTimestamp();
    private IProgress<CloseProgress>? _progress = options.CloseProgress;
    private TimeSpan _nextMessage = FirstMessage;
    private TimeSpan _silence = FirstMessage;
    private CloseStage _stage;

    /// <summary>
    /// What is left of the time, zero or more; <see cref="Timeout.InfiniteTimeSpan"/>: there is no end.
    /// </summary>
    public TimeSpan Left
    {
        get
        {
            if (options.DisposeTimeout == Timeout.InfiniteTimeSpan)
            {
                return Timeout.InfiniteTimeSpan;
            }

            TimeSpan left = options.DisposeTimeout - Elapsed;
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>What a drain leaves for the rest of the close: a quarter of the time, at most a second.</summary>
    public TimeSpan Reserve =>
        options.DisposeTimeout == Timeout.InfiniteTimeSpan
            ? TimeSpan.Zero
            : TimeSpan.FromTicks(Math.Min(options.DisposeTimeout.Ticks / 4, TimeSpan.TicksPerSecond));

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_begun);

    /// <summary>A stage begins.</summary>
    public void Begin(CloseStage stage)
    {
        _stage = stage;
        Report();
    }

    /// <summary>
    /// Waits until the task has completed, however; false: the time was over before, less <paramref name="reserve"/>.
    /// </summary>
    public bool Wait(Task task, TimeSpan reserve = default)
    {
        while (true)
        {
            TimeSpan left = Left;
            bool isLast = left != Timeout.InfiniteTimeSpan && left - reserve <= Interval;
            TimeSpan slice = !isLast ? Interval : left > reserve ? left - reserve : TimeSpan.Zero;
            if (Uninterrupted.Wait(task, slice))
            {
                return true;
            }

            if (isLast)
            {
                return false;
            }

            Report();
            if (Elapsed >= _nextMessage)
            {
                Messages.StillClosing(
                    diagnostics.Logger, diagnostics.CacheId, (long)Elapsed.TotalMilliseconds, _stage, dirty.Bytes);
                _silence = _silence + _silence < LongestSilence ? _silence + _silence : LongestSilence;
                _nextMessage = Elapsed + _silence;
            }
        }
    }

    private void Report()
    {
        try
        {
            _progress?.Report(new CloseProgress(_stage, Elapsed, dirty.Bytes));
        }
        catch (Exception e)
        {
            _progress = null;
            Messages.CloseProgressFailed(diagnostics.Logger, e, diagnostics.CacheId);
        }
    }
}
