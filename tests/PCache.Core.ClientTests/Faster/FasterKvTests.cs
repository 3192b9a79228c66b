using FASTER.core;
using PCache.Core.ClientTests.Support;
using PCache.Core.Tests.Support;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// FasterKV on a cache that is smaller than its log: sessions, checkpoints, recovery after kills and power cuts,
/// truncation, errors.
/// </summary>
public sealed class FasterKvTests
{
    private const long Keys = 12_000;

    [Fact]
    public async Task Sessions_of_many_threads_find_what_they_wrote()
    {
        const int Threads = 4;
        using var machine = new Machine(6, FasterKvRig.DiskBytes);
        using var rig = new FasterKvRig(machine.Device);
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            long from = thread * 100_000;
            for (long version = 1; version <= 3; version++)
            {
                rig.Write(from, from + Keys, version);
            }
        }))).WaitAsync(TestRuns.HangLimit);
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            long from = thread * 100_000;
            Assert.All(rig.Read(from, from + Keys, step: 13), version => Assert.Equal(3, version));
            Assert.All(rig.Read(from + Keys, from + Keys + 10), version => Assert.Null(version));
        }))).WaitAsync(TestRuns.HangLimit);
        Assert.True(machine.Disk.Calls(DiskOperation.Read) > 0,
            "nothing was read from the backing: the log was to be larger than the cache");
    }

    [Theory]
    [InlineData(CheckpointType.FoldOver, false)]
    [InlineData(CheckpointType.FoldOver, true)]
    [InlineData(CheckpointType.Snapshot, false)]
    [InlineData(CheckpointType.Snapshot, true)]
    public async Task A_checkpoint_survives(CheckpointType type, bool powerCut)
    {
        using var machine = new Machine(8, FasterKvRig.DiskBytes);
        using var rig = new FasterKvRig(machine.Device);
        rig.Write(0, 10_000, 1);
        await rig.CheckpointAsync(type).WaitAsync(TestRuns.HangLimit);
        rig.Write(0, 5000, 2);
        rig.Write(10_000, 12_000, 1);
        await rig.CheckpointAsync(type).WaitAsync(TestRuns.HangLimit);
        rig.Write(2000, 4000, 3);
        rig.Write(12_000, 13_000, 1);
        Assert.True(SpinWait.SpinUntil(() => rig.LogDevice.PendingCount == 0, TestRuns.HangLimit), "operations hang");
        Assert.Null(rig.Files.LastError);
        using Machine after = powerCut ? machine.AfterPowerCut(new Random(7)) : machine.AfterKill();
        using var again = new FasterKvRig(after.Device, recover: true);
        Assert.All(again.Read(0, 5000, 3), version => Assert.Equal(2, version));
        Assert.All(again.Read(5000, 12_000, 3), version => Assert.Equal(1, version));
        Assert.All(again.Read(12_000, 13_000, 3), version => Assert.Null(version));
        again.Write(0, 1000, 9);
        await again.CheckpointAsync(type).WaitAsync(TestRuns.HangLimit);
        Assert.All(again.Read(0, 1000), version => Assert.Equal(9, version));
    }

    [Fact]
    public async Task A_reopened_store_has_its_last_checkpoint_and_the_backing_alone_too_when_drained()
    {
        using var machine = new Machine(8, FasterKvRig.DiskBytes);
        using (var rig = new FasterKvRig(machine.Device))
        {
            rig.Write(0, 20_000, 1);
            await rig.CheckpointAsync(CheckpointType.FoldOver).WaitAsync(TestRuns.HangLimit);
        }

        using (var rig = new FasterKvRig(machine.Device, recover: true))
        {
            Assert.All(rig.Read(0, 20_000, 7), version => Assert.Equal(1, version));
        }

        // The same on the disk without its cache: a new, empty one in front of it.
        await machine.Device.DrainAsync();
        using SimulatedDisk disk = machine.Disk.AfterPowerCut(new Random(1));
        using var device = PCacheDevice.Create(Pmem.PmemMemory.Allocate(9 << 20), disk,
            new PCacheOptions { SegmentSizeBytes = 1 << 20 });
        using var again = new FasterKvRig(device, recover: true);
        Assert.All(again.Read(0, 20_000, 7), version => Assert.Equal(1, version));
    }

    [Fact]
    public void Truncation_reaches_the_backing()
    {
        using var machine = new Machine(8, FasterKvRig.DiskBytes);
        using var rig = new FasterKvRig(machine.Device);
        rig.Write(0, 40_000, 1);
        long until = rig.Store.Log.SafeReadOnlyAddress / 2;
        rig.Store.Log.ShiftBeginAddress(until, truncateLog: true);
        int segments = (int)(until >> 19);
        Assert.True(segments > 1);
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    machine.Device.Drain();
                    return machine.Disk.Calls(DiskOperation.Discard) > 0;
                },
                TestRuns.HangLimit),
            "the backing wasn't told");
        Assert.Equal(segments, rig.LogDevice.StartSegment);
        Assert.All(rig.Read(39_000, 40_000), version => Assert.Equal(1, version));
        Assert.Null(rig.Read(0, 1)[0]);
    }

    [Fact]
    public async Task What_FASTER_passes_over_is_reported()
    {
        using var machine = new Machine(8, FasterKvRig.DiskBytes);
        using var rig = new FasterKvRig(machine.Device, fileBytes: 4 << 20);
        rig.Write(0, 20_000, 1);
        await rig.CheckpointAsync(CheckpointType.FoldOver).WaitAsync(TestRuns.HangLimit);

        // Reading the index's overflow buckets asks for 4 MiB behind its table: more than the file has. FASTER goes on
        // without them.
        using var again = new FasterKvRig(machine.Device, recover: true, fileBytes: 4 << 20);
        Assert.IsType<IOException>(again.Files.LastError);
    }
}
