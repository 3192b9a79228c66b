using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Journal;

/// <summary>Checkpoint journals as files: where they stand, when they go, and which ones are refused.</summary>
public sealed class CheckpointFileTests : IDisposable
{
    private const int SegmentBytes = 64 << 10;
    private readonly string _folder = Directory.CreateTempSubdirectory("pcache-journal").FullName;

    private string Backing => Path.Combine(_folder, "disk.img");

    private string Journal => Backing + ".pcache-journal";

    private string Cache => Path.Combine(_folder, "cache.img");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Checkpoints_go_without_saying_for_a_file_and_the_compact_geometry()
    {
        using PCacheDevice device = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes });
        PCacheStatus status = device.GetStatus();
        Assert.Equal(BackingConsistency.Checkpoint, status.BackingConsistency);
        Assert.Equal(Journal, status.CheckpointJournal);
        Assert.False(File.Exists(Journal));
        device.Write(0, Patterns.Make(0, 4096, 1));
        device.Drain();
        Assert.False(File.Exists(Journal));
    }

    [Fact]
    public void Images_that_move_to_Linux_are_written_back_flush_by_flush()
    {
        File.WriteAllBytes(Backing, new byte[1 << 20]);
        using PCacheDevice device = PCacheDevice.Create(PmemMemory.Allocate(80 << 20), BlockDevice.OpenFile(Backing, FileAccess.ReadWrite));
        Assert.Equal(BackingConsistency.EachFlush, device.GetStatus().BackingConsistency);
    }

    [Fact]
    public void A_backing_without_a_name_has_no_checkpoints()
    {
        using PmemRegion region = PmemMemory.Allocate(1 << 20);
        Assert.Contains("need a place", Assert.Throws<ArgumentException>(() => PCacheDevice.Create(
            region, BlockDevice.FromMemory(1 << 20), new PCacheOptions { SegmentSizeBytes = SegmentBytes, BackingConsistency = BackingConsistency.Checkpoint })).Message, StringComparison.Ordinal);
        using PCacheDevice device = PCacheDevice.Create(region, BlockDevice.FromMemory(1 << 20), new PCacheOptions { SegmentSizeBytes = SegmentBytes, LeaveRegionOpen = true });
        Assert.Equal(BackingConsistency.EachFlush, device.BackingConsistency);
        Assert.Throws<ArgumentException>(() => device.BackingConsistency = BackingConsistency.Checkpoint);
    }

    [Fact]
    public void A_lost_cache_leaves_a_journal_that_recover_applies_once()
    {
        LeaveJournal();
        JournalRecovery recovery = PCacheBacking.Recover(Backing, acceptOtherFile: false);
        Assert.Equal(JournalOutcome.Applied, recovery.Outcome);
        Assert.Equal(1, recovery.Number);
        Assert.Equal(2, recovery.Records);
        Assert.Equal(8192, recovery.LengthBytes);
        Assert.False(File.Exists(Journal));
        byte[] now = File.ReadAllBytes(Backing);
        Rig.AssertSame(Patterns.Make(0, 4096, 1), now.AsSpan(0, 4096), "the first page");
        Rig.AssertSame(Patterns.Make(65536, 4096, 1), now.AsSpan(65536, 4096), "the second page");
        Assert.Equal(JournalOutcome.NoJournal, PCacheBacking.Recover(Backing).Outcome);
    }

    [Fact]
    public void A_new_cache_over_a_backing_with_a_journal_applies_it_first()
    {
        LeaveJournal();
        File.Delete(Cache);
        using (PCacheDevice device = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes }, keepBacking: true))
        {
            Rig.AssertSame(Patterns.Make(65536, 4096, 1), Rig.ReadAll(device).AsSpan(65536, 4096), "the new cache");
        }

        Assert.False(File.Exists(Journal));
    }

    [Fact]
    public void The_journal_of_another_cache_is_refused_and_names_it()
    {
        LeaveJournal();
        byte[] journal = File.ReadAllBytes(Journal);
        PCacheBacking.Recover(Backing);
        File.Delete(Cache);
        Guid id;
        using (PCacheDevice other = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes }, keepBacking: true))
        {
            id = other.GetStatus().CacheId;
        }

        File.WriteAllBytes(Journal, journal);
        PCacheBackingMismatchException refused = Assert.Throws<PCacheBackingMismatchException>(() => Open(new PCacheOptions()));
        Assert.Equal(BackingMismatchReason.Journal, refused.Reason);
        Assert.NotEqual(id, refused.CacheId);
        Assert.Throws<PCacheBackingMismatchException>(() => Open(new PCacheOptions { ReadOnly = true }));
        Assert.True(File.Exists(Journal));
        using (Open(new PCacheOptions { RebindBacking = true }))
        {
        }

        Assert.False(File.Exists(Journal));
    }

    [Fact]
    public void A_journal_later_than_the_cache_is_refused()
    {
        byte[] young;
        using (PCacheDevice device = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes, BackingFingerprintBlocks = 0 }))
        {
            device.Write(0, Patterns.Make(0, 4096, 5));
        }

        young = File.ReadAllBytes(Cache);
        LeaveJournal(create: false);
        File.WriteAllBytes(Cache, young);
        PCacheBackingMismatchException refused = Assert.Throws<PCacheBackingMismatchException>(() => Open(new PCacheOptions { BackingFingerprintBlocks = 0 }));
        Assert.Equal(BackingMismatchReason.Journal, refused.Reason);
        Assert.Contains("older copy", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_journal_of_another_file_is_applied_with_consent_only()
    {
        LeaveJournal();
        string copy = Path.Combine(_folder, "copy.img");
        File.Copy(Backing, copy);
        File.Copy(Journal, copy + ".pcache-journal");
        if (OperatingSystem.IsLinux())
        {
            Assert.Equal(BackingMismatchReason.Journal, Assert.Throws<PCacheBackingMismatchException>(() => PCacheBacking.Recover(copy)).Reason);
        }

        Assert.Equal(JournalOutcome.Applied, PCacheBacking.Recover(copy, acceptOtherFile: true).Outcome);
    }

    [Fact]
    public void Torn_and_forged_journals_change_nothing()
    {
        LeaveJournal();
        byte[] whole = File.ReadAllBytes(Journal);
        byte[] before = File.ReadAllBytes(Backing);
        int end = 256 + (2 * (16 + 4096)) + 32;
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            byte[] torn = (byte[])whole.Clone();
            if (i % 3 == 0)
            {
                Array.Resize(ref torn, random.Next(end));
            }
            else
            {
                torn[random.Next(end)] ^= (byte)(1 << random.Next(8));
            }

            File.WriteAllBytes(Journal, torn);
            Assert.NotEqual(JournalOutcome.Applied, PCacheBacking.Recover(Backing).Outcome);
            Assert.True(before.AsSpan().SequenceEqual(File.ReadAllBytes(Backing)), $"change {i}");
        }

        File.WriteAllBytes(Journal, whole);
        Assert.Equal(JournalOutcome.Applied, PCacheBacking.Recover(Backing).Outcome);
    }

    [Fact]
    public void Something_else_under_the_name_is_left_alone()
    {
        File.WriteAllBytes(Backing, new byte[1 << 20]);
        File.WriteAllText(Journal, new string('x', 1000));
        Assert.Contains("isn't a checkpoint journal", Assert.Throws<PCacheException>(() => Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes })).Message, StringComparison.Ordinal);
        File.Delete(Cache);
        using (PCacheDevice device = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes, BackingConsistency = BackingConsistency.EachFlush }))
        {
            device.Write(0, Patterns.Make(0, 4096, 1));
            device.Drain();
        }

        Assert.Equal(new string('x', 1000), File.ReadAllText(Journal));
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_told_where_it_was_asked_for()
    {
        File.WriteAllBytes(Backing, new byte[1 << 20]);
        string nowhere = Path.Combine(_folder, "no such folder", "journal");
        PCacheException refused = Assert.Throws<PCacheException>(() => Create(new PCacheOptions
        {
            SegmentSizeBytes = SegmentBytes,
            BackingConsistency = BackingConsistency.Checkpoint,
            CheckpointJournalPath = nowhere,
        }));
        Assert.Contains("can't be written", refused.Message, StringComparison.Ordinal);
        File.Delete(Cache);
        using PCacheDevice device = Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes, CheckpointJournalPath = nowhere });
        Assert.Equal(BackingConsistency.EachFlush, device.BackingConsistency);
    }

    [Fact]
    public void A_journal_that_is_done_with_goes_with_the_close()
    {
        var settings = new PCacheOptions { SegmentSizeBytes = SegmentBytes, WritebackDelay = TimeSpan.Zero };
        using (PCacheDevice device = Create(settings))
        {
            device.Write(0, Patterns.Make(0, 4096, 1), WriteDurability.ForceUnitAccess);
            Eventually.True(() => device.GetStatus().IsClean, "written back");
            Assert.True(File.Exists(Journal));
        }

        Assert.False(File.Exists(Journal));
    }

    /// <summary>A close may come in the middle of a checkpoint: the next open finishes it.</summary>
    [Fact]
    public void Whatever_a_close_leaves_the_next_drain_takes_away()
    {
        for (int round = 0; round < 10; round++)
        {
            using (PCacheDevice device = Create(
                new PCacheOptions
                {
                    SegmentSizeBytes = SegmentBytes,
                    WritebackDelay = TimeSpan.Zero,
                    CheckpointInterval = TimeSpan.Zero,
                },
                keepBacking: true))
            {
                for (int i = 0; i < 50; i++)
                {
                    device.Write(i * 4096, Patterns.Make(i * 4096, 4096, round), WriteDurability.ForceUnitAccess);
                }
            }

            using PCacheDevice again = Open(new PCacheOptions());
            again.Drain();
            Assert.False(File.Exists(Journal));
            Rig.AssertSame(
                Patterns.Make(49 * 4096, 4096, round), Rig.ReadAll(again).AsSpan(49 * 4096, 4096), "the last page");
        }
    }

    private PCacheDevice Create(PCacheOptions options, bool keepBacking = false)
    {
        if (!keepBacking || !File.Exists(Backing))
        {
            File.WriteAllBytes(Backing, new byte[1 << 20]);
        }

        return OnBacking(FileAccess.ReadWrite, backing => PCacheDevice.OpenOrCreate(Cache, 1 << 20, backing, options));
    }

    private PCacheDevice Open(PCacheOptions options) =>
        OnBacking(options.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite, backing =>
        {
            PmemRegion region = PmemFile.Open(Cache, new PmemFileOptions { ReadOnly = options.ReadOnly });
            try
            {
                return PCacheDevice.Open(region, backing, options);
            }
            catch
            {
                region.Dispose();
                throw;
            }
        });

    private PCacheDevice OnBacking(FileAccess access, Func<IBlockDevice, PCacheDevice> open)
    {
        IBlockDevice backing = BlockDevice.OpenFile(Backing, access);
        try
        {
            return open(backing);
        }
        catch
        {
            backing.Dispose(); // stays the caller's
            throw;
        }
    }

    /// <summary>A cache was in the middle of a checkpoint: the journal is whole, the backing half written.</summary>
    private void LeaveJournal(bool create = true)
    {
        if (create)
        {
            Create(new PCacheOptions { SegmentSizeBytes = SegmentBytes }).Dispose();
        }

        var options = new PCacheOptions { WritebackDelay = TimeSpan.Zero, BackingFingerprintBlocks = 0 };
        using var backing = new FailingFile(Backing);
        using PCacheDevice device = PCacheDevice.Open(PmemFile.Open(Cache), backing, options);
        if (!create)
        {
            for (int i = 0; i < 20; i++)
            {
                device.Write(131072, Patterns.Make(131072, 512, i), WriteDurability.ForceUnitAccess);
            }

            device.Drain();
        }

        backing.FailsFrom = backing.Writes + 2;
        device.PauseWriteback();
        device.Write(0, Patterns.Make(0, 4096, 1));
        device.Write(65536, Patterns.Make(65536, 4096, 1));
        device.Flush();
        Assert.Throws<PCacheException>(() => device.Drain());
        Assert.True(File.Exists(Journal));
    }
}
