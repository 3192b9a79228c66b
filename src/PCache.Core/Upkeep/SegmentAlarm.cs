using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Store;

namespace PCache.Core.Upkeep;

/// <summary>
/// Wakes the maintenance when a segment was begun. Its thread may be dozing until a timer, and a fast writer fills a
/// cache within that time: so it is woken where write-back is meant to begin at once, or has to begin because the
/// cache fills up.
/// </summary>
internal sealed class SegmentAlarm(
    SegmentTable segments, DeviceRecords records, TimeSpan writebackDelay, WorkSignal work)
{
    /// <summary>
    /// Whether so much of the cache is in use that write-back and collection go on, whatever the delays say.
    /// </summary>
    public bool IsOverThreshold => segments.UsedCount * 100L >= (long)records.GcPercent * segments.Count;

    /// <summary>A segment was begun. Any thread, under a head's lock.</summary>
    public void SegmentOpened()
    {
        if (writebackDelay < Maintenance.LongestSleep || IsOverThreshold)
        {
            work.TellNow();
        }
    }
}
