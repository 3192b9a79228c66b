// Keeps true: progress and cancellation of an open, over a log that is long enough for both.

using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>What an open tells, and how it is ended.</summary>
public sealed class OpenProgressTests
{
    [Fact]
    public void Stages_come_in_order_and_the_end_knows_the_totals()
    {
        using var cache = new SmallCache(segments: 64);
        WriteMany(cache.Device, 3000);
        cache.Device.Flush();
        var told = new Told();
        cache.Reopen(options => options with { OpenProgress = told });
        Assert.Equal([OpenStage.Loading, OpenStage.Replaying, OpenStage.Preparing, OpenStage.Done],
            told.All.Select(progress => progress.Stage));
        OpenProgress end = told.All[^1];
        Assert.Equal((64, 64), (end.Segments, end.TotalSegments));
        Assert.Equal(cache.Device.Recovery.Ksets, end.Ksets);
        Assert.Equal(cache.Device.Recovery.LiveKeys + cache.Device.Recovery.DeadKeys, end.Keys);
        Assert.Equal(end.LogBytes, end.TotalLogBytes);
        Assert.Equal((end.Ksets * 24) + (end.Keys * 40), end.LogBytes);
        Assert.Null(told.All[1].TotalLogBytes);
    }

    [Fact]
    public void Reports_in_between_are_a_tenth_of_a_second_apart()
    {
        using var cache = new SmallCache(segments: 64);
        WriteMany(cache.Device, 12_000, flushEach: 4);
        cache.Device.Flush();
        var clock = new SteppingClock(TimeSpan.FromMilliseconds(30));
        var told = new Told();
        cache.Reopen(options => options with { OpenProgress = told, TimeProvider = clock });
        long ksets = cache.Device.Recovery.Ksets;
        Assert.True(ksets > 1000, $"only {ksets} ksets");
        OpenProgress[] between = [.. told.All.Where(progress => progress.Stage == OpenStage.Replaying).Skip(1)];
        Assert.NotEmpty(between);

        // The clock is looked at every 64 ksets, and moves on by 30 ms each time.
        Assert.InRange(between.Length, 1, ksets / 64 / 3);
        Assert.True(between.Zip(between.Skip(1))
            .All(pair => pair.First.Ksets < pair.Second.Ksets && pair.First.LogBytes < pair.Second.LogBytes));
    }

    [Theory]
    [InlineData(OpenStage.Loading)]
    [InlineData(OpenStage.Replaying)]
    public async Task Cancelling_before_the_medium_is_made_ready_changes_nothing(OpenStage stage)
    {
        using var cache = new SmallCache(segments: 64);
        WriteMany(cache.Device, 12_000, flushEach: 4);
        cache.Device.Dispose();
        byte[] image = cache.Region.KillImage();
        foreach (int helpers in new[] { 0, 2 })
        {
            using TestRegion region = TestRegion.Of(image);
            using var cancel = new CancellationTokenSource();
            var told = new Told { OnReport = progress => CancelAt(progress, stage, cancel) };
            PCacheOptions options = MachineClock.On(cache.Options with { OpenProgress = told },
                new Machine { ReplayHelpers = helpers, ReplayBatchKeys = 100 });
            await Assert.ThrowsAsync<OperationCanceledException>(() =>
                PCacheDevice.OpenAsync(region, cache.Backing.AfterKill(), options, cancel.Token));
            Assert.Equal(0, region.Stores);
            Assert.Equal(stage, told.All[^1].Stage);
            Assert.True(told.All[^1].TotalLogBytes is null);
            Rig.AssertSame(image, region.ToArray(), "cancelled open");
        }
    }

    [Fact]
    public async Task Cancelling_while_the_medium_is_made_ready_comes_too_late()
    {
        using var cache = new SmallCache(segments: 64);
        WriteMany(cache.Device, 100);
        cache.Device.Dispose();
        using PmemRegion region = Rig.Load(cache.Region.KillImage());
        using var cancel = new CancellationTokenSource();
        var told = new Told { OnReport = progress => CancelAt(progress, OpenStage.Preparing, cancel) };
        PCacheDevice opened = await PCacheDevice.OpenAsync(region, cache.Backing.AfterKill(),
            cache.Options with { OpenProgress = told }, cancel.Token);
        await using (opened)
        {
            Assert.Equal(OpenStage.Done, told.All[^1].Stage);
        }
    }

    [Fact]
    public async Task Cancelled_creating_leaves_a_blank_region_or_a_whole_cache()
    {
        using TestRegion region = TestRegion.Create(Rig.RegionLength(16));
        using SimulatedDisk backing = Disks.Make(1 << 20);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            LeaveBackingOpen = true,
            LeaveRegionOpen = true
        };
        using (var before = new CancellationTokenSource())
        {
            before.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                PCacheDevice.CreateAsync(region, backing, options, before.Token));
            Assert.Equal(0, region.Stores);
        }

        using var cancel = new CancellationTokenSource();
        var told = new Told { OnReport = _ => cancel.Cancel() };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            PCacheDevice.CreateAsync(region, backing, options with { OpenProgress = told }, cancel.Token));
        await using PCacheDevice opened = PCacheDevice.Open(region, backing, options);
        Assert.Equal(0, opened.Recovery.Ksets);
    }

    [Fact]
    public void What_the_progress_throws_ends_the_open()
    {
        using var cache = new SmallCache(segments: 64);
        WriteMany(cache.Device, 100);
        cache.Device.Dispose();
        byte[] image = cache.Region.KillImage();
        using TestRegion region = TestRegion.Of(image);
        var told = new Told { OnReport = progress => throw new InvalidTimeZoneException(progress.Stage.ToString()) };
        Assert.Throws<InvalidTimeZoneException>(() =>
            PCacheDevice.Open(region, cache.Backing.AfterKill(), cache.Options with { OpenProgress = told }));
        Assert.Equal(0, region.Stores);
    }

    private static void CancelAt(OpenProgress progress, OpenStage stage, CancellationTokenSource cancel)
    {
        if (progress.Stage == stage)
        {
            cancel.Cancel();
        }
    }

    private static void WriteMany(PCacheDevice device, int writes, int flushEach = 0)
    {
        device.PauseWriteback();
        for (int i = 0; i < writes; i++)
        {
            device.WriteZeroes(i % 2048 * 512, 512);
            if (flushEach > 0 && i % flushEach == 0)
            {
                device.Flush();
            }
        }
    }

    private sealed class Told : IProgress<OpenProgress>
    {
        public List<OpenProgress> All { get; } = [];

        public Action<OpenProgress>? OnReport { get; init; }

        public void Report(OpenProgress value)
        {
            All.Add(value);
            OnReport?.Invoke(value);
        }
    }

    /// <summary>A clock that moves on at each look at it.</summary>
    private sealed class SteppingClock(TimeSpan step) : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Add(ref _ticks, step.Ticks);
    }
}
