using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PCache.Core;
using PCache.Core.Files;

namespace PCache.Sqlite.Databases;

/// <summary>
/// Warns of a cache that makes everything slower: brought to the disk at every synchronisation, and on the very disk
/// of the database. Keeps true: once for each registration.
/// </summary>
internal sealed class SlowCacheWarning
{
    private static readonly Action<ILogger, string, Exception?> SameDevice = LoggerMessage.Define<string>(
        LogLevel.Warning,
        new EventId(1, nameof(SameDevice)),
        "The cache is on the same device as {Database} and is brought to the disk at every synchronisation "
        + "(PowerSafe), so that it is slower than no cache. "
        + "Set PCacheVfsOptions.CacheDirectory to a folder on faster storage, or PowerSafe to false if commits need to "
        + "survive the death of the process only.");

    private readonly ILogger? _logger;
    private int _told;

    /// <summary>Warns at once where there is no doubt: the cache is beside each database.</summary>
    public SlowCacheWarning(PCacheVfsOptions options)
    {
        if (options.Region is { Persistence: Persistence.PageCache, PowerSafe: true })
        {
            _logger = (options.LoggerFactory ?? NullLoggerFactory.Instance).CreateLogger("PCache.Sqlite");
            if (options.CacheDirectory is null)
            {
                Tell("each database, beside which it is,");
            }
        }
    }

    /// <summary>Looks at a database and its cache.</summary>
    public void Look(string path, string cachePath, FileFacts? database)
    {
        if (_logger is not null && database is not null && FileFacts.TryOfPath(cachePath) is { } cache
            && cache.Identity.Device == database.Identity.Device)
        {
            Tell($"'{SafeText.Of(path)}'");
        }
    }

    private void Tell(string database)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            SameDevice(_logger!, database, null);
        }
    }
}
