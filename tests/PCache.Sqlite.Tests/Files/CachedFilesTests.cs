using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Files;

/// <summary>Files on a cache: what was cut off never comes back, whenever the power fails.</summary>
public sealed class CachedFilesTests
{
    private static readonly PCacheOptions Options = CompositeBacking.Fit(new()
    {
        SegmentSizeBytes = 64 << 10,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = new VirtualClock(),
        LeaveRegionOpen = true,
        LeaveBackingOpen = true,
    });

    [Fact]
    public void Bytes_of_a_deleted_or_shortened_file_never_come_back() =>
        Assert.Null(FindStaleBytes(CachedFilesDefect.None, seeds: 3));

    /// <summary>
    /// The cache keeps the order of what was written, also without the flush between data and table, which is there for
    /// the plain files.
    /// </summary>
    [Fact]
    public void A_table_is_never_there_before_its_data() =>
        Assert.Null(FindStaleBytes(CachedFilesDefect.TableBeforeData, seeds: 20));

    [Fact]
    public void A_gap_reads_as_zeros_and_lengths_are_exact_on_the_files_after_a_drain()
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        using var store = new SimulatedFileStore();
        using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
        var files = new CachedFiles(device);
        files.Create(FileSlot.Wal);
        files.Write(FileSlot.Wal, 0, [1, 2, 3]);
        files.SetLength(FileSlot.Wal, 1);
        files.Write(FileSlot.Wal, 700, [4]);
        files.SetLength(FileSlot.Wal, 1100);
        var read = new byte[2000];
        Assert.Equal(1100, files.Read(FileSlot.Wal, 0, read));
        Assert.Equal(5, read.Sum(b => b));
        files.Sync(FileSlot.Wal);
        device.Drain();
        Assert.Equal(1100, store.GetLength(FileSlot.Wal));
        Assert.Equal(1100, store.Read(FileSlot.Wal, 0, read));
        Assert.Equal(5, read.Sum(b => b));
        files.Delete(FileSlot.Wal);
        Assert.Throws<FileNotFoundException>(() => files.Write(FileSlot.Wal, 0, read));
        Assert.Throws<PCacheFullException>(() => files.Write(FileSlot.Main, VirtualLayout.MaxFileBytes, read));
        device.Drain();
        Assert.False(store.Exists(FileSlot.Wal));
    }

    [Fact]
    public void After_a_deletion_that_failed_half_way_nothing_changes_until_the_next_open()
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        var store = new SimulatedFileStore();
        PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
        var files = new CachedFiles(device);
        files.Create(FileSlot.Journal);
        files.Write(FileSlot.Journal, 0, new byte[3000]);
        files.Sync(FileSlot.Journal);
        int stores = 0;
        // the table's key
        region.BeforeEvent = e => region.DrainError =
            e == PmemEvent.Store && ++stores == 2 ? new IOException("The memory failed.") : region.DrainError;
        Assert.Throws<IOException>(() => files.Delete(FileSlot.Journal));
        region.BeforeEvent = null;
        region.DrainError = null;
        Assert.True(files.Exists(FileSlot.Journal));
        Assert.All(
            new Action[]
            {
                () => files.Write(FileSlot.Journal, 0, new byte[10]),
                () => files.Sync(FileSlot.Main),
                () => files.Delete(FileSlot.Journal),
                () => files.SetLength(FileSlot.Journal, 5),
                () => files.Create(FileSlot.Wal),
            },
            change => Assert.Contains("half-way", Assert.ThrowsAny<IOException>(change).Message,
                StringComparison.Ordinal));
        device.Dispose();
        using PCacheDevice again = PCacheDevice.Open(region, new CompositeBacking(store), Options);
        var anew = new CachedFiles(again);
        anew.Create(FileSlot.Journal);
        anew.Write(FileSlot.Journal, 0, [1]);
        anew.Sync(FileSlot.Journal);
        again.Drain();
        Assert.True(store.Exists(FileSlot.Journal));
    }

    /// <summary>A journal, and what relies on it, without a synchronisation between them.</summary>
    [Fact]
    public void Where_order_is_enough_no_write_is_there_without_the_lengths_that_it_relies_on()
    {
        var random = new Random(1);
        var seen = new HashSet<(long, byte)>();
        for (int round = 0; round < 20; round++)
        {
            using var region = SimulatedPmem.Allocate(2 << 20);
            var store = new SimulatedFileStore();
            using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
            var files = new CachedFiles(device, isSequential: true);
            files.Create(FileSlot.Main);
            files.Write(FileSlot.Main, 0, new byte[512]);
            files.Sync(FileSlot.Main);
            var cuts = new List<SimulatedPmem>();
            region.BeforeEvent = _ => cuts.Add(region.AfterPowerCut(random));
            files.Create(FileSlot.Journal);
            files.Write(FileSlot.Journal, 0, new byte[700]);
            device.Flush(); // at some moment
            files.Write(FileSlot.Main, 0, [.. Enumerable.Repeat((byte)1, 512)]);
            device.Flush();
            region.BeforeEvent = null;
            foreach (SimulatedPmem cut in cuts)
            {
                using (cut)
                {
                    using PCacheDevice again = PCacheDevice.Open(cut, new CompositeBacking(store), Options);
                    var left = new CachedFiles(again);
                    var content = new byte[512];
                    _ = left.Read(FileSlot.Main, 0, content);
                    seen.Add((left.GetLength(FileSlot.Journal), content[0]));
                }
            }
        }

        Assert.Contains((0L, (byte)0), seen);
        Assert.Contains((700L, (byte)1), seen);
        Assert.DoesNotContain((0L, (byte)1), seen);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_durable_costs_nothing_again_and_all_else_is_made_so(bool isSequential)
    {
        using var region = SimulatedPmem.Allocate(2 << 20);
        var store = new SimulatedFileStore();
        using PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options);
        var files = new CachedFiles(device, isSequential);
        files.Create(FileSlot.Main);
        files.Write(FileSlot.Main, 0, new byte[1024]);
        files.Sync(FileSlot.Main);
        Assert.Equal(0, Stores(() => files.Sync(FileSlot.Main)));
        Assert.NotEqual(0, Stores(() =>
        {
            files.Write(FileSlot.Main, 0, [1]);
            files.Sync(FileSlot.Journal);
        }));
        Assert.Equal(0, Stores(() => files.Sync(FileSlot.Main)));
        files.Create(FileSlot.Journal);
        files.Write(FileSlot.Journal, 0, [1]);
        files.Sync(FileSlot.Journal);
        files.Delete(FileSlot.Journal);
        using SimulatedPmem left = region.AfterPowerCut(new Random(1));
        using PCacheDevice again = PCacheDevice.Open(left, new CompositeBacking(store), Options);
        Assert.False(new CachedFiles(again).Exists(FileSlot.Journal));
        var read = new byte[1];
        _ = new CachedFiles(again).Read(FileSlot.Main, 0, read);
        Assert.Equal(1, read[0]);

        int Stores(Action work)
        {
            int count = 0;
            region.BeforeEvent = _ => count++;
            work();
            region.BeforeEvent = null;
            return count;
        }
    }

    /// <summary>
    /// Each life of a journal is filled with its own number; after a cut anywhere, a journal must hold one number only.
    /// </summary>
    private static string? FindStaleBytes(CachedFilesDefect defect, int seeds)
    {
        for (int seed = 1; seed <= seeds; seed++)
        {
            var random = new Random(seed);
            using var region = SimulatedPmem.Allocate(2 << 20);
            var store = new SimulatedFileStore();
            var cuts = new List<(SimulatedPmem Region, SimulatedFileStore Store, int Life)>();
            using (PCacheDevice device = PCacheDevice.Create(region, new CompositeBacking(store), Options))
            {
                var files = new CachedFiles(device, defect: defect);
                int life = 0;
                bool syncing = false;
                region.BeforeEvent = _ =>
                {
                    if (random.Next(syncing ? 3 : 150) == 0)
                    {
                        cuts.Add((region.AfterPowerCut(random), store.AfterPowerCut(random), life));
                    }
                };
                for (life = 1; life <= 6; life++)
                {
                    files.Create(FileSlot.Journal);
                    byte[] piece = [.. Enumerable.Repeat((byte)life, 500)];
                    for (int at = 0, end = random.Next(250); at <= end; at++)
                    {
                        // many keys: they don't fit one block of the log
                        files.Write(FileSlot.Journal, at * piece.Length, piece);
                    }

                    syncing = true;
                    files.Sync(FileSlot.Journal);
                    syncing = false;
                    if (random.Next(2) == 0)
                    {
                        files.Delete(FileSlot.Journal);
                    }
                    else
                    {
                        files.SetLength(FileSlot.Journal, 0);
                    }

                    for (int steps = random.Next(4); steps > 0; steps--)
                    {
                        ((VirtualClock)Options.TimeProvider).Advance(TimeSpan.FromSeconds(10));
                        _ = device.RunMaintenanceStep();
                    }
                }

                region.BeforeEvent = null;
            }

            foreach ((SimulatedPmem left, SimulatedFileStore plain, int life) in cuts)
            {
                using (left)
                {
                    using PCacheDevice device = PCacheDevice.Open(left, new CompositeBacking(plain), Options);
                    var files = new CachedFiles(device);
                    var content = new byte[files.GetLength(FileSlot.Journal)];
                    _ = files.Read(FileSlot.Journal, 0, content);
                    if (content.Distinct().Count() > 1 || (content.Length > 0 && content[0] > life))
                    {
                        return $"Seed {seed}, in life {life}: bytes of the lives "
                            + $"{string.Join(", ", content.Distinct())}.";
                    }
                }
            }
        }

        return null;
    }
}
