using System.Diagnostics;

namespace PCache.Core.Engine;

internal sealed partial class CacheEngine
{
    private sealed partial class Maintenance
    {
        /// <summary>How long a close waits for a step under way at a time: the step may hang in the backing.</summary>
        private static readonly TimeSpan StepPatience = TimeSpan.FromMilliseconds(20);

        /// <summary>
        /// Takes keys that were dead when the cache was opened out of the log, for a close that comes before <see cref="Step"/> had the time: Linux refuses an image with dead
        /// keys whose payload is gone. Keeps true: only what is written back leaves the log; the backing isn't called; it takes no longer than <paramref name="limit"/>; what
        /// stays in (it stands behind the dirty tail, or the medium failed) is no loss and no failure of the close.
        /// </summary>
        public void CollectDeadKeys(TimeSpan limit)
        {
            long started = Stopwatch.GetTimestamp();
            while (!IsInsideStep
                && _engine._positions.KeyTail.Distance < _collectUntil
                && _engine._collector.HasWork
                && (limit == Timeout.InfiniteTimeSpan || Stopwatch.GetElapsedTime(started) < limit))
            {
                if (!_stepLock.TryEnter(StepPatience))
                {
                    continue;
                }

                try
                {
                    _engine._collector.Step(forGood: true);
                }
                catch (IOException)
                {
                    return;
                }
                finally
                {
                    _stepLock.Exit();
                }
            }
        }
    }
}
