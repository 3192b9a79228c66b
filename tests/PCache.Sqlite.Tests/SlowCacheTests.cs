using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using PCache.Core.Pmem;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// A cache that only makes things slower is warned of: power-safe, and on the very device of the database.
/// </summary>
public sealed class SlowCacheTests
{
    [Theory]
    [InlineData(true, false, 1)]
    [InlineData(true, true, 1)]
    [InlineData(false, false, 0)]
    [InlineData(false, true, 0)]
    public void The_same_device_is_warned_of_once_where_the_cache_is_power_safe(bool powerSafe, bool ownFolder,
        int warnings)
    {
        using var caches = new TempFolder();
        var log = new WarningLog();
        using var vfs = new TestVfs(options => options with
        {
            CacheDirectory = ownFolder ? caches.Path : null,
            Region = new PmemFileOptions { PowerSafe = powerSafe },
            LoggerFactory = log,
        });
        Assert.Equal(ownFolder ? 0 : warnings, log.Warnings.Count); // without a folder there is nothing to wait for
        foreach (string name in new[] { "a.db", "b.db", "a.db" })
        {
            using SqliteConnection connection = vfs.Open(name);
            connection.Execute("CREATE TABLE IF NOT EXISTS t (a INTEGER)");
        }

        Assert.Equal(warnings, log.Warnings.Count);
        Assert.All(log.Warnings, text => Assert.Contains("CacheDirectory", text, StringComparison.Ordinal));
        Assert.Contains("PCache.Core", log.Categories); // the caches' own messages go there too
    }

    [Fact]
    public void Another_device_is_not_warned_of()
    {
        const string Memory = "/dev/shm";
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Memory))
        {
            return;
        }

        string caches = Directory.CreateDirectory(Path.Combine(Memory, Path.GetRandomFileName())).FullName;
        try
        {
            var log = new WarningLog();
            using var vfs = new TestVfs(options => options with
            {
                CacheDirectory = caches,
                Region = new PmemFileOptions { PowerSafe = true },
                LoggerFactory = log
            });
            if (PCache.Core.Files.FileFacts.TryOfPath(caches)!.Identity.Device
                == PCache.Core.Files.FileFacts.TryOfPath(vfs.Folder.Path)!.Identity.Device)
            {
                return; // temporary files are in memory as well
            }

            vfs.Open().Dispose();
            Assert.Empty(log.Warnings);
        }
        finally
        {
            Directory.Delete(caches, recursive: true);
        }
    }

    private sealed class WarningLog : ILoggerFactory, ILogger
    {
        public List<string> Warnings { get; } = [];

        public List<string> Categories { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            Categories.Add(categoryName);
            return this;
        }

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState,
            Exception?, string> formatter)
        {
            lock (Warnings)
            {
                if (logLevel == LogLevel.Warning)
                {
                    Warnings.Add(formatter(state, exception));
                }
            }
        }

        public void Dispose()
        {
        }
    }
}
