using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Journal;

/// <summary>Write-back by checkpoints: what it costs, what it leaves, and what the backing alone is worth.</summary>
public sealed class CheckpointTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    [Fact]
    public void Many_flushes_cost_two_flushes_of_storage()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        long before = cache.Backing.Calls(DiskOperation.Flush);
        for (int i = 0; i < 100; i++)
        {
            cache.Device.Write(i % 4 * 4096, Patterns.Make(i % 4 * 4096, 4096, i));
            cache.Device.Flush();
        }

        Assert.Equal(before, cache.Backing.Calls(DiskOperation.Flush));
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Assert.Equal(1, journal.Calls(DiskOperation.Flush));
        Assert.Equal(1, cache.Backing.Calls(DiskOperation.Flush) - before);
        Assert.Equal(4 * 4096, cache.Status.WritebackBytes);
        Rig.AssertSame(Patterns.Make(4096, 4096, 97), cache.Backing.Peek(4096, 4096), "the backing");
    }

    [Fact]
    public void Nothing_is_left_beside_a_drained_backing()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Drain();
        Assert.Equal(JournalOutcome.NoJournal, PCacheBacking.Recover(cache.Backing.AfterKill(), journal.AfterPowerCut(null)).Outcome);
    }

    [Fact]
    public void A_journal_that_is_done_with_goes_some_seconds_later()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Assert.Equal(JournalOutcome.Applied, PCacheBacking.Recover(cache.Backing.AfterKill(), journal.AfterKill()).Outcome);
        cache.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(JournalOutcome.NoJournal, PCacheBacking.Recover(cache.Backing.AfterKill(), journal.AfterPowerCut(null)).Outcome);
    }

    [Fact]
    public void The_cache_is_lost_at_any_call_and_the_backing_is_as_of_a_flush()
    {
        for (int at = 1; ; at++)
        {
            SimulatedDisk journal = NewJournal();
            using SmallCache cache = Make(journal);
            cache.Device.Write(0, Patterns.Make(0, 8192, 1));
            cache.Device.Flush();
            cache.Device.Write(4096, Patterns.Make(4096, 8192, 2));
            cache.Device.Write(65536, Patterns.Make(65536, 4096, 2));
            cache.Device.Flush();
            int calls = 0;
            SimulatedDisk? left = null;
            cache.Backing.BeforeCall = journal.BeforeCall = _ =>
            {
                if (++calls == at)
                {
                    left = cache.Backing.AfterPowerCut(new Random(at));
                }
            };
            cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
            cache.Backing.BeforeCall = journal.BeforeCall = null;
            if (left is null)
            {
                Assert.True(at > 5);
                return;
            }

            _ = PCacheBacking.Recover(left, left.Companion!);
            byte[] first = left.Peek(0, 4096);
            if (first.AsSpan().ContainsAnyExcept((byte)0))
            {
                Rig.AssertSame(Patterns.Make(0, 4096, 1), first, "written once");
                Rig.AssertSame(Patterns.Make(4096, 8192, 2), left.Peek(4096, 8192), "written twice");
                Rig.AssertSame(Patterns.Make(65536, 4096, 2), left.Peek(65536, 4096), "written last");
            }
            else
            {
                Assert.False(left.Peek(0, 1 << 17).AsSpan().ContainsAnyExcept((byte)0), $"partly written, cut at call {at}");
            }
        }
    }

    [Fact]
    public void The_cache_finishes_the_checkpoint_of_its_last_life_first()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Write(8192, Patterns.Make(8192, 4096, 1));
        cache.Device.Flush();
        cache.Device.Write(0, Patterns.Make(0, 4096, 2));
        cache.Backing.Plan(new DiskFault { Operation = DiskOperation.Write, Skip = 1, Times = 1000 });
        cache.Advance(Soon);
        Assert.NotNull(cache.Status.WritebackError);
        SimulatedDisk left = cache.Backing.AfterKill();
        using PCacheDevice again = PCacheDevice.Open(
            cache.Region.AfterKill(), left, cache.Options with { CheckpointJournal = left.Companion, LeaveRegionOpen = false });
        again.Write(16384, Patterns.Make(16384, 4096, 3));
        again.Flush();
        var written = new List<long>();
        left.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write)
            {
                written.Add(call.Offset);
            }
        };
        again.Drain();
        Assert.Equal([0, 8192], written[..2]);
        Rig.AssertSame(Patterns.Make(8192, 4096, 1), left.Peek(8192, 4096), "the second page");
        Rig.AssertSame(Patterns.Make(16384, 4096, 3), left.Peek(16384, 4096), "what came after the reopen");
    }

    [Fact]
    public void A_journal_that_vanished_is_made_anew()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        cache.Backing.Plan(new DiskFault { Operation = DiskOperation.Write, Times = 1 });
        cache.Advance(Soon);
        journal.Write(0, new byte[512]);
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Rig.AssertSame(Patterns.Make(0, 4096, 1), cache.Backing.Peek(0, 4096), "the backing");
    }

    [Fact]
    public void A_program_that_never_flushes_is_written_back_all_the_same()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        for (int i = 0; i < 200; i++)
        {
            cache.Device.Write(i % 64 * 8192, Patterns.Make(i % 64 * 8192, 8192, i)); // more than fits
        }

        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Rig.AssertSame(Patterns.Make(0, 8192, 192), cache.Backing.Peek(0, 8192), "the backing");
    }

    [Fact]
    public void Status_tells_what_the_backing_holds()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        Assert.Equal(new FlushPoint(0, null), cache.Status.BackingAsOf);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        DateTimeOffset first = cache.Clock.GetUtcNow();
        Assert.Equal(1, cache.Status.FlushesBehind);
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        Assert.Equal(new FlushPoint(1, first), cache.Status.BackingAsOf);
        Assert.Equal(0, cache.Status.FlushesBehind);
        cache.Device.Flush(); // nothing to make durable
        Assert.Equal(0, cache.Status.FlushesBehind);
        for (int i = 0; i < 1000; i++)
        {
            cache.Device.Write(0, Patterns.Make(0, 512, i), WriteDurability.ForceUnitAccess);
        }

        Assert.Equal(1000, cache.Status.FlushesBehind);
        cache.Device.Drain();
        Assert.Equal(1001, cache.Status.BackingAsOf.Number);
    }

    [Fact]
    public void The_level_can_be_changed_while_it_is_open()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        foreach (BackingConsistency level in (BackingConsistency[])[BackingConsistency.EachFlush, BackingConsistency.WhenDrained, BackingConsistency.Checkpoint, BackingConsistency.EachFlush])
        {
            cache.Device.BackingConsistency = level;
            Assert.Equal(level, cache.Status.BackingConsistency);
            long flushes = cache.Backing.Calls(DiskOperation.Flush);
            for (int i = 0; i < 3; i++)
            {
                cache.Device.Write(i * 8192, Patterns.Make(i * 8192, 4096, (int)level + i));
                cache.Device.Flush();
            }

            cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
            Assert.Equal(level == BackingConsistency.EachFlush ? 3 : 1, cache.Backing.Calls(DiskOperation.Flush) - flushes);
            bool isThere = PCacheBacking.Recover(cache.Backing.AfterKill(), journal.AfterPowerCut(null)).Outcome != JournalOutcome.NoJournal;
            Assert.Equal(level == BackingConsistency.Checkpoint, isThere);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.BackingConsistency = (BackingConsistency)9);
    }

    [Fact]
    public void Checkpoints_are_an_interval_apart()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal, o => o with { CheckpointInterval = TimeSpan.FromSeconds(10) });
        cache.Device.Write(0, new byte[512]);
        cache.Device.Flush();
        cache.AdvanceUntil(() => cache.Status.IsClean, "clean");
        cache.Device.Write(0, new byte[512]);
        cache.Device.Flush();
        cache.Advance(TimeSpan.FromSeconds(5));
        Assert.False(cache.Status.IsClean);
        cache.Advance(TimeSpan.FromSeconds(6));
        Assert.True(cache.Status.IsClean);
    }

    [Fact]
    public void Damage_in_a_window_keeps_nothing_else_from_the_backing()
    {
        SimulatedDisk journal = NewJournal();
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        cache.Device.Flush();
        cache.Device.Write(8192, Patterns.Make(8192, 4096, 1));
        cache.Device.Flush();
        cache.Device.Write(16384, Patterns.Make(16384, 4096, 1));
        cache.Device.Flush();
        int at = cache.Region.KillImage().AsSpan().IndexOf(Patterns.Make(8192, 4096, 1));
        cache.Region.FlipBit(at + 100, 3);
        cache.Advance(Soon);
        cache.Advance(Soon);
        Rig.AssertSame(Patterns.Make(0, 4096, 1), cache.Backing.Peek(0, 4096), "before the damage");
        Rig.AssertSame(Patterns.Make(16384, 4096, 1), cache.Backing.Peek(16384, 4096), "behind the damage");
        Rig.AssertSame(new byte[4096], cache.Backing.Peek(8192, 4096), "the damaged page");
        Assert.True(cache.Status.IsDegraded);
    }

    [Fact]
    public void Backings_with_large_blocks_get_whole_blocks()
    {
        SimulatedDisk journal = new(0, new SimulatedDiskOptions { BlockSize = 4096, CanResize = true });
        using var cache = new SmallCache(
            blockSize: 4096, with: o => o with { WritebackDelay = TimeSpan.Zero, BackingConsistency = BackingConsistency.Checkpoint, CheckpointJournal = journal },
            content: Patterns.Make(0, 1 << 20, 9));
        cache.Device.Write(512, Patterns.Make(512, 512, 1));
        cache.Device.Write(9001, [1, 2, 3]);
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(512, 512, 1), cache.Backing.Peek(512, 512), "a sector");
        Rig.AssertSame(Patterns.Make(1024, 512, 9), cache.Backing.Peek(1024, 512), "beside it");
        Assert.Equal([1, 2, 3], cache.Backing.Peek(9001, 3));
        Assert.Empty(journal.Violations);
    }

    [Fact]
    public void A_journal_that_is_too_small_is_told()
    {
        var journal = new SimulatedDisk(8192, new SimulatedDiskOptions { BlockSize = 512 });
        using SmallCache cache = Make(journal);
        cache.Device.Write(0, Patterns.Make(0, 64 << 10, 1));
        cache.Device.Flush();
        cache.Advance(Soon);
        Assert.Contains("doesn't fit its journal", cache.Status.WritebackError?.Message, StringComparison.Ordinal);
        Assert.False(cache.Status.IsClean);
        cache.Device.BackingConsistency = BackingConsistency.EachFlush;
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(0, 64 << 10, 1), cache.Backing.Peek(0, 64 << 10), "the backing");
    }

    internal static SimulatedDisk NewJournal() => new(0, new SimulatedDiskOptions { BlockSize = 512, CanResize = true });

    internal static SmallCache Make(SimulatedDisk journal, Func<PCacheOptions, PCacheOptions>? with = null)
    {
        var cache = new SmallCache(with: o =>
        {
            o = o with { WritebackDelay = TimeSpan.Zero, BackingConsistency = BackingConsistency.Checkpoint, CheckpointJournal = journal };
            return with is null ? o : with(o);
        });
        cache.Backing.Companion = journal;
        return cache;
    }
}
