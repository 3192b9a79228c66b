using System.Buffers;
using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Files;

/// <summary>
/// What a synchronisation of the files, or of what stands behind them, has to leave durable: lengths to the byte,
/// names, content, and nothing old behind an end.
/// </summary>
public sealed class SynchronisationTests
{
    private static readonly PCacheOptions Options = CompositeBacking.Fit(new()
    {
        SegmentSizeBytes = 64 << 10,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = new VirtualClock(),
        LeaveRegionOpen = true,
        LeaveBackingOpen = true,
    });

    [Theory]
    [InlineData(10)]
    [InlineData(700)]
    [InlineData(8100)]
    [InlineData(9000)]
    [InlineData(70_001)]
    public void Behind_the_end_of_a_file_its_last_sector_has_zeros(int length)
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        var store = new SimulatedFileStore();
        using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
        var files = new CachedFiles(device);
        foreach (FileSlot slot in Enum.GetValues<FileSlot>())
        {
            files.Create(slot);
            files.Write(slot, 0, Garbage(80_000)); // what was there before, in the cache too
            files.Sync(slot);
            files.SetLength(slot, 3);
            FillBuffers(length);
            files.Write(slot, 3, Garbage(length));
            files.Sync(slot);
            int end = length + 3;
            var behind = new byte[(int)VirtualLayout.RoundUp(end) - end];
            _ = device.Read(VirtualLayout.Base(slot) + end, behind);
            Assert.All(behind, b => Assert.Equal(0, b));
            files.SetLength(slot, end + behind.Length + 1000);
            var grown = new byte[behind.Length + 1000];
            Assert.Equal(grown.Length, files.Read(slot, end, grown));
            Assert.All(grown, b => Assert.Equal(0, b));
        }
    }

    [Theory]
    [InlineData(10)]
    [InlineData(512)]
    [InlineData(700)]
    public void Behind_the_end_of_a_file_that_was_made_longer_its_last_sector_has_zeros_too(int length)
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(new SimulatedFileStore()),
            Options);
        var files = new CachedFiles(device);
        files.Create(FileSlot.Wal);
        files.Write(FileSlot.Wal, 0, Garbage(8000));
        files.Sync(FileSlot.Wal);
        files.SetLength(FileSlot.Wal, 3);
        files.SetLength(FileSlot.Wal, length + 3);
        var behind = new byte[(int)VirtualLayout.RoundUp(length + 3) - 3];
        _ = device.Read(VirtualLayout.Base(FileSlot.Wal) + 3, behind);
        Assert.All(behind, b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData(100, 150)]
    [InlineData(1, 2)]
    [InlineData(511, 512)]
    [InlineData(512, 513)]
    [InlineData(600, 1023)]
    public void Growth_is_told_at_the_next_synchronisation_of_whatever_file_also_inside_a_sector(int before, int after)
    {
        foreach (FileSlot synchronised in Enum.GetValues<FileSlot>())
        {
            foreach (bool bySetLength in new[] { false, true })
            {
                using var region = SimulatedPmem.Allocate(2 << 20);
                var store = new SimulatedFileStore();
                using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
                var files = new CachedFiles(device);
                files.Create(FileSlot.Main);
                files.Create(FileSlot.Journal);
                files.Create(FileSlot.Wal);
                files.Write(FileSlot.Wal, 0, Garbage(before));
                files.Sync(FileSlot.Wal);
                if (bySetLength)
                {
                    files.SetLength(FileSlot.Wal, after);
                }
                else
                {
                    files.Write(FileSlot.Wal, before - 1, Garbage(after - before + 1));
                }

                files.Sync(synchronised);
                using SimulatedPmem left = region.AfterPowerCut(new Random(1));
                using PCacheDevice again = PCacheDevice.Open(left,
                    new CompositeBacking(store.AfterPowerCut(new Random(1))), Options);
                Assert.Equal(after, new CachedFiles(again).GetLength(FileSlot.Wal));
            }
        }
    }

    [Fact]
    public void An_empty_file_that_was_made_is_there_after_a_synchronisation()
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(new SimulatedFileStore()),
            Options);
        var files = new CachedFiles(device);
        files.Create(FileSlot.Journal);
        files.Sync(FileSlot.Main);
        using SimulatedPmem left = region.AfterPowerCut(new Random(1));
        using PCacheDevice again = PCacheDevice.Open(left, new CompositeBacking(new SimulatedFileStore()), Options);
        Assert.True(new CachedFiles(again).Exists(FileSlot.Journal));
    }

    [Theory]
    [InlineData("content")]
    [InlineData("length")]
    [InlineData("longer")]
    [InlineData("name")]
    [InlineData("made by data")]
    [InlineData("deletion")]
    public void What_a_failed_flush_has_not_made_durable_the_next_one_does(string what)
    {
        for (int failing = 1; failing <= 2; failing++)
        {
            var store = new SimulatedFileStore();
            using var backing = new CompositeBacking(store);
            byte[] data = Garbage(1024);
            Table(backing, new FileTable(new FileState(true, 0), what is "name" or "made by data" ? FileState.Missing
                : new FileState(true, 1024), FileState.Missing));
            if (what is not ("name" or "made by data"))
            {
                backing.Write(VirtualLayout.Base(FileSlot.Journal), new byte[1024]);
            }

            backing.Flush();
            switch (what)
            {
                case "content":
                case "made by data":
                    backing.Write(VirtualLayout.Base(FileSlot.Journal), data);
                    break;
                case "length":
                    Table(backing, new FileTable(new FileState(true, 0), new FileState(true, 100), FileState.Missing));
                    break;
                case "longer":
                    Table(backing, new FileTable(new FileState(true, 0), new FileState(true, 5000), FileState.Missing));
                    break;
                case "name":
                    Table(backing, new FileTable(new FileState(true, 0), new FileState(true, 0), FileState.Missing));
                    break;
                default:
                    Table(backing, new FileTable(new FileState(true, 0), FileState.Missing, FileState.Missing));
                    break;
            }

            int calls = 0;
            store.BeforeChange = () =>
            {
                if (++calls == failing)
                {
                    throw new IOException("The storage failed.");
                }
            };
            try
            {
                backing.Flush();
            }
            catch (IOException)
            {
            }

            store.BeforeChange = null;
            backing.Flush();
            for (int seed = 0; seed < 20; seed++)
            {
                using SimulatedFileStore after = store.AfterPowerCut(new Random(seed));
                Assert.Equal(store.Exists(FileSlot.Journal), after.Exists(FileSlot.Journal));
                Assert.Equal(store.GetLength(FileSlot.Journal), after.GetLength(FileSlot.Journal));
                byte[] there = new byte[2000], expected = new byte[2000];
                _ = after.Read(FileSlot.Journal, 0, there);
                _ = store.Read(FileSlot.Journal, 0, expected);
                Assert.Equal(expected, there);
            }
        }
    }

    [Fact]
    public void A_flush_synchronises_what_was_changed_and_nothing_else()
    {
        var store = new SimulatedFileStore();
        using var backing = new CompositeBacking(store);
        Table(backing, new FileTable(new FileState(true, 0), FileState.Missing, new FileState(true, 0)));
        backing.Flush();
        int before = store.Syncs;
        backing.Flush();
        Assert.Equal(before, store.Syncs);
        backing.Write(VirtualLayout.Base(FileSlot.Wal), new byte[1024]);
        backing.Flush();
        Assert.Equal(before + 1, store.Syncs);
        // only zeros are cut off
        Table(backing, new FileTable(new FileState(true, 0), FileState.Missing, new FileState(true, 1000)));
        backing.Flush();
        Assert.Equal(before + 1, store.Syncs);
        backing.KeepsExactLengths = true;
        backing.Flush();
        Assert.Equal(before + 2, store.Syncs);
        Assert.Equal(1000, store.AfterPowerCut(new Random(1)).GetLength(FileSlot.Wal));
        Table(backing, new FileTable(new FileState(true, 0), FileState.Missing, new FileState(true, 400)));
        backing.KeepsExactLengths = false;
        backing.Flush();
        Assert.Equal(before + 3, store.Syncs);
    }

    [Fact]
    public void Shorter_and_deleted_are_durable_on_return()
    {
        for (int seed = 0; seed < 10; seed++)
        {
            using var region = SimulatedPmem.Allocate(2 << 20);
            var store = new SimulatedFileStore();
            using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
            var files = new CachedFiles(device);
            foreach (FileSlot slot in Enum.GetValues<FileSlot>())
            {
                files.Create(slot);
                files.Write(slot, 0, Garbage(3000));
                files.Sync(slot);
            }

            files.SetLength(FileSlot.Wal, 7);
            files.Delete(FileSlot.Journal);
            using SimulatedPmem left = region.AfterPowerCut(new Random(seed));
            using PCacheDevice again = PCacheDevice.Open(left,
                new CompositeBacking(store.AfterPowerCut(new Random(seed))), Options);
            var after = new CachedFiles(again);
            Assert.Equal((7, false, 3000),
                (after.GetLength(FileSlot.Wal), after.Exists(FileSlot.Journal), after.GetLength(FileSlot.Main)));
        }
    }

    private static void Table(CompositeBacking backing, FileTable table)
    {
        var sector = new byte[FileTable.LengthBytes];
        table.Encode(sector);
        backing.Write(0, sector);
    }

    private static byte[] Garbage(int length) => [.. Enumerable.Repeat((byte)0xAB, length)];

    /// <summary>Buffers that are used again aren't zeros.</summary>
    private static void FillBuffers(int length)
    {
        var rented = new List<byte[]>();
        for (int size = 512; size <= Math.Max(512, 4 * length); size *= 2)
        {
            rented.Add(ArrayPool<byte>.Shared.Rent(size));
            rented.Add(ArrayPool<byte>.Shared.Rent(size));
        }

        foreach (byte[] buffer in rented)
        {
            Array.Fill(buffer, (byte)0xCD);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
