using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PCache.Core.Diagnostics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>Log messages: what is said, how often, and that a logger can do no harm.</summary>
public sealed class LogTests
{
    [Fact]
    public void Opening_closing_trouble_and_its_end_are_told()
    {
        var log = new Recorder();
        using (var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero, LoggerFactory = log }))
        {
            cache.Backing.FailWhere(call => call.Operation == DiskOperation.Write ? new IOException("planned") : null);
            cache.Device.Write(0, new byte[4096]);
            cache.Device.Flush();
            cache.Settle();
            Eventually.True(() => log.Has(13), "the stall is told");
            cache.Backing.BeforeCall = null;
            cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
            Eventually.True(() => log.Has(14), "the end of it is told");
        }

        Assert.Equal(PCacheDiagnostics.LogCategory, log.Category);
        Assert.True(log.Has(1) && log.Has(2) && log.Has(3) && log.Has(10) && log.Has(11));
        Assert.Equal("planned", log.Entries.First(e => e.Id == 10).Error?.Message);
        Assert.Equal(LogLevel.Warning, log.Entries.First(e => e.Id == 13).Level);
    }

    [Fact]
    public void What_repeats_is_limited_and_counted()
    {
        var log = new Recorder();
        using var cache = new SmallCache(with: o => o with { LoggerFactory = log });
        cache.Backing.FailWhere(_ => new IOException("planned"));
        for (int i = 0; i < 50; i++)
        {
            Assert.Throws<IOException>(() => { _ = cache.Device.Read(0, new byte[512]); });
        }

        Assert.Single(log.Entries, e => e.Id == 17);
        cache.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Throws<IOException>(() => { _ = cache.Device.Read(0, new byte[512]); });
        cache.Backing.BeforeCall = null;
        Assert.Equal(["0", "49"], log.Entries.Where(e => e.Id == 17).Select(e => e.Values["Suppressed"]));
    }

    [Fact]
    public void A_logger_that_throws_harms_no_caller()
    {
        using var cache = new SmallCache(with: o =>
            o with { WritebackDelay = TimeSpan.Zero, LoggerFactory = new Recorder { Throws = true } });
        cache.Backing.FailWhere(_ => new IOException("planned"));
        Assert.Throws<IOException>(() => { _ = cache.Device.Read(0, new byte[512]); });
        cache.Device.Write(0, new byte[4096]);
        cache.Device.Flush();
        cache.Settle();
        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
    }

    [Fact]
    public void A_drain_that_fails_is_not_told_as_done()
    {
        var log = new Recorder();
        using var cache = new SmallCache(with: o => o with { LoggerFactory = log });
        cache.Backing.FailWhere(_ => new IOException("planned"));
        cache.Device.Write(0, new byte[4096]);
        Assert.ThrowsAny<IOException>(() => cache.Device.Drain());
        Assert.False(log.Has(21));
        cache.Backing.BeforeCall = null;
        cache.Device.Drain();
        Assert.True(log.Has(21));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_backing_that_fails_to_read_is_told_of_whatever_it_throws_and_for_writes_of_parts_of_sectors_too(
        bool async)
    {
        var log = new Recorder();
        using var cache = new SmallCache(with: o => o with { LoggerFactory = log });
        cache.Backing.FailWhere(_ => new PCacheFullException("planned"));
        if (async)
        {
            await Assert.ThrowsAsync<PCacheFullException>(() => cache.Device.ReadAsync(0, new byte[512]).AsTask());
        }
        else
        {
            Assert.Throws<PCacheFullException>(() => { _ = cache.Device.Read(0, new byte[512]); });
        }

        Assert.Equal(17, Assert.Single(log.Entries, e => e.Error is not null).Id);
        cache.Clock.Advance(TimeSpan.FromMinutes(1));
        cache.Backing.FailWhere(_ => new IOException("planned"));
        if (async)
        {
            await Assert.ThrowsAsync<IOException>(() => cache.Device.WriteAsync(100, new byte[10]).AsTask());
        }
        else
        {
            Assert.Throws<IOException>(() => cache.Device.Write(100, new byte[10]));
        }

        cache.Backing.BeforeCall = null;
        Assert.Equal([17, 17], log.Entries.Where(e => e.Error is not null).Select(e => e.Id));
    }

    [Fact]
    public void A_limit_counts_everything_once()
    {
        var clock = new VirtualClock();
        var limit = new OccurrenceLimit(clock, TimeSpan.FromSeconds(10));
        long told = 0;
        long suppressed = 0;
        for (int i = 0; i < 1000; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(0.3));
            if (limit.Allow(out long before))
            {
                told++;
                suppressed += before;
            }
        }

        Assert.InRange(told, 29, 30);
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(limit.Allow(out long rest));
        Assert.Equal(1000, told + suppressed + rest);
    }

    internal sealed record Entry(int Id, LogLevel Level, string Text, Exception? Error, IReadOnlyDictionary<string,
        string?> Values);

    /// <summary>Keeps all that is logged.</summary>
    internal sealed class Recorder : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<Entry> Entries { get; } = new();

        public string? Category { get; private set; }

        public bool Throws { get; init; }

        public bool Has(int id) => Entries.Any(e => e.Id == id);

        public ILogger CreateLogger(string categoryName)
        {
            Category = categoryName;
            return this;
        }

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState,
            Exception?, string> formatter)
        {
            if (Throws)
            {
                throw new InvalidOperationException("a logger's own trouble");
            }

            var values = ((IReadOnlyList<KeyValuePair<string, object?>>)state!)
                .ToDictionary(p => p.Key, p => p.Value?.ToString());
            Entries.Enqueue(new Entry(eventId.Id, logLevel, formatter(state, exception), exception, values));
        }

        public void Dispose()
        {
        }
    }
}
