// Keeps true: the bound on the index's memory holds, whatever is written, and no caller is stuck behind it.

using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary><see cref="PCacheOptions.MaxIndexMemoryBytes"/>.</summary>
public sealed class IndexMemoryTests
{
    private const int Segments = 512;
    private const int BackingBytes = 24 << 20;
    private const int Sectors = BackingBytes / 512;

    /// <summary>Enough for all pages that fit (13 in a segment), far less than for all sectors.</summary>
    private const long Bound = (256 << 10) + (Segments * 13 * 24) + 4096;

    [Theory]
    [InlineData(MaintenanceMode.Manual, false)]
    [InlineData(MaintenanceMode.Manual, true)]
    [InlineData(MaintenanceMode.OwnThread, false)]
    [InlineData(MaintenanceMode.OwnThread, true)]
    public void Sectors_go_on_being_written_under_the_bound_and_nothing_is_lost(MaintenanceMode maintenance, bool zeros)
    {
        var random = new Random(7);
        byte[] expected = new byte[BackingBytes];
        random.NextBytes(expected);
        using SimulatedDisk backing = Disks.Make([.. expected], blockSize: 1);
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(Segments));
        PCacheOptions options = Options(maintenance);
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            byte[] data = new byte[512];
            long most = 0;
            int writes = 0;
            while (writes < 60_000)
            {
                // Every other sector, so that each stays a key and an extent of its own.
                int at = random.Next(Sectors / 2) * 1024;
                if (zeros)
                {
                    device.WriteZeroes(at, 512);
                    data.AsSpan().Clear();
                }
                else
                {
                    random.NextBytes(data);
                    device.Write(at, data);
                }

                data.CopyTo(expected.AsSpan(at));
                if (++writes % 64 == 0)
                {
                    most = Math.Max(most, device.Internals.Store.Index.UsedBytes);
                }
            }

            Assert.True(device.GetStatus().SpaceWaits > 0, "the bound was never reached");
            Assert.InRange(most, Bound / 2, Bound + IndexMemory.SlackBytes(Bound));
            Rig.AssertSame(expected, Rig.ReadAll(device), "before closing");
        }

        using (PCacheDevice again = PCacheDevice.Open(region, backing, options))
        {
            Rig.AssertSame(expected, Rig.ReadAll(again), "after opening");
            again.Write(0, expected.AsSpan(0, 4096));
            again.Drain();
        }

        Rig.AssertSame(expected, backing.Snapshot(), "written back");
        Assert.Empty(backing.Violations);
    }

    [Fact]
    public async Task Writers_on_many_threads_get_on_under_the_bound()
    {
        const int Writers = 4;
        byte[] expected = new byte[BackingBytes];
        using SimulatedDisk backing = Disks.Make(BackingBytes);
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(Segments));
        using PCacheDevice device = PCacheDevice.Create(region, backing, Options(MaintenanceMode.OwnThread));
        Task[] tasks = [.. Enumerable.Range(0, Writers).Select(writer => Task.Run(() =>
        {
            var random = new Random(writer);
            byte[] data = new byte[512];
            for (int i = 0; i < 12_000; i++)
            {
                int at = ((random.Next(Sectors / Writers / 2) * Writers * 2) + (writer * 2)) * 512;
                random.NextBytes(data);
                device.Write(at, data);
                data.CopyTo(expected.AsSpan(at));
            }
        }))];
        long most = 0;
        Task all = Task.WhenAll(tasks);
        while (!all.IsCompleted)
        {
            await Task.Delay(1);
            most = Math.Max(most, device.Internals.Store.Index.UsedBytes);
        }

        await all;
        Assert.True(device.GetStatus().SpaceWaits > 0, "the bound was never reached");
        Assert.True(most <= Bound + IndexMemory.SlackBytes(Bound), $"{most} bytes, the bound is {Bound}");
        Rig.AssertSame(expected, Rig.ReadAll(device), "device");
        device.Drain();
        Rig.AssertSame(expected, backing.Snapshot(), "backing");
    }

    [Fact]
    public void Misses_are_served_but_not_cached_at_the_bound()
    {
        byte[] content = new byte[BackingBytes];
        new Random(3).NextBytes(content);
        using SimulatedDisk backing = Disks.Make([.. content], blockSize: 1);
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(Segments));
        using PCacheDevice device = PCacheDevice.Create(region, backing, Options(MaintenanceMode.Manual));
        byte[] data = new byte[512];
        for (int at = 0; at < BackingBytes; at += 1024)
        {
            device.Read(at, data);
            Assert.True(data.AsSpan().SequenceEqual(content.AsSpan(at, 512)), $"at {at}");
        }

        // A miss has its placeholder in the index when it asks whether there is room, and takes it out afterwards.
        Assert.InRange(device.Internals.Store.Index.UsedBytes, Bound - 4096, Bound + IndexMemory.SlackBytes(Bound));
        Assert.True(device.GetStatus().SegmentsUsed < Segments / 2, "what stopped the filling was not the memory");
        device.Read(0, data);
        long hits = device.GetStatus().HitBytes;
        long misses = device.GetStatus().MissBytes;
        device.Read(BackingBytes - 1024, data);
        Assert.Equal((hits, misses + 512), (device.GetStatus().HitBytes, device.GetStatus().MissBytes));
    }

    [Fact]
    public void A_paused_write_back_makes_writers_fail_at_the_bound_until_it_is_resumed()
    {
        using SimulatedDisk backing = Disks.Make(BackingBytes);
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(Segments));
        using PCacheDevice device = PCacheDevice.Create(region, backing,
            Options(MaintenanceMode.Manual) with { StartWritebackPaused = true });
        byte[] data = new byte[512];
        int at = 0;
        Assert.Throws<PCacheFullException>(() =>
        {
            for (; at < BackingBytes; at += 1024)
            {
                data.AsSpan().Fill((byte)(at >> 10));
                device.Write(at, data);
            }
        });
        Assert.InRange(device.Internals.Store.Index.UsedBytes, Bound, Bound + IndexMemory.SlackBytes(Bound));
        device.ResumeWriteback();
        for (; at < BackingBytes; at += 1024)
        {
            data.AsSpan().Fill((byte)(at >> 10));
            device.Write(at, data);
        }

        byte[] all = Rig.ReadAll(device);
        Assert.All(Enumerable.Range(0, BackingBytes / 1024), i =>
            Assert.Equal(((byte)i, (byte)0), (all[(i * 1024) + 511], all[(i * 1024) + 512])));
    }

    [Fact]
    public void Creating_and_opening_refuse_a_bound_below_all_pages()
    {
        using TestRegion region = TestRegion.Create(Rig.RegionLength(Segments));
        using SimulatedDisk backing = Disks.Make(BackingBytes);
        PCacheOptions tooSmall = Options(MaintenanceMode.Manual) with { MaxIndexMemoryBytes = Bound - 4097 };
        PCacheIndexMemoryException refused =
            Assert.Throws<PCacheIndexMemoryException>(() => PCacheDevice.Create(region, backing, tooSmall));
        Assert.Equal((Bound - 4096, Bound - 4097), (refused.NeededBytes, refused.AllowedBytes));
        Assert.Equal(0, region.Stores);
        PCacheDevice.Create(region, backing, tooSmall with { MaxIndexMemoryBytes = Bound - 4096 }).Dispose();
        int stores = region.Stores;
        Assert.Throws<PCacheIndexMemoryException>(() => PCacheDevice.Open(region, backing, tooSmall));
        Assert.Equal(stores, region.Stores);
    }

    [Theory]
    [InlineData(1 << 19)]
    [InlineData((1 << 19) + 1000)]
    [InlineData(1 << 20)]
    public void The_largest_caches_need_what_all_their_pages_need(int segments)
    {
        const int DataBytes = (16 << 20) - 12288;
        long needed = IndexMemory.FixedBytes + (segments * 4093L * IndexMemory.BytesPerPage);
        PCacheIndexMemoryException refused =
            Assert.Throws<PCacheIndexMemoryException>(() => IndexMemory.CheckCapacity(needed - 1, segments, DataBytes));
        Assert.Equal(needed, refused.NeededBytes);
        IndexMemory.CheckCapacity(needed, segments, DataBytes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Opening_refuses_a_bound_below_what_is_in_the_cache(int helpers)
    {
        using TestRegion region = TestRegion.Create(Rig.RegionLength(Segments));
        using SimulatedDisk backing = Disks.Make(4L * BackingBytes);
        PCacheOptions options = MachineClock.On(
            Options(MaintenanceMode.Manual) with { MaxIndexMemoryBytes = null, GcThresholdPercent = 90 },
            new Machine { ReplayHelpers = helpers, ReplayBatchKeys = 500 });
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            device.PauseWriteback();
            for (int at = 0; at < 4 * BackingBytes; at += 1024)
            {
                device.WriteZeroes(at, 512); // a key and an extent, no payload
            }
        }

        int stores = region.Stores;
        PCacheIndexMemoryException refused = Assert.Throws<PCacheIndexMemoryException>(() =>
            PCacheDevice.Open(region, backing, options with { MaxIndexMemoryBytes = Bound }));
        Assert.Equal(stores, region.Stores);
        Assert.True(refused.NeededBytes > Bound + IndexMemory.SlackBytes(Bound));
        Assert.Equal(Bound, refused.AllowedBytes);
        using PCacheDevice opened = PCacheDevice.Open(region, backing,
            options with { MaxIndexMemoryBytes = refused.NeededBytes });
        Assert.Equal(4 * BackingBytes / 1024, opened.Recovery.LiveKeys);
    }

    private static PCacheOptions Options(MaintenanceMode maintenance) => new()
    {
        SegmentSizeBytes = Rig.SegmentBytes,
        MaxIndexMemoryBytes = Bound,
        Maintenance = maintenance,
        LeaveBackingOpen = true,
        LeaveRegionOpen = true,
        SpaceTimeout = TestRuns.HangLimit,
    };
}
