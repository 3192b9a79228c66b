using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Simulation;

/// <summary>
/// The checked build finds a lock that is taken in the wrong order, also where no thread has to wait for it.
/// </summary>
public sealed class LockOrderTests
{
    private readonly SteadyLock _append = new(LockRank.Append);
    private readonly Latch _shard = new(LockRank.Shard, number: 3);
    private readonly SteadyLock _leaf = new();

    [Fact]
    public void Ranks_rise()
    {
        using (_append.Hold())
        using (_shard.Hold())
        using (_leaf.Hold())
        {
        }

        using (_shard.Hold())
        {
            AssertFound(() => _append.Enter(), "Append is waited for under Shard");
        }

        using (_leaf.Hold())
        {
            AssertFound(() => _shard.Enter(), "Shard is waited for under Leaf");
            AssertFound(() => new SteadyLock().Enter(), "Leaf is waited for under Leaf");
        }

        _append.Enter();
        _append.Exit();
    }

    [Fact]
    public void Locks_of_one_rank_rise_by_number()
    {
        Latch next = new(LockRank.Shard, number: 4);
        using (_shard.Hold())
        using (next.Hold())
        {
        }

        using (next.Hold())
        {
            AssertFound(() => _shard.Enter(), "Shard is waited for under Shard");
        }
    }

    [Fact]
    public void A_lock_may_be_entered_again_and_left_in_any_order()
    {
        _append.Enter();
        _shard.Enter();
        _append.Enter();
        _append.Exit();
        _append.Exit();
        _shard.Exit();
        AssertFound(_append.Exit, "doesn't hold it");
        _append.Enter();
        _append.Exit();
    }

    [Fact]
    public void What_isnt_waited_for_may_be_tried_in_any_order_and_counts()
    {
        using (_leaf.Hold())
        {
            long version = _shard.Version;
            Assert.True(_shard.TryEnterUnchanged(version));
            Assert.True(_append.TryEnter());
            _append.Exit();
            AssertFound(() => new Latch(LockRank.DataHead).Enter(), "DataHead is waited for under Leaf, Shard");
            _shard.Exit();
        }
    }

    [Fact]
    public async Task A_gate_is_looked_at_where_it_is_waited_for()
    {
        AsyncGate gate = new(LockRank.Length);
        using (_append.Hold())
        {
            AssertFound(gate.Enter, "Length is waited for under Append");
            AssertFound(() => _ = gate.EnterAsync(CancellationToken.None), "Length is waited for under Append");
        }

        await gate.EnterAsync(CancellationToken.None);
        gate.Exit();
    }

    /// <summary>A call of the backing under the log's lock, and one that comes back into the device.</summary>
    [Fact]
    public void A_backing_is_called_under_no_lock_and_may_call_back()
    {
        var disk = Disks.Make(1 << 20);
        using (_append.Hold())
        {
            AssertFound(disk.Flush, "a backing is called under a lock of rank Append");
            using SimulatedPmem region = SimulatedPmem.Allocate(4096);
            region.BeforeEvent = _ => _append.Enter();
            AssertFound(region.Drain, "a call returns with a lock");
        }

        using SteadyLock.Scope step = new SteadyLock(LockRank.Length).Hold();
        disk.BeforeCall = _ =>
        {
            using (new SteadyLock(LockRank.Step).Hold())
            {
            }
        };
        disk.Flush();
    }

    private static void AssertFound(Action action, string what)
    {
        Exception found = Assert.Throws<InvalidOperationException>(action);
        Assert.Contains(what, found.Message, StringComparison.Ordinal);
        Assert.Same(found, Invariant.TakeBroken());
    }
}
