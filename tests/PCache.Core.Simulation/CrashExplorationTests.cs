using PCache.Core.Tests.Support;
using PCache.Lab.Torture;
using Xunit.Abstractions;

namespace PCache.Core.Simulation;

/// <summary>
/// Random worlds, stopped at every moment. The same code runs for as long as one likes as the laboratory's verb
/// <c>torture</c>.
/// </summary>
public sealed class RandomWorldTests(ITestOutputHelper output)
{
    [Fact]
    public void No_crash_of_a_random_world_breaks_a_promise()
    {
        // Many worlds, and a choice of their moments; a long run stops them at each.
        var run = new TortureRun { Options = new ExplorerOptions { PointOneIn = TestRuns.Many(suite: 3, longRun: 1) } };
        TestRuns.ForSeeds(24, seed => Assert.Null(run.Run(seed)));
        Report.Counters(output, run.Counters, atLeast: 25_000);
    }

    [Fact]
    public void No_crash_of_a_world_in_linux_geometry_breaks_a_promise()
    {
        var counters = new TortureCounters();
        for (int seed = 1; seed <= 3; seed++)
        {
            WorldSettings settings = WorldSettings.FromSeed(seed) with
            {
                Segments = 4,
                SegmentBytes = PCacheOptions.LinuxSegmentSizeBytes,
                LogReserveSegments = 1,
                PayloadCrc = seed % 2 == 0
            };
            var explorer = new CrashExplorer(new ExplorerOptions { StatesPerDrain = 8, PointOneIn = 12 }, seed,
                counters);
            new World(settings, explorer).Run(Workloads.Random(settings, seed, 30, crashes: false));
        }

        Report.Counters(output, counters, atLeast: 50);
    }

    /// <summary>
    /// Of writes that survive the process each that has returned is there after a kill at any moment; after a power cut
    /// everything is as without.
    /// </summary>
    [Fact]
    public void No_kill_of_a_world_whose_writes_persist_takes_one_back()
    {
        var counters = new TortureCounters();
        for (int seed = 1; seed <= 10; seed++)
        {
            WorldSettings settings = WorldSettings.FromSeed(seed) with
            {
                PersistWrites = true,
                SegmentBytes = 64 << 10,
                Segments = 6,
                KsetTimeoutMs = 60_000
            };
            var explorer = new CrashExplorer(
                new ExplorerOptions { StatesPerDrain = 4, KillOneStoreIn = 1, PointOneIn = 2 }, seed, counters);
            new World(settings, explorer).Run(Workloads.Random(settings, seed, 40, crashes: seed % 2 == 0));
        }

        Report.Counters(output, counters, atLeast: 2000);
    }

}

/// <summary>Worlds whose backing goes from flush to flush in one step, stopped at every moment.</summary>
public sealed class CheckpointWorldTests(ITestOutputHelper output)
{
    /// <summary>Backing and journal are exactly as of a flush at every moment, and the cache has everything besides.</summary>
    [Fact]
    public void No_crash_of_a_world_with_checkpoints_breaks_a_promise()
    {
        var counters = new TortureCounters();
        TestRuns.ForSeeds(8, seed =>
        {
            WorldSettings settings = CheckpointWorlds.Settings(seed);
            var explorer = new CrashExplorer(new ExplorerOptions { StatesPerDrain = 8, PointOneIn = 2 }, seed, counters);
            new World(settings, explorer).Run(Workloads.Random(settings, seed, 30, crashes: seed % 2 == 0));
        });
        Report.Counters(output, counters, atLeast: 2000);
    }
}

/// <summary>What a seed decides.</summary>
public sealed class SeedTests
{
    [Fact]
    public void The_same_seed_is_the_same_run()
    {
        long[][] runs =
        [
            .. Enumerable.Range(0, 2).Select(_ =>
            {
                var run = new TortureRun { Options = new ExplorerOptions { PointOneIn = 6 } };
                foreach (int seed in (int[])[1, 4, 5, 6])
                {
                    Assert.Null(run.Run(seed));
                }

                return new[] { run.Counters.Points, run.Counters.States, run.Counters.Recoveries,
                    run.Counters.SecondLives };
            }),
        ];
        Assert.Equal(runs[0], runs[1]);
    }
}

/// <summary>Worlds that go on after power cuts, kills and faults: hundreds of operations, many lives.</summary>
public sealed class GoingOnTests(ITestOutputHelper output)
{
    [Fact]
    public void A_world_goes_on_after_crashes_and_faults()
    {
        var run = new TortureRun();
        TestRuns.ForSeeds(400, seed => Assert.Null(run.Run((seed * 8) + 4)));
        Report.Counters(output, run.Counters, atLeast: 500);
    }
}

/// <summary>
/// Each operation in every situation. Every script at every moment is hours of work (the verb torture); here a choice
/// of moments and states, another one for each script.
/// </summary>
public sealed class ScriptedWorkloadTests(ITestOutputHelper output)
{
    internal static readonly ExplorerOptions Moments =
        ExplorerOptions.AllSubsets with
        {
            StatesPerDrain = 16,
            StatesPerDiskCall = 2,
            PointOneIn = TestRuns.Many(suite: 48, longRun: 16)
        };

    [Fact]
    public void Each_operation_in_each_situation()
    {
        var run = new TortureRun { Options = Moments };
        for (int number = 0; number < ScriptedWorkloads.Singles; number++)
        {
            Assert.Null(run.RunScripted(number + 1, number));
        }

        Report.Counters(output, run.Counters, atLeast: 20_000);
    }
}

/// <summary>Each pair of operations, in every situation.</summary>
public sealed class ScriptedPairTests(ITestOutputHelper output)
{
    private static readonly ExplorerOptions FewMoments =
        ScriptedWorkloadTests.Moments with { AllUpTo = 0, PointOneIn = 60 };

    [Fact]
    public void Pairs_of_operations_in_each_situation()
    {
        // It has no factor in common with the number of singles, so each operation comes in each situation on each
        // machine.
        const int Stride = 17;
        Assert.True(ScriptedWorkloads.Singles % Stride != 0
            && (ScriptedWorkloads.Count - ScriptedWorkloads.Singles) / Stride > ScriptedWorkloads.Singles);
        var run = new TortureRun { Options = FewMoments };
        int step = TestRuns.Many(suite: Stride, longRun: 1);
        for (int number = ScriptedWorkloads.Singles; number < ScriptedWorkloads.Count; number += step)
        {
            Assert.Null(run.RunScripted(number + 1, number));
        }

        Report.Counters(output, run.Counters, atLeast: 9_000);
    }
}

/// <summary>What a run has done, for the log and against runs that do nothing.</summary>
internal static class Report
{
    public static void Counters(ITestOutputHelper output, TortureCounters counters, long atLeast)
    {
        output.WriteLine(
            $"{counters.Workloads:N0} workloads, {counters.Points:N0} points, {counters.States:N0} crash states, "
            + $"{counters.Recoveries:N0} recoveries, {counters.SecondLives:N0} second lives");
        Assert.InRange(counters.States, atLeast, long.MaxValue);
    }
}
