using System.Diagnostics;
using System.Diagnostics.Metrics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>
/// Listeners that throw change nothing. They throw in this test's own flow only, so other tests aren't disturbed.
/// </summary>
public sealed class BadListenerTests
{
    private static readonly AsyncLocal<bool> Throws = new();
    private static int _thrown;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_listener_throws_changes_nothing(bool atStart)
    {
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == PCacheDiagnostics.MeterName && !instrument.IsObservable)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<double>((_, _, _, _) => Fail());
        meters.SetMeasurementEventCallback<long>((_, _, _, _) => Fail());
        meters.Start();
        using var activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == PCacheDiagnostics.ActivitySourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStarted = _ =>
            {
                if (atStart)
                {
                    Fail();
                }
            },
            ActivityStopped = _ => Fail(),
        };
        ActivitySource.AddActivityListener(activities);
        using var parent = new Activity("caller").Start();
        Throws.Value = true;
        try
        {
            using (var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero }))
            {
                cache.Backing.FailWhere(_ => new IOException("planned"));
                cache.Device.Write(0, new byte[4096]);
                Assert.Throws<IOException>(() => { _ = cache.Device.Read(65536, new byte[512]); });
                Assert.ThrowsAny<IOException>(() => cache.Device.Drain());
                Assert.Equal(WritebackStall.BackingFailing, cache.Device.State.Stall);
                cache.Backing.BeforeCall = null;
                cache.Device.Drain();
                Assert.Equal(PCacheCondition.Clean, cache.Device.State.Condition);
                cache.Reopen();
                Assert.Equal(PCacheCondition.Clean, cache.Device.State.Condition);
            }
        }
        finally
        {
            Throws.Value = false;
        }

        Assert.Same(parent, Activity.Current);
        Assert.True(_thrown > 5);
    }

    private static void Fail()
    {
        if (Throws.Value)
        {
            Interlocked.Increment(ref _thrown);
            throw new InvalidOperationException("a listener's own trouble");
        }
    }
}
