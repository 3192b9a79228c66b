using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Primitives;

public class OperationGateTests
{
    [Fact]
    public void The_drained_action_runs_once_after_the_last_exit_however_the_close_races_with_an_entry()
    {
        // Neither entry nor exit has a fence of its own: in each round one of each races with a close at full speed, at
        // all distances.
        int rounds = TestRuns.Many(suite: 30_000, longRun: 150_000);
        OperationGate gate = new();
        int inside = 0;
        int started = 0;
        int finished = 0;
        void Work()
        {
            for (int round = 1; round <= rounds; round++)
            {
                SpinUntil(ref started, round);
                try
                {
                    int token = gate.Enter();
                    Volatile.Write(ref inside, 1);
                    Thread.SpinWait(20);
                    Volatile.Write(ref inside, 0);
                    gate.Exit(token);
                }
                catch (ObjectDisposedException)
                {
                }

                Volatile.Write(ref finished, round);
            }
        }

        var worker = new Thread(Work) { IsBackground = true };
        worker.Start();
        for (int round = 1; round <= rounds; round++)
        {
            var next = new OperationGate();
            int runs = 0;
            int insideAtDrain = 0;
            SpinUntil(ref finished, round - 1);
            gate = next;
            Volatile.Write(ref started, round);
            for (int pause = round % 700; pause > 0; pause--)
            {
                Volatile.Read(ref finished);
            }

            next.Close(() =>
            {
                insideAtDrain |= Volatile.Read(ref inside);
                Interlocked.Increment(ref runs);
                for (int i = 0; i < 400; i++)
                {
                    insideAtDrain |= Volatile.Read(ref inside);
                }
            });
            SpinUntil(ref finished, round);
            Assert.True(next.Drained.IsCompleted
                || SpinWait.SpinUntil(() => next.Drained.IsCompleted, TimeSpan.FromSeconds(30)),
                $"Round {round}: the last exit went unnoticed.");
            Assert.Equal(1, runs);
            Assert.True(insideAtDrain == 0, $"Round {round}: drained with an operation inside.");
        }

        worker.Join();
    }

    private static void SpinUntil(ref int value, int wanted)
    {
        var wait = default(SpinWait);
        for (int i = 0; Volatile.Read(ref value) < wanted; i++)
        {
            if (i > 2_000)
            {
                wait.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    [Fact]
    public void A_shared_operation_may_end_on_another_thread_and_keeps_the_gate_from_draining()
    {
        var gate = new OperationGate();
        int token = gate.EnterShared();
        bool drained = false;
        gate.Close(() => drained = true);
        Assert.False(drained);
        var other = new Thread(() => gate.Exit(token));
        other.Start();
        other.Join();
        Assert.True(drained);
        Assert.Throws<ObjectDisposedException>(() => gate.Enter());
    }

    [Fact]
    public void An_operation_shared_after_the_close_still_counts()
    {
        var gate = new OperationGate();
        int token = gate.Enter();
        bool drained = false;
        gate.Close(() => drained = true);
        int shared = gate.Share(token);
        Assert.False(drained);
        gate.Exit(shared);
        Assert.True(drained);
    }

    [Fact]
    public void Operations_of_one_thread_nest()
    {
        var gate = new OperationGate();
        int outer = gate.Enter();
        int inner = gate.Enter();
        bool drained = false;
        gate.Close(() => drained = true);
        gate.Exit(inner);
        Assert.False(drained);
        gate.Exit(outer);
        Assert.True(drained);
    }
}
