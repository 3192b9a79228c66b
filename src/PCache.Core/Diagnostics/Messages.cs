using Microsoft.Extensions.Logging;

namespace PCache.Core.Diagnostics;

/// <summary>
/// The log messages, each with a number that stays its own. docs/observability.md has them in a table that a test
/// holds against this file.
/// </summary>
internal static partial class Messages
{
    [LoggerMessage(1, LogLevel.Information,
        "Cache {CacheId} opened in {Milliseconds} ms: {Segments} segments of {SegmentSize} bytes, {LiveKeys} live "
        + "keys, {DirtyBytes} dirty bytes, region {Persistence}, read-only: {ReadOnly}.")]
    public static partial void Opened(
        ILogger logger, Guid cacheId, long milliseconds, int segments, int segmentSize, long liveKeys, long dirtyBytes,
        Persistence persistence, bool readOnly);

    [LoggerMessage(2, LogLevel.Information, "A new cache was made: {Segments} segments of {SegmentSize} bytes.")]
    public static partial void Created(ILogger logger, int segments, int segmentSize);

    [LoggerMessage(3, LogLevel.Information, "Cache {CacheId} closed: {DirtyBytes} dirty bytes stay in it.")]
    public static partial void Closed(ILogger logger, Guid cacheId, long dirtyBytes);

    [LoggerMessage(
        4, LogLevel.Error, "Cache {CacheId} closed with an error; acknowledged writes that were flushed are safe.")]
    public static partial void ClosedWithError(ILogger logger, Exception error, Guid cacheId);

    [LoggerMessage(5, LogLevel.Information, "Cache {CacheId}: the log ended in a kset that wasn't completely "
        + "written: an append was interrupted. Nothing acknowledged is missing.")]
    public static partial void TornLogEnd(ILogger logger, Guid cacheId);

    [LoggerMessage(6, LogLevel.Warning,
        "Cache {CacheId}: {LostKeys} acknowledged writes were already lost by the program that wrote the image.")]
    public static partial void LostWrites(ILogger logger, Guid cacheId, long lostKeys);

    [LoggerMessage(10, LogLevel.Warning,
        "Cache {CacheId}: write-back or garbage collection failed, {Failures} times in a row by now; tried again "
        + "in {RetryMilliseconds} ms. Nothing is lost. {Suppressed} such messages were left out.")]
    public static partial void MaintenanceFailed(
        ILogger logger, Exception error, Guid cacheId, int failures, long retryMilliseconds, long suppressed);

    [LoggerMessage(11, LogLevel.Information, "Cache {CacheId}: write-back goes on after {Failures} failures.")]
    public static partial void MaintenanceRecovered(ILogger logger, Guid cacheId, int failures);

    [LoggerMessage(12, LogLevel.Debug, "Cache {CacheId} is {Condition} now.")]
    public static partial void ConditionChanged(ILogger logger, Guid cacheId, PCacheCondition condition);

    [LoggerMessage(13, LogLevel.Warning, "Cache {CacheId} needs attention: {State}.")]
    public static partial void NeedsAttention(ILogger logger, Guid cacheId, PCacheState state);

    [LoggerMessage(14, LogLevel.Information, "Cache {CacheId} has recovered: {State}.")]
    public static partial void Recovered(ILogger logger, Guid cacheId, PCacheState state);

    [LoggerMessage(15, LogLevel.Error, "Cache {CacheId}: dirty data doesn't fit its checksum: bytes {Offset} to "
        + "{Last}. It is kept out of the backing. {Suppressed} such messages were left out.")]
    public static partial void DamagedData(ILogger logger, Guid cacheId, long offset, long last, long suppressed);

    [LoggerMessage(16, LogLevel.Error, "Cache {CacheId}: a flush of the cache's medium failed: what was written "
        + "since the last one may be lost in a crash. {Suppressed} such messages were left out.")]
    public static partial void FlushFailed(ILogger logger, Exception error, Guid cacheId, long suppressed);

    [LoggerMessage(17, LogLevel.Warning,
        "Cache {CacheId}: the backing failed to read. {Suppressed} such messages were left out.")]
    public static partial void BackingReadFailed(ILogger logger, Exception error, Guid cacheId, long suppressed);

    [LoggerMessage(18, LogLevel.Warning,
        "Cache {CacheId}: a write found no room, and none could be made. {Suppressed} such messages were left out.")]
    public static partial void NoRoom(ILogger logger, Exception error, Guid cacheId, long suppressed);

    [LoggerMessage(19, LogLevel.Error, "Cache {CacheId}: a handler of StateChanged threw.")]
    public static partial void HandlerFailed(ILogger logger, Exception error, Guid cacheId);

    [LoggerMessage(20, LogLevel.Warning, "Cache {CacheId}: operations were still running {Milliseconds} ms after "
        + "the close began; they are left to end on their own.")]
    public static partial void CloseGaveUp(ILogger logger, Guid cacheId, long milliseconds);

    [LoggerMessage(21, LogLevel.Debug, "Cache {CacheId}: drained in {Milliseconds} ms.")]
    public static partial void Drained(ILogger logger, Guid cacheId, long milliseconds);

    [LoggerMessage(22, LogLevel.Information,
        "Cache {CacheId} is still closing after {Milliseconds} ms ({Stage}); {DirtyBytes} dirty bytes are in it.")]
    public static partial void StillClosing(
        ILogger logger, Guid cacheId, long milliseconds, CloseStage stage, long dirtyBytes);

    [LoggerMessage(23, LogLevel.Error, "Cache {CacheId}: the CloseProgress callback threw; it isn't called again.")]
    public static partial void CloseProgressFailed(ILogger logger, Exception error, Guid cacheId);
}
