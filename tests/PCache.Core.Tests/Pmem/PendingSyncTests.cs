using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

public class PendingSyncTests
{
    [Fact]
    public void A_drain_syncs_what_encloses_all_that_was_added_once()
    {
        List<(long Offset, long Length)> synced = [];
        PendingSync pending = new((offset, length) => synced.Add((offset, length)));
        pending.Drain();
        Assert.Empty(synced);
        pending.Add(8192, 512);
        pending.Add(4096, 16);
        pending.Add(1, 0);
        pending.Add(20_000, 1);
        pending.Drain();
        Assert.Equal([(4096, 20_001 - 4096)], synced);
        pending.Drain();
        Assert.Single(synced);
        pending.Add(0, 8);
        pending.Drain();
        Assert.Equal((0, 8), synced[^1]);
    }

    [Fact]
    public void After_a_failed_sync_no_drain_claims_success()
    {
        IOException fault = new("bad disk");
        int calls = 0;
        PendingSync pending = new((_, _) =>
        {
            if (calls++ == 0)
            {
                throw fault;
            }
        });
        pending.Add(0, 512);
        Assert.Same(fault, Assert.Throws<IOException>(pending.Drain));
        Assert.Same(fault, Assert.Throws<IOException>(pending.Drain).InnerException);
        pending.Add(4096, 512);
        Assert.Throws<IOException>(pending.Drain);
        Assert.Equal(1, calls);
    }

    [Fact]
    public void A_drain_waits_for_the_sync_that_has_taken_its_range()
    {
        using ManualResetEventSlim inSync = new();
        using ManualResetEventSlim letGo = new();
        int finished = 0;
        PendingSync pending = new((_, _) =>
        {
            inSync.Set();
            letGo.Wait();
            Interlocked.Increment(ref finished);
        });
        pending.Add(0, 512);
        Thread first = new(pending.Drain);
        first.Start();
        inSync.Wait();
        int seenBySecond = -1;
        Thread second = new(() =>
        {
            pending.Drain();
            seenBySecond = Volatile.Read(ref finished);
        });
        second.Start();

        // The second can only end after the first, so give it every chance to end too early.
        Assert.False(second.Join(50));
        letGo.Set();
        first.Join();
        second.Join();
        Assert.Equal(1, seenBySecond);
    }

    [Fact]
    public void Ranges_added_during_a_sync_wait_for_the_next()
    {
        using ManualResetEventSlim inSync = new();
        using ManualResetEventSlim letGo = new();
        List<(long Offset, long Length)> synced = [];
        PendingSync pending = new((offset, length) =>
        {
            synced.Add((offset, length));
            inSync.Set();
            letGo.Wait();
        });
        pending.Add(0, 512);
        Thread first = new(pending.Drain);
        first.Start();
        inSync.Wait();
        pending.Add(8192, 512);
        letGo.Set();
        first.Join();
        Assert.Equal([(0, 512)], synced);
        pending.Drain();
        Assert.Equal([(0, 512), (8192, 512)], synced);
    }

    [Fact]
    public void Whatever_threads_do_a_drained_range_was_synced_after_it_was_added()
    {
        // Each range's version is raised before it is added; a sync notes the versions in its range; after a drain the
        // noted one must have caught up.
        const int Ranges = 4;
        long[] stored = new long[Ranges];
        long[] durable = new long[Ranges];
        PendingSync pending = new((offset, length) =>
        {
            for (long i = offset; i < offset + length; i++)
            {
                long version = Volatile.Read(ref stored[i]);
                Thread.Yield();
                Volatile.Write(ref durable[i], version);
            }
        });
        Parallel.For(0, Ranges, new ParallelOptions { MaxDegreeOfParallelism = Ranges }, i =>
        {
            for (long version = 1; version <= 500; version++)
            {
                Volatile.Write(ref stored[i], version);
                pending.Add(i, 1);
                pending.Drain();
                Assert.True(Volatile.Read(ref durable[i]) >= version);
            }
        });
    }
}
