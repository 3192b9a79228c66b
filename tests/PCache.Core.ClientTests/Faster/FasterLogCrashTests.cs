using PCache.Core.ClientTests.Support;
using PCache.Core.Tests.Support;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// What a FasterLog on a cache finds after a kill or a power cut: all that was committed, in order, and of the rest
/// only whole records.
/// </summary>
public sealed class FasterLogCrashTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Committed_records_survive(bool powerCut) => TestRuns.ForSeeds(2, seed =>
    {
        var random = new Random(seed);
        using var machine = new Machine(8, FasterLogRig.DiskBytes);
        using var rig = new FasterLogRig(machine);
        int written = 0;
        for (int round = 0; round < 6; round++)
        {
            int committed = written + random.Next(1, 800);
            for (; written < committed; written++)
            {
                rig.Log.Enqueue(FasterLogRig.Record(0, written));
            }

            rig.Log.Commit(spinWait: true);
            for (int more = random.Next(100); more > 0; more--)
            {
                rig.Log.Enqueue(FasterLogRig.Record(0, written++));
            }

            Settle(rig); // pages that are full are on their way: a crash takes memory and disk at one moment
            using Machine after = powerCut ? machine.AfterPowerCut(random) : machine.AfterKill();
            AssertHolds(after, committed, written, seed);
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Committed_records_survive_a_crash_in_the_middle_of_everything(bool powerCut)
    {
        const int Writers = 3;
        using var machine = new Machine(40, FasterLogRig.DiskBytes, with: options =>
            options with { StartWritebackPaused = true });
        using var rig = new FasterLogRig(machine);
        int[] committed = new int[Writers];
        using var stop = new CancellationTokenSource();
        Task[] writers = [.. Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; !stop.IsCancellationRequested && i < 800; i++)
            {
                rig.Log.Enqueue(FasterLogRig.Record(writer, i));
                if (i % 20 == 0)
                {
                    await rig.Log.CommitAsync();
                    Volatile.Write(ref committed[writer], i + 1);
                }
            }
        }))];
        try
        {
            for (int cut = 1; cut <= 3; cut++)
            {
                int target = cut * 50;
                Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref committed[0]) >= target
                    || writers.Any(task => task.IsFaulted), TestRuns.HangLimit), "the writers hang");
                int[] sure = [.. committed];
                using Machine after = powerCut ? machine.AfterPowerCut(new Random(cut)) : machine.AfterKill();
                using var rigAfter = new FasterLogRig(after);
                Dictionary<int, int> found = rigAfter.ReadAll();
                for (int writer = 0; writer < Writers; writer++)
                {
                    int count = found.GetValueOrDefault(writer);
                    Assert.True(count >= sure[writer],
                        $"crash {cut}: writer {writer} has {count} records, {sure[writer]} were committed");
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(writers).WaitAsync(TestRuns.HangLimit);
        }
    }

    private static void Settle(FasterLogRig rig) =>
        Assert.True(SpinWait.SpinUntil(() => rig.LogDevice.PendingCount == 0, TestRuns.HangLimit), "operations hang");

    private static void AssertHolds(Machine machine, int atLeast, int atMost, int seed)
    {
        using var rig = new FasterLogRig(machine);
        int found = rig.ReadAll().GetValueOrDefault(0);
        Assert.True(found >= atLeast && found <= atMost, $"seed {seed}: {found} records, not {atLeast} to {atMost}");
        for (int i = 0; i < 100; i++)
        {
            rig.Log.Enqueue(FasterLogRig.Record(0, found + i));
        }

        rig.Log.Commit(spinWait: true);
        Assert.Equal(found + 100, rig.ReadAll()[0]);
    }
}
