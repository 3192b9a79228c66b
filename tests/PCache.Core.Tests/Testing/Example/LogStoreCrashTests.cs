// The example of docs/testing.md: how an application tests its own storage code. Keeps true: what the page shows is
// what runs here.

using PCache.Core.Tests.Support;
using Xunit.Abstractions;

namespace PCache.Core.Tests.Testing.Example;

public sealed class LogStoreCrashTests(ITestOutputHelper output)
{
    // example: crash-test
    [Fact]
    public void The_log_store_keeps_its_promises_through_every_crash()
    {
        var test = new CrashTest(
            workload: (device, log) =>
            {
                using LogStore store = LogStore.Open(device);
                for (int i = 0; i < 24; i++)
                {
                    string name = $"name {i % 5}";
                    string? value = i % 7 == 6 ? null : new string((char)('a' + i), 40 + (i * 331 % 1000));
                    log.Begin(name, value);   // from here on it may be found after a crash
                    store.Put(name, value);
                    if (i % 3 != 0)
                    {
                        store.Commit();
                        log.Promise();        // from here on everything that was begun must be found
                    }
                }
            },
            verify: (device, log) =>
            {
                using LogStore store = LogStore.Open(device); // the recovery under test
                foreach (string name in store.Names.Union(log.Names))
                {
                    log.Check(name, store.Get(name));
                }
            })
        {
            DiskLength = 24 << 10, // small, so that the store compacts often
            FailCalls = true,      // also what happens when its first call fails, its second, ...
        };

        CrashTestResult result = test.Run();
        result.ThrowIfFailed();
        output.WriteLine(result.ToString());
    }

    // end of example
    [Fact]
    public void The_log_store_keeps_its_promises_on_a_cache()
    {
        CrashTestResult result = MakeTest(Mistake.None, CrashTestTarget.Cache).Run();
        output.WriteLine(result.ToString());
        _ = result.ThrowIfFailed();
        Assert.True(result is { States: > 1000, NestedStates: > 500, Failure: null }, result.ToString());
    }

    [Theory]
    [InlineData(CrashTestTarget.Disk)]
    [InlineData(CrashTestTarget.Cache)]
    public void Random_workloads_find_nothing_in_the_right_store(CrashTestTarget target) => TestRuns.ForSeeds(2, seed =>
    {
        CrashTestResult result = new CrashTest(
            (device, log) =>
            {
                var random = new Random(seed);
                LogStore store = LogStore.Open(device);
                for (int i = 0; i < 20; i++)
                {
                    string name = $"name {random.Next(5)}";
                    string? value = random.Next(5) == 0 ? null : new string((char)('a' + i), random.Next(1500));
                    log.Begin(name, value);
                    store.Put(name, value);
                    if (random.Next(3) == 0)
                    {
                        store.Commit();
                        log.Promise();
                    }

                    if (random.Next(10) == 0)
                    {
                        store = LogStore.Open(device); // makes everything durable
                        log.Promise();
                    }
                }
            },
            (device, log) =>
            {
                for (int starts = 0; starts < 2; starts++) // what a start has read, the next one finds again
                {
                    LogStore store = LogStore.Open(device);
                    foreach (string name in store.Names.Union(log.Names))
                    {
                        string? found = store.Get(name);
                        log.Check(name, found);
                        log.Promise(name, found);
                    }
                }
            })
        {
            DiskLength = 24 << 10,
            Target = target,
            Seed = seed,
            MaxNestedCrashes = 3,
            MaxNestedStates = 1000,
            MaxStatesPerPoint = 12,
            FailCalls = true,
            MaxFaults = target == CrashTestTarget.Disk ? 600 : 30,
        }.Run();
        Assert.True(result.Failure is null, $"seed {seed}: {result.Failure}");
        Assert.True(result is { States: > 200, NestedStates: > 200, Faults: >= 30 }, $"seed {seed}: {result}");
    });

    [Theory]
    [InlineData(Mistake.SuperblockTooEarly)]
    [InlineData(Mistake.NoChecksum)]
    [InlineData(Mistake.AcknowledgedTooEarly)]
    [InlineData(Mistake.NoFlushAtOpen)]
    public void Every_mistake_is_found_on_a_disk(Mistake mistake) =>
        AssertFound(() => MakeTest(mistake, CrashTestTarget.Disk));

    [Fact]
    public void Acknowledging_too_early_is_found_on_a_cache() =>
        AssertFound(() => MakeTest(Mistake.AcknowledgedTooEarly, CrashTestTarget.Cache));

    // A cache logs what is written in the order in which it was written, so an order that was never asked for is kept
    // all the same: this mistake does harm on a disk only.
    [Fact]
    public void A_superblock_too_early_does_no_harm_on_a_cache() => AssertNotFound(() => MakeLargeTest(
        Mistake.SuperblockTooEarly,
        recordsBeforeStripe: 65,
        setup: (device, log) =>
        {
            LogStore store = LogStore.Open(device); // its area is the second one
            PutMany(store, log, 135, longOne: -1);
            _ = LogStore.Open(device);              // compacts into the first area
            log.Promise();
        },
        work: (device, _) => WrongLogStores.Open(Mistake.SuperblockTooEarly, device))); // compacts into the second area

    // A single write may be there in part: here of a record that lies in two stripes of 4 MiB.
    [Fact]
    public void A_missing_checksum_is_found_on_a_cache_by_a_larger_store() => AssertFound(() => MakeLargeTest(
        Mistake.NoChecksum,
        recordsBeforeStripe: 128,
        setup: null,
        work: (device, log) => PutMany(WrongLogStores.Open(Mistake.NoChecksum, device), log, 129, longOne: 127)));

    private void AssertNotFound(Func<CrashTest> makeTest)
    {
        CrashTestResult result = makeTest().Run();
        output.WriteLine(result.ToString());
        Assert.Null(result.Failure);
        Assert.InRange(result.States, 1000, int.MaxValue);
    }

    private void AssertFound(Func<CrashTest> makeTest)
    {
        CrashTestResult result = makeTest().Run();
        output.WriteLine(result.ToString());
        CrashTestFailure? failure = result.Failure;
        Assert.NotNull(failure);
        output.WriteLine(failure.ToString());
        Assert.Equal(CrashTestFailureKind.PowerCut, failure.Kind); // without a crash nothing shows it

        CrashTestFailure? again = makeTest().Replay(failure.Key).Failure;
        Assert.NotNull(again);
        Assert.Equal((failure.Key, failure.Exception.Message), (again.Key, again.Exception.Message));
    }

    [Fact]
    public void A_key_of_the_disk_passes_once_the_mistake_is_mended()
    {
        string key = MakeTest(Mistake.NoChecksum, CrashTestTarget.Disk).Run().Failure!.Key;
        Assert.Null(MakeTest(Mistake.None, CrashTestTarget.Disk).Replay(key).Failure);
    }

    private static CrashTest MakeTest(Mistake mistake, CrashTestTarget target)
    {
        return new CrashTest(Work, Verify) { DiskLength = 24 << 10, Target = target };

        void Work(IBlockDevice device, CrashTestLog log)
        {
            using LogStore store = WrongLogStores.Open(mistake, device);
            for (int i = 0; i < 24; i++)
            {
                string name = $"name {i % 5}";
                string? value = i % 7 == 6 ? null : new string((char)('a' + i), 40 + (i * 331 % 1000));
                log.Begin(name, value);
                store.Put(name, value);
                if (i % 3 != 0)
                {
                    store.Commit();
                    log.Promise();
                }
            }
        }

        void Verify(IBlockDevice device, CrashTestLog log)
        {
            using LogStore store = WrongLogStores.Open(mistake, device);
            foreach (string name in store.Names.Union(log.Names))
            {
                log.Check(name, store.Get(name));
            }
        }
    }

    private static void PutMany(LogStore store, CrashTestLog log, int count, int longOne)
    {
        for (int i = 0; i < count; i++)
        {
            string value = new((char)('a' + (i % 26)), i == longOne ? 900 : 100);
            log.Begin($"{i:d3}", value);
            store.Put($"{i:d3}", value);
        }
    }

    /// <summary>The second area begins so many records before the end of the first stripe.</summary>
    private static CrashTest MakeLargeTest(Mistake mistake, int recordsBeforeStripe, Action<IBlockDevice,
        CrashTestLog>? setup, Action<IBlockDevice, CrashTestLog> work)
    {
        long areaBytes = (4 << 20) - 1024 - (recordsBeforeStripe * 512);
        return new CrashTest(work, Verify)
        {
            DiskLength = 1024 + (2 * areaBytes),
            Target = CrashTestTarget.Cache,
            TimePerCall = TimeSpan.Zero, // so that no timer logs what isn't flushed
            Setup = setup,
        };

        void Verify(IBlockDevice device, CrashTestLog log)
        {
            using LogStore store = WrongLogStores.Open(mistake, device);
            foreach (string name in store.Names.Union(log.Names))
            {
                log.Check(name, store.Get(name));
            }
        }
    }
}
