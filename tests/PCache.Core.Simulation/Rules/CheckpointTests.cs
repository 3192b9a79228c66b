using PCache.Core.Tests.Support;
using PCache.Lab.Torture;

namespace PCache.Core.Simulation.Rules;

/// <summary>Checkpoints stopped at every moment: the cache has everything, and backing and journal without it are exactly as of a flush.</summary>
public sealed class CheckpointTests
{
    private static readonly RuleChecks Checks = new()
    {
        { [Rule.JournalNotFlushed, Rule.WrittenWithoutJournal, Rule.JournalLeftAtDrain], () => Run(0) },
        { Rule.WindowEndsAnywhere, () => Run(1) },
        { Rule.JournalKeptAtOpen, JournalFromBeforeTheLogBeganAnew },
        { [Rule.JournalFoundNotFlushed, Rule.PendingJournalForgotten], () => Run(2) },
        { [Rule.JournalOutlivesCut, Rule.JournalErasureNotFlushed], () => Run(4) },
        { [Rule.LengthNotLogged, Rule.LengthNotReplayed, Rule.BackingNotLengthened], () => Run(5) },
    };

    public static TheoryData<string> Rules => Checks.Names;

    public static TheoryData<int> Worlds => [.. Enumerable.Range(0, CheckpointWorlds.Count)];

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    [Theory]
    [MemberData(nameof(Worlds))]
    public void No_crash_breaks_a_promise(int world) => Run(world);

    /// <summary>A log that was emptied begins with other numbers: they say nothing of a journal that is older.</summary>
    private static void JournalFromBeforeTheLogBeganAnew()
    {
        // The numbers begin at random: every other time the new ones happen to lie behind the journal's.
        for (int i = 0; i < 20; i++)
        {
            OpenTwiceAfterACut();
        }
    }

    private static void OpenTwiceAfterACut()
    {
        var journal = new SimulatedDisk(0, new SimulatedDiskOptions { BlockSize = 512, CanResize = true });
        using var cache = new SmallCache(canResize: true, with: o => o with
        {
            BackingConsistency = BackingConsistency.Checkpoint,
            CheckpointJournal = journal,
            WritebackDelay = TimeSpan.Zero,
        });
        cache.Device.Write(0, new byte[4096]);
        cache.Device.Flush();
        cache.Settle();
        byte[] old = journal.Snapshot();
        cache.Device.SetLength(1 << 19);
        var place = new SimulatedDisk(old, new SimulatedDiskOptions { BlockSize = 512, CanResize = true });
        using SimulatedPmem region = cache.Region.AfterKill();
        SimulatedDisk disk = cache.Backing.AfterKill();
        PCacheOptions quiet = cache.Options with
        {
            CheckpointJournal = place,
            TimeProvider = new VirtualClock(),
            WritebackDelay = TimeSpan.FromHours(1), // a checkpoint before the kill would write another journal
        };
        PCacheDevice device = PCacheDevice.Open(region, disk, quiet);
        device.Write(0, new byte[512]);
        device.Flush();
        PCacheOptions after = quiet with { CheckpointJournal = place.AfterKill(), LeaveRegionOpen = false };
        Assert.Null(Record.Exception(() => PCacheDevice.Open(region.AfterKill(), disk.AfterKill(), after).Dispose()));
    }

    private static void Run(int world) => Assert.Null(Record.Exception(() => CheckpointWorlds.Run(world, new TortureCounters())));
}
