using System.Collections.Concurrent;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>
/// Changes of state are told: in order, one at a time, free to use the device, and never at anybody's cost.
/// </summary>
public sealed class StateChangedTests
{
    private static readonly byte[] Page = Patterns.Make(0, 4096, 1);

    [Fact]
    public void Every_lasting_change_is_told_in_order_with_what_was_told_before()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        var told = new ConcurrentQueue<PCacheStateChangedEventArgs>();
        cache.Device.StateChanged += (sender, change) =>
        {
            Assert.Same(cache.Device, sender);
            told.Enqueue(change);
        };
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.Write ? new IOException("planned") : null);
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Settle();
        Eventually.True(() => told.Any(c => c.Current.Stall == WritebackStall.BackingFailing), "the failure is told");
        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Eventually.True(() => told.Any(c => c.Current.Condition == PCacheCondition.Clean), "the end is told");
        PCacheStateChangedEventArgs[] changes = [.. told];
        Assert.Equal(PCacheCondition.Clean, changes[0].Previous.Condition);
        for (int i = 1; i < changes.Length; i++)
        {
            Assert.Same(changes[i - 1].Current, changes[i].Previous);
        }

        Assert.Equal(PCacheCondition.Clean, changes[^1].Current.Condition);
    }

    [Fact]
    public void A_device_with_a_thread_of_its_own_tells_without_being_asked()
    {
        using var cache = new SmallCache(
            with: o => o with
            {
                WritebackDelay = TimeSpan.Zero,
                Maintenance = MaintenanceMode.OwnThread,
                TimeProvider = TimeProvider.System
            });
        using var clean = new ManualResetEventSlim();
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.Write ? new IOException("planned") : null);
        using var stalled = new ManualResetEventSlim();
        cache.Device.StateChanged += (_, change) =>
            (change.Current.Stall == WritebackStall.BackingFailing ? stalled
            : change.Current.Condition == PCacheCondition.Clean ? clean : null)?.Set();
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        Assert.True(stalled.Wait(TestRuns.HangLimit));
        cache.Backing.BeforeCall = null;
        Assert.True(clean.Wait(TestRuns.HangLimit));
    }

    [Fact]
    public void A_handler_may_drain_and_close_the_device_and_may_throw()
    {
        using var cache = new SmallCache(
            with: o => o with
            {
                WritebackDelay = TimeSpan.FromDays(1),
                Maintenance = MaintenanceMode.OwnThread,
                TimeProvider = TimeProvider.System
            });
        using var closed = new ManualResetEventSlim();
        cache.Device.StateChanged += (_, change) =>
        {
            if (change.Current.Condition == PCacheCondition.Dirty)
            {
                cache.Device.Drain();
                throw new InvalidOperationException("a handler's own trouble");
            }

            cache.Device.Dispose();
            closed.Set();
        };
        cache.Device.Write(0, Page);
        Assert.True(closed.Wait(TestRuns.HangLimit));
        Rig.AssertSame(Page, cache.Backing.Snapshot().AsSpan(0, Page.Length), "the backing");
    }

    [Fact]
    public void Damage_met_by_a_read_of_a_read_only_device_is_told()
    {
        using var cache = new SmallCache();
        cache.Device.Write(65536, Page);
        cache.Device.Flush();
        cache.Reopen(o => o with { ReadOnly = true }, image => StateTests.Flip(image, Page));
        using var told = new ManualResetEventSlim();
        cache.Device.StateChanged += (_, change) =>
        {
            if (change.Current.Degradation == Degradations.DamagedData)
            {
                told.Set();
            }
        };
        Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(65536, new byte[512]); });
        Assert.True(told.Wait(TestRuns.HangLimit));
    }

    [Fact]
    public void A_slow_handler_gets_the_latest_state_only()
    {
        using var cache = new SmallCache();
        using var go = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        var told = new ConcurrentQueue<PCacheState>();
        cache.Device.StateChanged += (_, change) =>
        {
            told.Enqueue(change.Current);
            entered.Set();
            go.Wait(TestRuns.HangLimit);
        };
        cache.Device.Write(0, Page);
        _ = cache.Device.State;
        Assert.True(entered.Wait(TestRuns.HangLimit));
        for (int i = 0; i < 100; i++)
        {
            cache.Device.PauseWriteback();
            cache.Device.ResumeWriteback();
        }

        cache.Device.Drain();
        go.Set();
        Eventually.True(() => told.LastOrDefault()?.Condition == PCacheCondition.Clean, "the last state is told");
        Assert.InRange(told.Count, 2, 3);
    }
}
