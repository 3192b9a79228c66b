using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Diagnostics;

/// <summary>The typed state: each condition, since when and why, and the way back.</summary>
public sealed class StateTests
{
    private static readonly byte[] Page = Patterns.Make(0, 4096, 1);

    [Fact]
    public void Clean_then_dirty_then_clean_again()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.FromSeconds(5) });
        PCacheState state = cache.Device.State;
        Assert.Equal((PCacheCondition.Clean, WritebackStall.None, Degradations.None, false),
            (state.Condition, state.Stall, state.Degradation, state.IsReadOnly));
        Assert.Null(state.StalledSince);
        Assert.Null(state.DegradedSince);
        Assert.Null(state.Error);
        cache.Device.Write(0, Page);
        Assert.Equal(PCacheCondition.Dirty, cache.Device.State.Condition);
        Assert.Equal(cache.Device.State, cache.Status.State);
        cache.Device.Drain();
        Assert.Equal(PCacheCondition.Clean, cache.Device.State.Condition);
    }

    [Fact]
    public void A_paused_write_back_is_stalled_only_while_something_is_dirty()
    {
        using var cache = new SmallCache();
        cache.Device.PauseWriteback();
        Assert.Equal(PCacheCondition.Clean, cache.Device.State.Condition);
        cache.Clock.Advance(TimeSpan.FromMinutes(1));
        cache.Device.Write(0, Page);
        DateTimeOffset since = cache.Clock.GetUtcNow();
        Assert.Equal((PCacheCondition.WritebackStalled, WritebackStall.Paused, since),
            (cache.Device.State.Condition, cache.Device.State.Stall, cache.Device.State.StalledSince));
        cache.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(since, cache.Device.State.StalledSince);
        cache.Device.ResumeWriteback();
        Assert.Equal((PCacheCondition.Dirty, WritebackStall.None, null),
            (cache.Device.State.Condition, cache.Device.State.Stall, cache.Device.State.StalledSince));
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Flush)]
    public void A_failing_backing_stalls_since_its_first_failure_and_heals(DiskOperation operation)
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        int failures = 0;
        cache.Backing.FailWhere(call => call.Operation == operation ? new IOException($"planned {++failures}") : null);
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Settle();
        DateTimeOffset first = cache.Clock.GetUtcNow();
        for (int i = 0; i < 10; i++)
        {
            cache.Advance(TimeSpan.FromSeconds(1));
        }

        PCacheState state = cache.Device.State;
        Assert.True(failures > 2);
        Assert.Equal((PCacheCondition.WritebackStalled, WritebackStall.BackingFailing, first),
            (state.Condition, state.Stall, state.StalledSince));
        Assert.Equal($"planned {failures}", state.Error?.Message);
        Assert.Contains("planned", state.ToString(), StringComparison.Ordinal);
        cache.Device.PauseWriteback();
        // nothing is tried any more
        Assert.Equal((WritebackStall.Paused, first), (cache.Device.State.Stall, cache.Device.State.StalledSince));
        Assert.NotNull(cache.Device.State.Error);
        cache.Device.ResumeWriteback();
        Assert.Equal(WritebackStall.BackingFailing, cache.Device.State.Stall);
        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean once the backing has recovered");
        Assert.Equal((PCacheCondition.Clean, WritebackStall.None),
            (cache.Device.State.Condition, cache.Device.State.Stall));
        Assert.Null(cache.Device.State.Error);
    }

    [Fact]
    public void A_failing_medium_is_told_from_a_failing_backing()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Flush)
            {
                // the data is on the backing by then; the tail can't be moved
                cache.Region.DrainError = new IOException("the medium is gone");
            }
        };
        cache.Settle();
        Assert.Equal(WritebackStall.MediumFailing, cache.Device.State.Stall);
        cache.Region.DrainError = null;
        cache.Backing.BeforeCall = null;
        cache.Device.Write(0, Page);
        cache.Region.DrainError = new IOException("the medium is gone");
        Assert.Throws<IOException>(cache.Device.Flush);
        PCacheState state = cache.Device.State;
        Assert.Equal((PCacheCondition.Degraded, Degradations.MediumFailing), (state.Condition, state.Degradation));
        cache.Region.DrainError = null;
        cache.Device.Flush();
        Assert.Equal(Degradations.None, cache.Device.State.Degradation);
    }

    [Fact]
    public void Damaged_data_degrades_until_it_is_overwritten()
    {
        using var cache = new SmallCache();
        cache.Device.Write(65536, Page);
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Page));
        Assert.Equal(PCacheCondition.Dirty, cache.Device.State.Condition); // no read has met it yet
        Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(65536, new byte[512]); });
        DateTimeOffset since = cache.Clock.GetUtcNow();
        PCacheState state = cache.Device.State;
        Assert.Equal((PCacheCondition.Degraded, Degradations.DamagedData, since),
            (state.Condition, state.Degradation, state.DegradedSince));
        cache.Device.Write(65536, Page);
        Assert.Equal((PCacheCondition.Dirty, Degradations.None),
            (cache.Device.State.Condition, cache.Device.State.Degradation));
    }

    [Fact]
    public void Giving_damage_up_suspends_read_caching_and_says_so()
    {
        using var cache = new SmallCache();
        cache.Device.Write(65536, Page);
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Reopen(change: image => Flip(image, Page, last: true));
        Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(0, new byte[4096]); });
        cache.Device.AbandonDamaged(0, 4096);
        Assert.Equal(Degradations.ReadsNotCached, cache.Device.State.Degradation);
        cache.Device.Drain();
        Assert.Equal(Degradations.None, cache.Device.State.Degradation);
    }

    [Fact]
    public void A_log_that_can_not_be_read_any_more_degrades_and_stalls()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        long header = DamageLog(cache);
        PCacheState state = cache.Device.State;
        Assert.Equal(PCacheCondition.Degraded, state.Condition);
        Assert.Equal((WritebackStall.LogDamaged, Degradations.DamagedLog), (state.Stall, state.Degradation));
        Assert.IsType<PCacheCorruptionException>(state.Error);
        cache.Region.FlipBit(header + 8, 3);
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean once the log can be read");
    }

    [Fact]
    public void Log_damage_is_over_once_write_back_could_read_it_without_any_garbage_collection()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        long header = DamageLog(cache);
        Assert.Equal(Degradations.DamagedLog, cache.Device.State.Degradation);
        cache.Region.FlipBit(header + 8, 3);
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean once the log can be read");
        Assert.Equal((PCacheCondition.Clean, Degradations.None),
            (cache.Device.State.Condition, cache.Device.State.Degradation));
    }

    [Fact]
    public void Log_damage_that_write_back_met_is_not_forgotten_when_garbage_collection_gets_on_elsewhere()
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        for (int i = 0; i < 40; i++)
        {
            cache.Device.Write(i * 4096, Page);
        }

        cache.Device.Drain();
        LogPosition keyTail = cache.Status.KeyTail;
        long header = DamageLog(cache);
        PCacheState before = cache.Device.State;
        cache.Clock.Advance(TimeSpan.FromMilliseconds(10));
        cache.Device.SetGcThreshold(0);
        cache.Settle();
        Assert.NotEqual(keyTail, cache.Status.KeyTail); // garbage collection has got on
        PCacheState state = cache.Device.State;
        Assert.Equal((PCacheCondition.Degraded, Degradations.DamagedLog, before.DegradedSince),
            (state.Condition, state.Degradation, state.DegradedSince));
        cache.Region.FlipBit(header + 8, 3);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_backing_that_is_a_cache_itself_and_fails_as_one_is_a_failing_backing(bool full)
    {
        using var cache = new SmallCache(with: o => o with { WritebackDelay = TimeSpan.Zero });
        PCacheException planned = full ? new PCacheFullException("planned") : new PCacheCorruptionException("planned");
        cache.Backing.FailWhere(call => call.Operation == DiskOperation.Write ? planned : null);
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Settle();
        PCacheState state = cache.Device.State;
        Assert.Equal((WritebackStall.BackingFailing, Degradations.None), (state.Stall, state.Degradation));
        Assert.Same(planned, state.Error);
    }

    [Fact]
    public void A_read_only_device_is_never_stalled()
    {
        using var cache = new SmallCache();
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        cache.Reopen(o => o with { ReadOnly = true });
        PCacheState state = cache.Device.State;
        Assert.Equal((PCacheCondition.Dirty, WritebackStall.None, true),
            (state.Condition, state.Stall, state.IsReadOnly));
    }

    [Fact]
    public void A_closed_device_has_no_state()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cache.Device.State);
    }

    [Fact]
    public void A_hanging_backing_shows_after_half_a_minute_and_is_forgotten_when_it_goes_on()
    {
        using var cache = new SmallCache(with: o =>
            o with { WritebackDelay = TimeSpan.Zero, Maintenance = MaintenanceMode.OwnThread });
        cache.Backing.Hang(DiskOperation.Write);
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        Eventually.True(
            () =>
            {
                cache.Clock.Advance(TimeSpan.FromSeconds(10));
                return cache.Device.State.Stall == WritebackStall.BackingHanging;
            },
            "the hang is told");
        cache.Backing.ReleaseHanging();
        Eventually.True(
            () =>
            {
                cache.Clock.Advance(TimeSpan.FromSeconds(1));
                return cache.Device.State.Condition == PCacheCondition.Clean;
            },
            "clean");
    }

    /// <summary>
    /// Writes a page, damages the kset that it is in, and lets write-back meet it; returns where the kset's header is.
    /// </summary>
    private static long DamageLog(SmallCache cache)
    {
        cache.Device.Write(0, Page);
        cache.Device.Flush();
        LogPosition at = cache.Status.DirtyTail;
        long header = 20480 + ((long)at.Segment * Rig.SegmentBytes) + 12288 + at.Offset;
        cache.Region.FlipBit(header + 8, 3);
        cache.Settle();
        return header;
    }

    /// <summary>Flips a bit in the payload, wherever it is.</summary>
    internal static void Flip(byte[] image, ReadOnlySpan<byte> payload, bool last = false)
    {
        int at = last ? image.AsSpan().LastIndexOf(payload) : image.AsSpan().IndexOf(payload);
        Assert.True(at >= 0);
        image[at + 100] ^= 1;
    }
}
