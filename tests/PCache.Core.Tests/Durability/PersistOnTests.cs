using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>
/// From when on a write survives the death of the process. With <see cref="PersistOn.Write"/>, of the device, of a
/// view or of the single write, it is there after a kill as soon as it has
/// returned, in every way of writing; without, that isn't promised, and it isn't. It is no barrier: the backing
/// is written as before.
/// </summary>
public sealed class PersistOnTests
{
    private static readonly PCacheOptions NoTimerHelps =
        new() { KsetTimeout = TimeSpan.FromHours(1), StartWritebackPaused = true };

    public enum Asked
    {
        Nowhere,
        OfTheDevice,
        OfTheView,
        OfTheWrite,
    }

    public enum Way
    {
        Write,
        Partial,
        Zeroes,
        Batch,
        Growth,
        BufferedView,
    }

    public static TheoryData<Asked, Way, bool> Cases
    {
        get
        {
            var data = new TheoryData<Asked, Way, bool>();
            foreach (Asked asked in Enum.GetValues<Asked>())
            {
                foreach (Way way in Enum.GetValues<Way>())
                {
                    data.Add(asked, way, false);
                    data.Add(asked, way, true);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_write_that_returned_is_there_after_a_kill_where_that_was_asked_for(Asked asked, Way way,
        bool asynchronous)
    {
        using var rig = new Rig(RegionKind.Memory, BackingKind.Memory,
            options: NoTimerHelps with { PersistOn = asked == Asked.OfTheDevice ? PersistOn.Write : PersistOn.Flush });
        bool promised = await Write(rig.Device, asked, way, asynchronous);
        Assert.Equal(promised, rig.Device.GetStatus().PendingKeys == 0);
        byte[] seen = Rig.ReadAll(rig.Device);
        using PCacheDevice killed = rig.OpenKilledCopy();
        byte[] left = Rig.ReadAll(killed);
        if (promised)
        {
            Rig.AssertSame(seen, left, "after the kill");
        }
        else
        {
            Assert.False(seen.AsSpan().SequenceEqual(left),
                "it is there without having been asked for: this test shows nothing");
        }
    }

    [Theory]
    [InlineData(RegionKind.PageCache)]
    [InlineData(RegionKind.PowerSafe)]
    [InlineData(RegionKind.Assumed)]
    public async Task It_is_so_on_every_kind_of_region(RegionKind kind)
    {
        using var rig = new Rig(kind, BackingKind.Memory, options: NoTimerHelps with { PersistOn = PersistOn.Write });
        rig.Device.Write(100, Patterns.Make(0, 512, 1));
        await rig.Device.WriteAsync(8192, Patterns.Make(0, 4096, 2));
        rig.Device.Write((1 << 20) - 512, Patterns.Make(0, 1024, 3)); // grows
        byte[] seen = Rig.ReadAll(rig.Device);
        using PCacheDevice killed = rig.OpenKilledCopy();
        Rig.AssertSame(seen, Rig.ReadAll(killed), "after the kill");
    }

    [Fact]
    public void It_is_no_barrier_and_the_backing_gets_the_last_version_once()
    {
        using var cache = new SmallCache(with: o =>
            o with { PersistOn = PersistOn.Write, WritebackDelay = TimeSpan.FromHours(1) });
        long flushesOfTheOpen = cache.Backing.Calls(DiskOperation.Flush);
        for (int i = 0; i < 20; i++)
        {
            cache.Device.Write(4096, Patterns.Make(0, 4096, i));
            cache.Device.Write(8192, Patterns.Make(0, 4096, i));
        }

        cache.Device.Drain();
        Assert.Equal(1, cache.Backing.Calls(DiskOperation.Write));
        Assert.Equal(1, cache.Backing.Calls(DiskOperation.Flush) - flushesOfTheOpen);
    }

    [Fact]
    public async Task Writers_at_once_share_what_it_costs()
    {
        const int Writers = 8;
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(16), drainIsCheap: false);
        using PCacheDevice device = PCacheDevice.Create(region, Disks.Make(1 << 20), MachineClock.On(NoTimerHelps with
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PersistOn = PersistOn.Write,
            LeaveRegionOpen = true,
            Maintenance = MaintenanceMode.Manual,
        }, new Machine { Chance = Chance.FromSeed(1, cores: 1) }));
        device.Write(1 << 19, new byte[4096]); // the one data head has its segment: no drain for that
        int drains = 0;
        using var drained = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        region.BeforeEvent = e =>
        {
            if (e == PmemEvent.Drain)
            {
                Interlocked.Increment(ref drains);
                drained.Set();
                Assert.True(go.Wait(TestRuns.HangLimit));
            }
        };
        Task[] writers = [.. Enumerable.Range(0, Writers).Select(n => Eventually.Thread(() =>
        {
            if (n > 0)
            {
                drained.Wait(TestRuns.HangLimit);
            }

            device.Write(n * 4096, new byte[4096]);
        }))];
        Eventually.True(() => device.GetStatus().PendingKeys == Writers, "one is at it, and the others wait for it");
        go.Set();
        foreach (Task writer in writers)
        {
            await Eventually.Completes(writer, "a writer");
        }

        region.BeforeEvent = null;
        Assert.Equal(4, drains); // payload and kset of the first one; payload and one kset of all the others
        Assert.Equal(0, device.GetStatus().PendingKeys);
    }

    [Fact]
    public async Task A_medium_that_fails_is_told_by_the_write()
    {
        using var cache = new SmallCache(with: o => o with { PersistOn = PersistOn.Write });
        bool fails = true;
        int drains = 0;
        cache.Region.BeforeEvent = e =>
        {
            if (fails && e == PmemEvent.Drain && ++drains % 2 == 0)
            {
                throw new IOException("drain"); // not the payload's, the kset's
            }
        };
        Assert.Throws<IOException>(() => cache.Device.Write(0, Patterns.Make(0, 4096, 1)));
        await Assert.ThrowsAsync<IOException>(async () =>
            await cache.Device.WriteAsync(4096, Patterns.Make(0, 4096, 2)));
        fails = false;
        cache.Device.Write(8192, Patterns.Make(0, 4096, 3));
        byte[] seen = Rig.ReadAll(cache.Device);
        using PCacheDevice killed = cache.OpenKilledCopy();
        Rig.AssertSame(seen, Rig.ReadAll(killed), "the next one brings what the failed ones have left");
    }

    [Fact]
    public void A_stream_with_a_buffer_of_its_own_hands_over_what_is_to_persist()
    {
        string path = Path.GetTempFileName();
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 65536);
            file.SetLength(8192);
            using IBlockDevice device = BlockDevice.FromStream(file, leaveOpen: true,
                new FileBackingOptions { AllowSharing = true });
            device.Write(0, Patterns.Make(0, 512, 1));
            device.Write(512, Patterns.Make(0, 512, 2), WriteDurability.Persist);
            using var other = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var read = new byte[1024];
            other.ReadExactly(read);
            Rig.AssertSame([.. Patterns.Make(0, 512, 1), .. Patterns.Make(0, 512, 2)], read, "as the system has it");
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Values_that_are_none_are_refused()
    {
        using var cache = new SmallCache();
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.OpenStream((PersistOn)2));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.Write(0, new byte[512], (WriteDurability)3));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Backing.Write(0, new byte[512], (WriteDurability)3));
    }

    /// <summary>Writes; says whether a kill may not take it back.</summary>
    private static async Task<bool> Write(PCacheDevice device, Asked asked, Way way, bool asynchronous)
    {
        WriteDurability durability = asked == Asked.OfTheWrite ? WriteDurability.Persist : WriteDurability.Normal;
        bool view = asked == Asked.OfTheView || way == Way.BufferedView;
        byte[] data = Patterns.Make(0, 8192, 9);
        long offset = way == Way.Growth ? device.Length - 512 : way == Way.Partial ? 1000 : 4096;
        ReadOnlyMemory<byte> bytes = way == Way.Partial ? data.AsMemory(0, 700) : data;
        if (view && way is not (Way.Zeroes or Way.Batch))
        {
            // Not disposed: that would hand over what is left in the buffer, and here it has left it: twice its size.
            PCacheStream stream = asked == Asked.OfTheView
                ? device.OpenStream(PersistOn.Write, way == Way.BufferedView ? 4096 : 0)
                : device.OpenStream(way == Way.BufferedView ? 4096 : 0);
            stream.Position = offset;
            if (asynchronous)
            {
                await stream.WriteAsync(bytes);
            }
            else
            {
                stream.Write(bytes.Span);
            }

            return asked is Asked.OfTheView or Asked.OfTheDevice;
        }

        switch (way, asynchronous)
        {
            case (Way.Zeroes, false):
                device.Write(offset, data, WriteDurability.ForceUnitAccess);
                device.WriteZeroes(offset + 512, 4096, durability);
                break;
            case (Way.Zeroes, true):
                device.Write(offset, data, WriteDurability.ForceUnitAccess);
                await device.WriteZeroesAsync(offset + 512, 4096, durability);
                break;
            case (Way.Batch, false):
                device.WriteBatch([new BlockWrite(offset, data.AsMemory(0, 4096)),
                    new BlockWrite(offset + 100_000, data.AsMemory(4096, 100))], durability);
                break;
            case (Way.Batch, true):
                await device.WriteBatchAsync(new[] { new BlockWrite(offset, data.AsMemory(0, 4096)),
                    new BlockWrite(offset + 100_000, data.AsMemory(4096, 100)) }, durability);
                break;
            case (_, false):
                device.Write(offset, bytes.Span, durability);
                break;
            default:
                await device.WriteAsync(offset, bytes, durability);
                break;
        }

        return asked is Asked.OfTheDevice or Asked.OfTheWrite;
    }
}
