using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Recognition;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Files;

/// <summary>
/// The record of the plain files: in the middle of a group it knows both sides, and nothing besides; torn or missing it
/// knows nothing.
/// </summary>
public sealed class RecordTests
{
    private const int Header = 100;

    [Fact]
    public void In_the_middle_of_a_group_the_files_are_as_before_or_as_after_and_not_otherwise()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        var store = new SimulatedFileStore();
        using var backing = MakeBacking(region, store, counter: 10);
        backing.Write(VirtualLayout.Base(FileSlot.Main), Page(11));
        Assert.Null(Difference(region, store));
        Poke(store, Page(10));
        Assert.Null(Difference(region, store));
        Poke(store, Page(12));
        Assert.Contains("change counter 12, it had 10 or 11", Difference(region, store), StringComparison.Ordinal);
        Poke(store, Page(11));
        backing.Flush();
        Assert.Null(Difference(region, store));
        Poke(store, Page(10));
        Assert.Contains("change counter 10, it had 11", Difference(region, store), StringComparison.Ordinal);
    }

    [Fact]
    public void Lengths_and_names_are_those_of_before_or_after_too()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        var store = new SimulatedFileStore();
        using var backing = MakeBacking(region, store, counter: 1);
        backing.Write(VirtualLayout.Base(FileSlot.Main) + 4096, new byte[8192]);
        store.SetLength(FileSlot.Main, 4096);
        Assert.Null(Difference(region, store));
        store.SetLength(FileSlot.Main, 6000);
        Assert.Null(Difference(region, store));
        store.SetLength(FileSlot.Main, 12288 + 1);
        Assert.Contains("12289 bytes", Difference(region, store), StringComparison.Ordinal);
        store.SetLength(FileSlot.Main, 4095);
        Assert.Contains("4095 bytes", Difference(region, store), StringComparison.Ordinal);
        store.SetLength(FileSlot.Main, 12288);
        backing.Flush();
        store.Create(FileSlot.Wal);
        Assert.Contains("'-wal' is there, and wasn't", Difference(region, store), StringComparison.Ordinal);
        store.Delete(FileSlot.Wal);
        Table(backing, new FileTable(new FileState(true, 12288), FileState.Missing, new FileState(true, 0)));
        Assert.Null(Difference(region, store));
        store.Delete(FileSlot.Wal);
        Assert.Null(Difference(region, store));
        store.Delete(FileSlot.Main);
        Assert.Contains("the database is gone", Difference(region, store), StringComparison.Ordinal);
    }

    /// <summary>The first write of a group leaves the time open; that doesn't make all the others known.</summary>
    [Fact]
    public void A_later_write_of_a_group_that_makes_a_file_longer_is_known_too()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        var store = new SimulatedFileStore();
        using var backing = MakeBacking(region, store, counter: 1);
        backing.Write(VirtualLayout.Base(FileSlot.Main) + 512, new byte[512]);
        backing.Write(VirtualLayout.Base(FileSlot.Main) + 4096, new byte[8192]);
        Assert.Null(Difference(region, store));
        store.SetLength(FileSlot.Main, 4096);
        Assert.Null(Difference(region, store));
    }

    [Fact]
    public void What_may_come_is_durable_before_it_comes()
    {
        for (int seed = 0; seed < 30; seed++)
        {
            using var region = SimulatedPmem.Allocate(1 << 20);
            var store = new SimulatedFileStore();
            using var backing = MakeBacking(region, store, counter: 1);
            var random = new Random(seed);
            store.BeforeChange = () =>
            {
                // The change is about to be made: from now on the storage may have it whenever the power fails.
                using SimulatedPmem left = region.AfterPowerCut(random);
                Assert.Null(Difference(left, store));
            };
            for (uint counter = 2; counter < 12; counter++)
            {
                backing.Write(VirtualLayout.Base(FileSlot.Journal), Page(counter * 7));
                backing.Flush();
                Cut();
                backing.Write(VirtualLayout.Base(FileSlot.Main), Page(counter));
                Cut();
                backing.Flush();
                Cut();
                Table(backing, new FileTable(new FileState(true, 4096), counter % 3 == 0 ? new FileState(true, 28)
                    : FileState.Missing, FileState.Missing));
                Cut();
                backing.Flush();
                Cut();
                backing.Write(VirtualLayout.Base(FileSlot.Wal), Page(counter).AsSpan(0, 1024));
                backing.Flush();
                // cuts zeros off, which isn't synchronised
                Table(backing, new FileTable(new FileState(true, 4096), FileState.Missing, new FileState(true, 1000)));
                Cut();
                backing.Flush();
                Cut();
                Cut();
            }

            void Cut()
            {
                using SimulatedPmem left = region.AfterPowerCut(random);
                Assert.Null(Difference(left, store.AfterPowerCut(random)));
                Assert.Null(Difference(left, store));
            }
        }
    }

    [Fact]
    public void What_another_program_changes_meanwhile_stops_the_write_back_and_is_not_taken_over()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        var store = new SimulatedFileStore();
        using var backing = MakeBacking(region, store, counter: 10);
        Poke(store, Page(99));
        Assert.Throws<PCacheBackingMismatchException>(() =>
            backing.Write(VirtualLayout.Base(FileSlot.Main) + 512, new byte[512]));
        Assert.Throws<PCacheBackingMismatchException>(() =>
            Table(backing, new FileTable(new FileState(true, 4096), new FileState(true, 0), FileState.Missing)));
        Assert.False(store.Exists(FileSlot.Journal));
        backing.Flush(); // nothing of ours
        Assert.NotNull(Difference(region, store));
        Poke(store, Page(10));
        backing.Write(VirtualLayout.Base(FileSlot.Main), Page(11));
        Poke(store, Page(99)); // in the middle of the group
        Assert.Throws<PCacheBackingMismatchException>(backing.Flush);
        Assert.NotNull(Difference(region, store));
    }

    [Fact]
    public void Many_attempts_of_a_group_are_never_taken_for_another_programs_work()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        var store = new SimulatedFileStore();
        using var backing = MakeBacking(region, store, counter: 1);
        for (uint counter = 2; counter < 20; counter++)
        {
            backing.Write(VirtualLayout.Base(FileSlot.Main), Page(counter)); // never flushed
            Assert.Null(Difference(region, store));
        }

        backing.Flush();
        Poke(store, Page(3));
        Assert.NotNull(Difference(region, store));
    }

    [Fact]
    public void A_record_counts_only_whole_and_the_latest_one_counts()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        Assert.Null(FilesRecord.TryRead(region));
        var images = new FileImage[FileSlots.Count];
        using var store = new SimulatedFileStore();
        store.Create(FileSlot.Main);
        for (int i = 0; i < images.Length; i++)
        {
            images[i] = FileImage.Of(store, (FileSlot)i);
        }

        Guid id = Guid.NewGuid();
        for (ulong sequence = 1; sequence <= 9; sequence++)
        {
            new FilesRecord
            {
                Sequence = sequence,
                CacheId = id,
                Path = "/ä/"
                + new string('x', 1000),
                Database = new FileStamp(5, -6, 0),
                Images = images
            }.Write(region);
            FilesRecord read = FilesRecord.TryRead(region)!;
            Assert.Equal((sequence, id, new FileStamp(5, -6, 0)), (read.Sequence, read.CacheId, read.Database));
            Assert.StartsWith("/ä/xxx", read.Path, StringComparison.Ordinal);
            Assert.True(read.Images[0].IsSame(images[0]) && read.Images[2].IsSame(images[2]));
        }

        long area = region.LengthBytes - FilesRecord.AreaBytes;
        region.Write(area + (9 % 4 * 2048) + 600, [1, 2, 3, 4]);
        Assert.Equal(8UL, FilesRecord.TryRead(region)!.Sequence);
        region.Write(area, new byte[FilesRecord.AreaBytes]);
        Assert.Null(FilesRecord.TryRead(region));
    }

    [Theory]
    [InlineData(64 << 20, 1 << 20)]
    [InlineData(1 << 20, 64 << 10)]
    [InlineData((63 << 20) + 20480, 1 << 20)]
    [InlineData((63 << 20) + 20480 + 8191, 1 << 20)]
    [InlineData((4 << 20) + 3, 64 << 10)]
    public void Records_lie_behind_the_last_segment(long wanted, int segment)
    {
        long length = FilesRecord.LengthWithRoom(wanted, segment);
        Assert.InRange(length, wanted, wanted + 8200);
        int count = (int)((length - 20480) / segment);
        Assert.True(FilesRecord.HasRoom(length, segment, count));
        Assert.Equal((wanted - 20480) / segment, count);
    }

    private static CompositeBacking MakeBacking(SimulatedPmem region, SimulatedFileStore store, uint counter)
    {
        store.Create(FileSlot.Main);
        store.Write(FileSlot.Main, 0, Page(counter));
        store.Sync(FileSlot.Main);
        store.SyncNames();
        return new CompositeBacking(store)
        {
            Keeper = new RecordKeeper(region, store, Guid.NewGuid(), "a.db",
            lastSequence: 0)
        };
    }

    private static string? Difference(SimulatedPmem region, SimulatedFileStore store) =>
        Comparison.OfContent(FilesRecord.TryRead(region)!.Images, store);

    private static void Poke(SimulatedFileStore store, byte[] page) => store.Write(FileSlot.Main, 0, page);

    private static byte[] Page(uint counter)
    {
        var page = new byte[4096];
        "SQLite format 3\0"u8.CopyTo(page);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(page.AsSpan(24), counter);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(page.AsSpan(92), counter);
        Array.Fill(page, (byte)counter, Header, 500);
        return page;
    }

    private static void Table(CompositeBacking backing, FileTable table)
    {
        var sector = new byte[FileTable.LengthBytes];
        table.Encode(sector);
        backing.Write(0, sector);
    }
}
