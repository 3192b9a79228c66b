using System.Collections.Concurrent;
using System.Diagnostics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>Activities of opening, recovery, drains and closing.</summary>
public sealed class ActivityTests
{
    [Fact]
    public void Opening_recovery_drain_and_close_are_activities_that_belong_to_the_caller()
    {
        using var all = new Recorder();
        using var parent = new Activity("caller").Start();
        using (var cache = new SmallCache())
        {
            cache.Device.Write(0, new byte[4096]);
            cache.Device.Drain();
            cache.Reopen();
        }

        Activity[] mine = all.Of(parent);
        Assert.Equal(["pcache.close", "pcache.close", "pcache.create", "pcache.drain", "pcache.open",
            "pcache.recovery", "pcache.recovery"], mine.Select(a => a.OperationName).Order());
        Assert.All(mine.Where(a => a.OperationName != "pcache.recovery"), a =>
            Assert.Equal(parent.SpanId, a.ParentSpanId));
        Activity open = mine.Single(a => a.OperationName == "pcache.open");
        Activity recovery = mine.Single(a => a.ParentSpanId == open.SpanId);
        Assert.Equal("pcache.recovery", recovery.OperationName);
        Assert.Equal(1L, recovery.GetTagItem("pcache.recovery.live_keys"));
        Assert.Equal("Clean", recovery.GetTagItem("pcache.recovery.log_end"));
        Assert.All(mine, a => Assert.Equal(ActivityStatusCode.Unset, a.Status));
        Assert.All(mine.Where(a => a.OperationName != "pcache.recovery"), a =>
            Assert.NotNull(a.GetTagItem("pcache.cache.id")));
    }

    [Fact]
    public void What_fails_has_the_status_of_an_error()
    {
        using var all = new Recorder();
        using var parent = new Activity("caller").Start();
        using (var cache = new SmallCache())
        {
            cache.Device.Write(0, new byte[4096]);
            cache.Backing.FailWhere(call => call.Operation == DiskOperation.Write ? new IOException("planned") : null);
            Assert.ThrowsAny<IOException>(() => cache.Device.Drain());
            cache.Backing.BeforeCall = null;
            using var blank = SimulatedPmem.Allocate(1 << 20);
            Assert.Throws<PCacheNotFormattedException>(() => PCacheDevice.Open(blank, Disks.Make(1 << 20)));
        }

        Activity[] failed = [.. all.Of(parent).Where(a => a.Status == ActivityStatusCode.Error)];
        Assert.Equal(["pcache.drain", "pcache.open", "pcache.recovery"], failed.Select(a => a.OperationName).Order());
        Assert.Equal(typeof(PCacheNotFormattedException).FullName,
            failed.Single(a => a.OperationName == "pcache.open").GetTagItem("error.type"));
    }

    private sealed class Recorder : IDisposable
    {
        private readonly ConcurrentQueue<Activity> _stopped = new();
        private readonly ActivityListener _listener;

        public Recorder()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == PCacheDiagnostics.ActivitySourceName,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = _stopped.Enqueue,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public Activity[] Of(Activity parent) => [.. _stopped.Where(a => a.TraceId == parent.TraceId)];

        public void Dispose() => _listener.Dispose();
    }
}
