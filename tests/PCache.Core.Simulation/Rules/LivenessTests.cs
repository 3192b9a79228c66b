using PCache.Core.Upkeep;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>Room for the log, retries, those who wait, and calls that have to end.</summary>
public sealed class LivenessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly RuleChecks Checks = new()
    {
        { Rule.DataTakesLogReserve, ReserveIsTheLogs },
        { Rule.LogRoomNotReserved, AcceptedKeysCanBeLogged },
        { [Rule.RetryWithoutDelay, Rule.RetryNeverRearmed], FailingBackingIsTriedAgain },
        { Rule.RetryDelayWithoutLimit, DelaysAreBounded },
        { [Rule.FreedWithoutWaking, Rule.LeaverWakesNone, Rule.WaitersLastInFirstOut, Rule.QueueJumped],
            WaitersAreServedInOrder },
        { Rule.MissTakesWaitersRoom, MissesLeaveRoomToWriters },
        { Rule.DrainNeverGivesUp, DrainGivesUp },
        { Rule.CloseHangsWithBacking, CloseEnds },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void ReserveIsTheLogs()
    {
        using var cache = new SmallCache(segments: 6, with: o => o with { StartWritebackPaused = true });
        int written = 0;
        Exception? full = null;
        for (; full is null && written < 10_000; written++)
        {
            full = Record.Exception(() => cache.Device.Put(written % 1000 * Sector, written + 1, forced: true));
            Assert.InRange(cache.Status.SegmentsUsed, 1, 6 - cache.Options.LogReserveSegments);
        }

        Assert.IsType<PCacheFullException>(full);
        Assert.InRange(written, 200, 600);
    }

    private static void AcceptedKeysCanBeLogged()
    {
        using var cache = new SmallCache(segments: 6, backingBytes: 8 << 20, with: o =>
            o with { StartWritebackPaused = true });
        Exception? full = null;
        for (int i = 0; full is null && i < 12_000; i++)
        {
            full = Record.Exception(() => cache.Device.WriteZeroes(i * Sector, Sector));
        }

        Assert.IsType<PCacheFullException>(full);
        cache.Device.Flush();
        Assert.Equal(0, cache.Status.PendingKeys);
    }

    private static void FailingBackingIsTriedAgain()
    {
        using var cache = new SmallCache(with: Quick);
        cache.Device.Put(0, 1, forced: true);
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Write ? new IOException("planned") : null);
        for (int i = 0; i < 10; i++)
        {
            Assert.NotEqual(TimeSpan.Zero, Rest(cache.Device));
            cache.Clock.Advance(TimeSpan.FromSeconds(31));
        }

        cache.Backing.BeforeCall = null;
        cache.AdvanceUntil(() => cache.Status.IsClean, "what was dirty is written back once the backing is healed");
        Assert.Null(cache.Status.WritebackError);
        Assert.InRange(cache.Backing.Calls(DiskOperation.Write), 10, 12);
    }

    private static void DelaysAreBounded()
    {
        var delay = new RetryDelay(new VirtualClock());
        for (int i = 0; i < 20; i++)
        {
            Assert.InRange(delay.NoteFailure(), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(30));
        }
    }

    private static void WaitersAreServedInOrder()
    {
        var queue = new SpaceQueue();
        SpaceWaiter first = queue.Enter(Sector);
        SpaceWaiter second = queue.Enter(Sector);
        Assert.Equal((true, false, false),
            (queue.MayTake(first, Sector), queue.MayTake(second, Sector), queue.MayTake(null, Sector)));
        queue.Signal(freeBytes: 0);
        Assert.True(first.WaitAsync(CancellationToken.None).Wait(Patience),
            "room came free, and the first isn't woken");
        queue.Leave(first);
        Assert.True(second.WaitAsync(CancellationToken.None).Wait(Patience),
            "the first has left, and the second isn't woken");
        Assert.True(queue.MayTake(second, Sector));
        queue.Leave(second);
        Assert.True(queue.MayTake(null, Sector));
    }

    private static void MissesLeaveRoomToWriters()
    {
        using var cache = new SmallCache();
        SpaceQueue queue = cache.Device.Internals.Space;
        SpaceWaiter writer = queue.Enter(Sector);
        cache.Device.Read(0, new byte[Sector]);
        Assert.Equal(0, cache.Status.PendingKeys);
        queue.Leave(writer);
        cache.Device.Read(0, new byte[Sector]);
        Assert.Equal(1, cache.Status.PendingKeys);
    }

    private static void DrainGivesUp()
    {
        using var cache = new SmallCache();
        using var stop = new CancellationTokenSource();
        cache.Device.Put(0, 1);
        cache.Backing.FailWhere(e =>
        {
            if (cache.Backing.Calls(DiskOperation.Write) > 100)
            {
                stop.Cancel();
            }

            return new IOException("planned");
        });
        Exception? told = Record.Exception(() => cache.Device.Drain(cancellationToken: stop.Token));
        Assert.IsAssignableFrom<PCacheException>(told);
    }

    /// <summary>The close runs on a thread of its own, with the same rule broken, as it may not end.</summary>
    private static void CloseEnds()
    {
        Rule broken = Mutation.Is(Rule.CloseHangsWithBacking) ? Rule.CloseHangsWithBacking : Rule.None;
        var cache = new SmallCache(with: o => o with { DisposeTimeout = TimeSpan.FromMilliseconds(20) });
        cache.Backing.Hang(DiskOperation.Read);
        var reader = new Thread(() => cache.Device.Read(0, new byte[Sector])) { IsBackground = true };
        reader.Start();
        Assert.True(cache.Backing.WaitUntilHangingAsync().Wait(TimeSpan.FromMinutes(1)));
        var close = new Thread(() =>
        {
            using (Mutation.Break(broken))
            {
                cache.Device.Dispose();
            }
        })
        { IsBackground = true };
        close.Start();
        bool ended = close.Join(Patience);
        cache.Backing.ReleaseHanging();
        reader.Join();
        close.Join();
        cache.Region.Dispose();
        Assert.True(ended, "the close waits for the backing");
    }
}
