using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>The meter: what it says is what happened, also when things fail, and its parts add up.</summary>
public sealed class MeterTests
{
    private static readonly byte[] Page = Patterns.Make(0, 4096, 1);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Identities_hold_after_any_operations_and_failures(int seed)
    {
        var random = new Random(seed);
        using var cache = new SmallCache(
            with: o => o with { WritebackDelay = TimeSpan.Zero, SpaceTimeout = TimeSpan.FromSeconds(1) },
            content: Patterns.Make(0, 1 << 20, 9));
        using var meter = new Readings(cache.Device);
        long readBytes = 0;
        long writtenBytes = 0;
        long reads = 0;
        long writes = 0;
        long flushes = 0;
        long discards = 0;
        var buffer = new byte[65536];
        for (int i = 0; i < 400; i++)
        {
            long offset = random.Next(0, 1 << 20);
            int length = random.Next(1, random.Next(2) == 0 ? 8192 : 65536);
            length = (int)Math.Min(length, (1 << 20) - offset);
            cache.Backing.FailWhere(random.Next(4) == 0 ? call =>
                call.Operation == DiskOperation.Read ? new IOException("planned") : null : _ => null);
            try
            {
                switch (random.Next(6))
                {
                    case 0:
                        reads++;
                        readBytes += cache.Device.Read(offset, buffer.AsSpan(0, length));
                        break;
                    case 1:
                        reads++;
                        readBytes += await cache.Device.ReadAsync(offset, buffer.AsMemory(0, length));
                        break;
                    case 2:
                        reads += 2;
                        readBytes += cache.Device.ReadBatch(
                            [new(offset, buffer.AsMemory(0, length)), new(0, buffer.AsMemory(0, 4096))]);
                        break;
                    case 3:
                        writes++;
                        cache.Device.Write((offset + 511) & -512, Page.AsSpan(0, 512 * random.Next(1, 9)));
                        break;
                    case 4:
                        flushes++;
                        cache.Device.Flush();
                        break;
                    default:
                        discards++;
                        cache.Device.Discard(offset, length);
                        break;
                }
            }
            catch (Exception e) when (e is IOException or ArgumentException)
            {
                // A failed read has given what it had copied until then; the meter knows how much, this test doesn't.
                readBytes = -1L << 60;
                reads = -1L << 60;
                writes = -1L << 60;
            }

            cache.Settle();
        }

        writtenBytes = cache.Status.WrittenBytes;
        meter.Collect();
        Assert.Equal(meter.Sum("pcache.io", "read"), meter.Sum("pcache.cache.io", "hit")
            + meter.Sum("pcache.cache.io", "miss"));
        Assert.Equal(meter.Sum("pcache.operations", "read"), meter.Sum("pcache.cache.reads", "hit")
            + meter.Sum("pcache.cache.reads", "miss"));
        Assert.Equal(writtenBytes, meter.Sum("pcache.io", "write"));
        Assert.Equal(cache.Status.SegmentCount, meter.Sum("pcache.segment.count"));
        Assert.Equal(cache.Status.SegmentsUsed, meter.Sum("pcache.segment.count", "log")
            + meter.Sum("pcache.segment.count", "data"));
        Assert.Equal(1, meter.Sum("pcache.condition"));
        Assert.Equal(flushes, meter.Sum("pcache.operations", "flush"));
        Assert.Equal(discards, meter.Sum("pcache.operations", "discard"));
        Assert.True(meter.Sum("pcache.cache.io", "hit") > 0 && meter.Sum("pcache.cache.io", "miss") > 0);
        if (readBytes >= 0)
        {
            Assert.Equal((readBytes, reads, writes),
                (meter.Sum("pcache.io", "read"), meter.Sum("pcache.operations", "read"),
                meter.Sum("pcache.operations", "write")));
        }
    }

    [Fact]
    public void Durations_ask_for_buckets_that_fit_seconds()
    {
        using var cache = new SmallCache(); // the meter is made when it is first used
        var histograms = new List<Histogram<double>>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == PCacheDiagnostics.MeterName && instrument is Histogram<double> histogram)
                {
                    histograms.Add(histogram);
                }
            },
        };
        listener.Start();
        Assert.True(histograms.Count >= 5);
        Assert.All(histograms, histogram => Assert.Contains(0.001, histogram.Advice!.HistogramBucketBoundaries!));
    }

    [Fact]
    public async Task Without_failures_the_meter_has_exactly_what_callers_got()
    {
        using var cache = new SmallCache(content: Patterns.Make(0, 1 << 20, 9));
        using var meter = new Readings(cache.Device);
        var buffer = new byte[10_000];
        long read = cache.Device.Read(0, buffer) + cache.Device.Read(0, buffer);
        read += await cache.Device.ReadAsync(500_000, buffer);
        read += await cache.Device.ReadAsync(500_000, buffer.AsMemory(0, 4096));
        read += cache.Device.Read((1 << 20) - 100, buffer);
        cache.Device.Write(4096, Page);
        await cache.Device.WriteAsync(100, Page);
        cache.Device.WriteZeroes(8192, 512);
        await cache.Device.WriteZeroesAsync(16384, 512);
        cache.Device.WriteBatch([new(0, Page), new(65536, Page)]);
        await cache.Device.WriteBatchAsync(new BlockWrite[] { new(131072, Page) });
        meter.Collect();
        Assert.Equal(read, meter.Sum("pcache.io", "read"));
        Assert.Equal(3, meter.Sum("pcache.cache.reads", "miss"));
        Assert.Equal(2, meter.Sum("pcache.cache.reads", "hit"));
        Assert.Equal(7, meter.Sum("pcache.operations", "write"));
        Assert.Equal((5 * Page.Length) + 1024, meter.Sum("pcache.io", "write"));
        Assert.Equal(meter.Sum("pcache.io", "write"), cache.Status.WrittenBytes);
        Assert.True(meter.Sum("pcache.dirty.size") > 0);
        Assert.True(meter.Sum("pcache.index.memory") > 0);
        cache.Device.Drain();
        meter.Collect();
        Assert.Equal(0, meter.Sum("pcache.dirty.size"));
        Assert.Equal(0, meter.Sum("pcache.dirty.keys"));
        Assert.Equal(cache.Status.WritebackBytes, meter.Sum("pcache.writeback.io"));
        Assert.Single(meter.Recorded("pcache.drain.duration"));
        Assert.NotEmpty(meter.Recorded("pcache.writeback.duration"));
        Assert.Equal(1, meter.Sum("pcache.condition", "clean"));
        Assert.Equal(0, meter.Sum("pcache.condition", "dirty"));
    }

    [Fact]
    public async Task Errors_are_counted_by_kind()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero },
            content: Patterns.Make(0, 1 << 20, 9));
        using var meter = new Readings(cache.Device);
        cache.Backing.FailWhere(_ => new IOException("planned"));
        Assert.Throws<IOException>(() => { _ = cache.Device.Read(0, new byte[512]); });
        await Assert.ThrowsAnyAsync<IOException>(async () => await cache.Device.ReadAsync(0, new byte[512]));
        cache.Device.Write(4096, Page);
        cache.Device.Flush();
        cache.Settle();
        cache.Backing.BeforeCall = null;
        Assert.Equal(2, meter.Recorded("pcache.errors", "backing_read").Count);
        Assert.Single(meter.Recorded("pcache.errors", "backing_write"));
        cache.Device.Write(4096, Page);
        cache.Region.DrainError = new IOException("planned");
        Assert.Throws<IOException>(cache.Device.Flush);
        cache.Region.DrainError = null;
        Assert.Single(meter.Recorded("pcache.errors", "medium"));
    }

    [Fact]
    public void Stalls_waits_and_skipped_fills_show()
    {
        using var cache = new SmallCache(8, with: o =>
            o with { WritebackDelay = TimeSpan.FromDays(1), StartWritebackPaused = true });
        using var meter = new Readings(cache.Device);
        bool full = false;
        for (int i = 0; i < 200 && !full; i++)
        {
            try
            {
                cache.Device.Write(i * 4096L, Page);
            }
            catch (PCacheFullException)
            {
                full = true;
            }
        }

        Assert.True(full);
        cache.Clock.Advance(TimeSpan.FromSeconds(7));
        _ = cache.Device.Read((1 << 20) - 4096, new byte[4096]);
        meter.Collect();
        Assert.Equal(1, meter.Sum("pcache.space.waits"));
        Assert.Single(meter.Recorded("pcache.space.wait.duration"));
        Assert.Single(meter.Recorded("pcache.errors", "no_room"));
        Assert.Equal(1, meter.Sum("pcache.cache.fills.skipped", "no_room"));
        Assert.Equal(1, meter.Sum("pcache.condition", "writeback_stalled"));
        Assert.True(meter.Sum("pcache.writeback.stalled.time") >= 7);
        cache.Device.ResumeWriteback();
        cache.Device.Drain();
        cache.Device.Write(0, Page);
        for (int i = 0; i < 400; i++)
        {
            cache.Device.Write(i % 100 * 4096L, Page);
        }

        meter.Collect();
        Assert.Equal(cache.Status.SegmentsReclaimed, meter.Sum("pcache.segment.reclaimed"));
        Assert.NotEmpty(meter.Recorded("pcache.gc.duration"));
    }

    [Fact]
    public void A_closed_device_is_no_longer_told_of_and_opens_are_timed_with_their_outcome()
    {
        using var cache = new SmallCache();
        using var meter = new Readings(cache.Device);
        meter.Collect();
        Assert.NotEmpty(meter.Recorded("pcache.dirty.size"));
        cache.Reopen(o => o with { Label = null });
        Assert.Contains(meter.Unattributed("pcache.open.duration"), m => m.Contains("open"));
        byte[] image = cache.Region.KillImage();
        image.AsSpan(4096, 512).Clear();
        image[4096] = 7;
        using var broken = SimulatedPmem.FromImage(image);
        Assert.ThrowsAny<PCacheException>(() => PCacheDevice.Open(broken, Disks.Make(1 << 20), cache.Options));
        Assert.Contains(meter.Unattributed("pcache.open.duration"), m =>
            m.Any(v => v.StartsWith("PCache.Core.PCache", StringComparison.Ordinal)));
        cache.Device.Dispose();
        meter.Collect();
        Assert.Empty(meter.Recorded("pcache.dirty.size"));
    }

    /// <summary>Listens to the meter for one device. Keeps true: other devices of the process don't get in.</summary>
    private sealed class Readings : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<(string Name, double Value, bool Observed,
            string[] Attributes)> _measurements = new();
        private readonly string _id;

        public Readings(PCacheDevice device)
        {
            _id = device.GetStatus().CacheId.ToString();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == PCacheDiagnostics.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public void Collect()
        {
            var kept = _measurements.Where(m => !m.Observed).ToArray();
            _measurements.Clear();
            foreach (var measurement in kept)
            {
                _measurements.Enqueue(measurement);
            }

            _listener.RecordObservableInstruments();
        }

        public double Sum(string name, string? attribute = null) => Recorded(name, attribute).Sum();

        public List<double> Recorded(string name, string? attribute = null) =>
            [.. _measurements.Where(m => m.Name == name && m.Attributes.Contains(_id)
                && (attribute is null || m.Attributes.Contains(attribute))).Select(m => m.Value)];

        public List<string[]> Unattributed(string name) =>
            [.. _measurements.Where(m => m.Name == name).Select(m => m.Attributes)];

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var attributes = new string[tags.Length];
            for (int i = 0; i < tags.Length; i++)
            {
                attributes[i] = tags[i].Value?.ToString() ?? string.Empty;
            }

            _measurements.Enqueue((instrument.Name, value, instrument.IsObservable, attributes));
        }
    }
}
