using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Primitives;

/// <summary>
/// Threads that are interrupted at any moment while they wait for a lock of ours: no thread is left out, none is let in
/// twice, and no interrupt is lost.
/// </summary>
public sealed class InterruptedLockTests
{
    public enum Kind
    {
        Steady,
        Latch,
        Gate,
        GateAsync,
    }

    [Theory]
    [InlineData(Kind.Steady)]
    [InlineData(Kind.Latch)]
    [InlineData(Kind.Gate)]
    [InlineData(Kind.GateAsync)]
    public void Everybody_gets_on_while_some_are_interrupted_or_cancelled(Kind kind)
    {
        var steady = new SteadyLock();
        var latch = new Latch(pauses: 0);
        var gate = new AsyncGate();
        int inside = 0;
        long entered = 0;
        bool stop = false;
        bool twice = false;
        int cameOut = 0;

        void Inside()
        {
            twice |= Interlocked.Increment(ref inside) != 1;
            Thread.SpinWait(200);
            Interlocked.Decrement(ref inside);
            Interlocked.Increment(ref entered);
        }

        void Enter(Random random)
        {
            switch (kind)
            {
                case Kind.Steady:
                    using (steady.Hold())
                    {
                        Inside();
                    }

                    break;
                case Kind.Latch:
                    using (latch.Hold())
                    {
                        Inside();
                    }

                    break;
                default:
                    if (kind == Kind.GateAsync && random.Next(2) == 0)
                    {
                        var end = new CancellationTokenSource(random.Next(3));
                        Task entering = gate.EnterAsync(end.Token);
                        Uninterrupted.Wait(entering, Timeout.InfiniteTimeSpan);
                        Uninterrupted.Do(end, static one => one.Dispose()); // this thread may be inside
                        if (!entering.IsCompletedSuccessfully)
                        {
                            return;
                        }
                    }
                    else
                    {
                        gate.Enter();
                    }

                    try
                    {
                        Inside();
                    }
                    finally
                    {
                        gate.Exit();
                    }

                    break;
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, 4).Select(n => new Thread(() =>
        {
            var random = new Random(n);
            while (!Volatile.Read(ref stop))
            {
                try
                {
                    Enter(random);
                }
                catch (ThreadInterruptedException)
                {
                    Interlocked.Increment(ref cameOut);
                }
            }
        })
        {
            IsBackground = true,
        })];
        Array.ForEach(threads, thread => thread.Start());
        var random = new Random(5);
        for (long until = Environment.TickCount64 + 500; Environment.TickCount64 < until;)
        {
            threads[random.Next(threads.Length)].Interrupt();
            Thread.SpinWait(random.Next(600));
        }

        long before = Volatile.Read(ref entered);
        Eventually.True(() => Volatile.Read(ref entered) > before + 100, "they go on");
        Volatile.Write(ref stop, true);
        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join(TestRuns.HangLimit), "a thread never came out");
        }

        Assert.Equal(kind is Kind.Gate or Kind.GateAsync, cameOut > 0); // only the gate's waits may be interrupted
        Assert.False(twice, "two were inside at once");
        Assert.True(gate.TryEnter(), "the gate was left held");
    }

    [Fact]
    public void An_interrupt_during_a_wait_that_goes_on_comes_out_at_the_next_one()
    {
        var held = new SteadyLock();
        Exception? later = null;
        bool got = false;
        Thread thread;
        using (held.Hold())
        {
            thread = new Thread(() =>
            {
                using (held.Hold())
                {
                    got = true;
                }

                later = Record.Exception(() => Thread.Sleep(1));
            });
            thread.Start();
            Eventually.True(() => (thread.ThreadState & ThreadState.WaitSleepJoin) != 0, "it waits");
            thread.Interrupt();
            Assert.False(thread.Join(50), "the lock was not waited for");
        }

        Assert.True(thread.Join(TestRuns.HangLimit));
        Assert.True(got);
        Assert.IsType<ThreadInterruptedException>(later);
    }

    [Fact]
    public async Task Who_gives_up_at_the_gate_passes_it_on()
    {
        var gate = new AsyncGate();
        Assert.True(gate.TryEnter());
        using var stop = new CancellationTokenSource();
        Task first = gate.EnterAsync(stop.Token);
        Task second = gate.EnterAsync(CancellationToken.None);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(second.IsCompleted);
        gate.Exit();
        await Eventually.Completes(second, "the one behind");
        Assert.False(gate.TryEnter());
        gate.Exit();
        Assert.True(gate.TryEnter());
    }
}
