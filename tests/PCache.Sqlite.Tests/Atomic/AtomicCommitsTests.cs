using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;
using static PCache.Sqlite.Tests.Atomic.AtomicRig;

namespace PCache.Sqlite.Tests.Atomic;

/// <summary>
/// Transactions without a journal, call by call as SQLite makes them: whole, durable when xSync returns, dropped where
/// they weren't committed.
/// </summary>
public sealed class AtomicCommitsTests
{
    private const string Before = "1x4096";

    [Fact]
    public void A_transaction_is_seen_by_its_connection_alone_until_it_is_synchronised_and_then_is_durable()
    {
        using var rig = new AtomicRig();
        rig.Atomic.Write(1024, Filled(2, 1024));
        rig.Atomic.Write(3072, Filled(3, 1024));
        Assert.Equal("1x1024 2x1024 1x1024 3x1024", rig.Seen());
        Assert.Equal(Before, rig.There());
        rig.Database.Drain(); // an operator's
        Assert.Equal(Before, rig.AfterPowerCut(1));
        rig.Atomic.OnAllWritten();
        rig.Atomic.Sync();
        Assert.Equal("1x1024 2x1024 1x1024 3x1024", rig.There());
        for (int seed = 0; seed < 10; seed++)
        {
            Assert.Equal("1x1024 2x1024 1x1024 3x1024", rig.AfterPowerCut(seed));
        }

        rig.Atomic.OnCommitted();
        Assert.Equal(rig.There(), rig.Seen());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2048)]
    public void Content_and_length_are_there_together_or_not_at_all(int more)
    {
        using var rig = new AtomicRig();
        string after = more == 0 ? "2x1024 1x2048 3x1024" : "2x1024 1x2048 3x1024 4x2048";
        SortedSet<string> states = rig.AfterPowerCutsDuring(() =>
        {
            rig.Atomic.Write(0, Filled(2, 1024));
            rig.Atomic.Write(3072, Filled(3, 1024));
            rig.Atomic.Write(4096, Filled(4, more));
            rig.Atomic.Sync();
        });
        Assert.Equal([Before, after], states.Append(rig.There()).Append(Before).Distinct().Order());
    }

    [Fact]
    public void Without_a_synchronisation_the_second_phase_commits_as_a_whole()
    {
        using var rig = new AtomicRig();
        SortedSet<string> states = rig.AfterPowerCutsDuring(() =>
        {
            rig.Atomic.Write(0, Filled(2, 1024));
            rig.Atomic.Write(5120, Filled(3, 1024));
            rig.Atomic.OnAllWritten();
            Assert.Equal(Before, rig.There());
            rig.Atomic.OnCommitted();
            Assert.Equal("2x1024 1x3072 0x1024 3x1024", rig.There());
            rig.Database.Device!.Flush();
        });
        Assert.Subset(new SortedSet<string> { Before, "2x1024 1x3072 0x1024 3x1024" }, states);
    }

    [Fact]
    public void What_is_given_up_before_it_is_committed_is_dropped()
    {
        using var rig = new AtomicRig();
        rig.Atomic.Write(0, Filled(2, 1024));
        rig.Atomic.SetLength(2048);
        rig.Atomic.OnAllWritten(); // synchronous=OFF, and rolled back
        rig.Atomic.Drop();
        Assert.Equal(Before, rig.There());
        Assert.Equal(Before, rig.Seen());
        rig.Atomic.Write(0, Filled(5, 4096));
        rig.Atomic.Sync();
        Assert.Equal("5x4096", rig.There());
    }

    [Theory]
    [InlineData("Journal")]
    [InlineData("Wal")]
    public void Where_a_journal_or_a_wal_is_open_everything_is_as_ever(string file)
    {
        FileSlot slot = Enum.Parse<FileSlot>(file);
        using var rig = new AtomicRig();
        rig.Database.CountOpened(slot, 1);
        rig.Atomic.Write(0, Filled(2, 4096));
        Assert.Equal("2x4096", rig.There());
        Assert.False(rig.Atomic.TryBeginAskedFor());
        rig.Database.CountOpened(slot, -1);
        rig.Atomic.Write(0, Filled(3, 4096));
        Assert.Equal("2x4096", rig.There());
    }

    [Fact]
    public void Without_exclusive_everything_is_as_ever()
    {
        using var rig = new AtomicRig();
        rig.Database.Locks.Unlock(rig.Holder, LockLevel.Shared);
        rig.Lock(LockLevel.Reserved); // nobody writes then, but it isn't ours to say
        rig.Atomic.Write(0, Filled(2, 4096));
        Assert.Equal("2x4096", rig.There());
    }

    [Fact]
    public void A_truncation_alone_is_as_ever_and_one_of_a_transaction_is_of_it()
    {
        using var rig = new AtomicRig();
        rig.Atomic.SetLength(3072);
        Assert.Equal("1x3072", rig.There());
        SortedSet<string> states = rig.AfterPowerCutsDuring(() =>
        {
            rig.Atomic.Write(0, Filled(2, 512));
            rig.Atomic.Write(8192, Filled(3, 1024)); // spilled, and then not in it
            rig.Atomic.SetLength(1024);
            Assert.Equal("2x512 1x512", rig.Seen());
            rig.Atomic.Sync();
        });
        Assert.Equal(["1x3072", "2x512 1x512"], states.Append("1x3072").Append(rig.There()).Distinct().Order());
        rig.Database.Drain();
        Assert.Equal(1024, rig.Store.GetLength(FileSlot.Main));
        byte[] behind = Filled(5, 1024);
        _ = rig.Database.Device!.Read(VirtualLayout.Base(FileSlot.Main) + 8192, behind);
        Assert.Equal(Filled(0, 1024), behind);
        rig.Atomic.Write(9216, Filled(4, 512));
        Assert.Equal("2x512 1x512 0x8192 4x512", rig.Seen());
        rig.Atomic.Sync();
        Assert.Equal("2x512 1x512 0x8192 4x512", rig.There());
    }

    /// <summary>Bytes that the cache still holds behind the end aren't seen, by a transaction either.</summary>
    [Fact]
    public void Gaps_are_zeros()
    {
        using var rig = new AtomicRig(8192);
        rig.Files.SetLength(FileSlot.Main, 1000);
        rig.Database.Device!.Write(VirtualLayout.Base(FileSlot.Main) + 1024, Filled(9, 7168)); // as if it did
        rig.Atomic.Write(2048, Filled(2, 100));
        Assert.Equal("1x1000 0x1048 2x100", rig.Seen());
        rig.Atomic.SetLength(2600);
        Assert.Equal("1x1000 0x1048 2x100 0x452", rig.Seen());
        rig.Atomic.SetLength(1000);
        rig.Atomic.SetLength(4096);
        rig.Atomic.Write(4096, Filled(3, 512));
        Assert.Equal("1x1000 0x3096 3x512", rig.Seen());
        rig.Atomic.Sync();
        Assert.Equal("1x1000 0x3096 3x512", rig.There());
        Assert.Equal("1x1000 0x3096 3x512", rig.AfterPowerCut(1));
    }

    [Fact]
    public void The_last_sector_is_filled_up_with_zeros()
    {
        using var rig = new AtomicRig(512);
        long start = VirtualLayout.Base(FileSlot.Main);
        rig.Database.Device!.Write(start + 512, Filled(9, 512)); // as if a longer file had left it
        rig.Atomic.Write(512, Filled(2, 100));
        rig.Atomic.Sync();
        byte[] sector = Filled(5, 512);
        _ = rig.Database.Device.Read(start + 512, sector);
        Assert.Equal([.. Filled(2, 100), .. Filled(0, 412)], sector);
    }

    /// <summary>In one group of write-back the longer one's pages might come behind the shorter one's table.</summary>
    [Fact]
    public void A_shorter_one_is_written_back_behind_a_longer_one_that_was_not_synchronised()
    {
        using var rig = new AtomicRig();
        rig.Atomic.Write(4096, Filled(2, 8192));
        rig.Atomic.OnCommitted();
        rig.Atomic.Write(0, Filled(3, 512));
        rig.Atomic.SetLength(1024);
        rig.Atomic.OnCommitted();
        rig.Database.Drain();
        Assert.Equal(1024, rig.Store.GetLength(FileSlot.Main));
        Assert.Equal("3x512 1x512", rig.There());
    }

    [Fact]
    public void One_that_is_too_large_is_dropped_and_can_only_be_rolled_back()
    {
        using var rig = new AtomicRig();
        foreach (Action end in new[] { rig.Atomic.Sync, rig.Atomic.OnAllWritten, rig.Atomic.OnCommitted,
            rig.Atomic.Drop })
        {
            rig.Atomic.Write(0, Filled(2, 2048));
            byte[] large = Filled(3, (int)rig.Database.Device!.GetStatus().AtomicBatchBytes);
            Assert.ThrowsAny<ArgumentException>(() => rig.Atomic.Write(8192, large));
            Assert.Equal(Before, rig.Seen());
            rig.Atomic.SetLength(4096); // the rollback: what is there
            rig.Atomic.Write(1024, Filled(1, 1024));
            Assert.ThrowsAny<IOException>(() => rig.Atomic.Write(1024, Filled(2, 1024)));
            Assert.ThrowsAny<IOException>(() => rig.Atomic.Write(4096, Filled(1, 1024)));
            Assert.ThrowsAny<IOException>(() => rig.Atomic.SetLength(2048));
            Assert.False(rig.Atomic.TryBeginAskedFor());
            end();
            Assert.Equal(Before, rig.There());
        }

        rig.Atomic.Write(0, Filled(4, 4096));
        rig.Atomic.Sync();
        Assert.Equal("4x4096", rig.There());
    }

    [Fact]
    public void A_length_that_is_too_large_likewise()
    {
        using var rig = new AtomicRig();
        rig.Atomic.Write(0, Filled(2, 2048));
        Assert.ThrowsAny<ArgumentException>(
            () => rig.Atomic.SetLength(8192 + rig.Database.Device!.GetStatus().AtomicBatchBytes));
        Assert.ThrowsAny<IOException>(() => rig.Atomic.Write(0, Filled(2, 2048)));
        rig.Atomic.Write(0, Filled(1, 4096));
        rig.Atomic.Sync();
        Assert.Equal(Before, rig.There());
    }

    /// <summary>Told at the commit, when all was taken: there is nothing of it either.</summary>
    [Fact]
    public void One_with_too_many_ranges_fails_at_its_commit_as_a_whole()
    {
        using var rig = new AtomicRig(0);
        int ranges = rig.Database.Device!.GetStatus().AtomicBatchRanges;
        int length = (ranges + 8) * 1024;
        rig.Atomic.Write(0, Filled(1, 512));
        rig.Atomic.Sync();
        rig.Files.SetLength(FileSlot.Main, length);
        rig.Files.Sync(FileSlot.Main);
        string before = rig.There();
        for (int at = 0; at < length; at += 1024)
        {
            rig.Atomic.Write(at, Filled(2, 512));
        }

        Assert.ThrowsAny<ArgumentException>(rig.Atomic.Sync);
        Assert.Equal(before, rig.Seen());
        Assert.ThrowsAny<IOException>(() => rig.Atomic.Write(0, Filled(2, 512)));
        rig.Atomic.Write(0, Filled(1, 512)); // the rollback
        rig.Atomic.Sync();
        Assert.Equal(before, rig.There());
    }

    /// <summary>It is there as a whole or not at all, and the rollback that follows is one of its own.</summary>
    [Fact]
    public void A_commit_that_failed_can_be_rolled_back()
    {
        for (int failing = 1; failing <= 4; failing++)
        {
            using var rig = new AtomicRig();
            rig.Atomic.Write(0, Filled(2, 1024));
            rig.Atomic.Write(4096, Filled(3, 1024));
            int drains = 0;
            rig.Region.BeforeEvent = _ => rig.Region.DrainError =
                ++drains >= failing ? new IOException("The memory failed.") : null;
            Exception? failure = Record.Exception(rig.Atomic.Sync);
            rig.Region.BeforeEvent = null;
            rig.Region.DrainError = null;
            if (failure is null)
            {
                Assert.True(failing > 1);
                return;
            }

            Assert.Contains(rig.Seen(), new[] { Before, "2x1024 1x3072 3x1024" });
            rig.Atomic.SetLength(4096);
            rig.Atomic.Write(0, Filled(1, 1024));
            rig.Atomic.Sync();
            Assert.Equal(Before, rig.There());
            Assert.Equal(Before, rig.AfterPowerCut(failing));
            rig.Database.Drain();
            Assert.Equal(4096, rig.Store.GetLength(FileSlot.Main));
        }
    }

    /// <summary>In OFF mode nothing is rolled back: length and content agree all the same.</summary>
    [Theory]
    [InlineData(2048, "2x1024 1x1024")]
    [InlineData(6144, "2x1024 1x3072 0x2048")]
    public void A_commit_that_failed_leaves_all_of_it_or_nothing(int length, string after)
    {
        var seen = new SortedSet<string>();
        for (int failing = 1; failing <= 40; failing++)
        {
            using var rig = new AtomicRig();
            int events = 0;
            rig.Atomic.Write(0, Filled(2, 1024));
            rig.Atomic.SetLength(length);
            rig.Region.BeforeEvent = _ => rig.Region.DrainError =
                ++events == failing ? new IOException("The memory failed.") : null;
            _ = Record.Exception(rig.Atomic.Sync);
            rig.Region.BeforeEvent = null;
            rig.Region.DrainError = null;
            string state = rig.Seen();
            seen.Add(state);
            rig.Files.Sync(FileSlot.Main); // a close
            Assert.Equal(state, rig.There());
            Assert.Equal(state, rig.AfterPowerCut(1));
            rig.Database.Drain();
            Assert.Equal(state == Before ? 4096 : length, rig.Store.GetLength(FileSlot.Main));
            rig.Atomic.Write(0, Filled(5, 512));
            rig.Atomic.Sync();
            Assert.StartsWith("5x512", rig.AfterPowerCut(2), StringComparison.Ordinal);
        }

        Assert.Equal([Before, after], seen);
    }

    [Fact]
    public void Writes_that_sqlite_asks_to_be_whole_are_so_without_a_synchronisation()
    {
        using var rig = new AtomicRig();
        Assert.False(rig.Atomic.TryCommitAskedFor());
        Assert.True(rig.Atomic.TryBeginAskedFor());
        Assert.False(rig.Atomic.TryBeginAskedFor());
        rig.Atomic.Write(0, Filled(2, 1024));
        rig.Atomic.Write(4096, Filled(3, 1024));
        Assert.Equal(Before, rig.There());
        Assert.Equal("2x1024 1x3072 3x1024", rig.Seen());
        Assert.True(rig.Atomic.TryCommitAskedFor());
        Assert.Equal("2x1024 1x3072 3x1024", rig.There());
        Assert.False(rig.Atomic.TryCommitAskedFor());
        rig.Atomic.Sync();
        Assert.Equal("2x1024 1x3072 3x1024", rig.AfterPowerCut(1));
        rig.Atomic.DropAskedFor(); // nothing is open
        Assert.Equal("2x1024 1x3072 3x1024", rig.There());
    }

    /// <summary>SQLite then writes a journal, and all pages again.</summary>
    [Fact]
    public void After_batches_that_failed_a_journal_is_used()
    {
        using var rig = new AtomicRig();
        Assert.True(rig.Atomic.TryBeginAskedFor());
        rig.Atomic.Write(0, Filled(2, 1024));
        byte[] large = Filled(3, (int)rig.Database.Device!.GetStatus().AtomicBatchBytes);
        Assert.ThrowsAny<ArgumentException>(() => rig.Atomic.Write(1024, large));
        rig.Atomic.DropAskedFor();
        Assert.Equal(Before, rig.Seen());
        rig.Database.CountOpened(FileSlot.Journal, 1);
        rig.Atomic.Write(0, Filled(2, 1024));
        rig.Atomic.Write(1024, large);
        rig.Atomic.Sync();
        Assert.Equal($"2x1024 3x{large.Length}", rig.There());
    }

    /// <summary>In MEMORY mode pages may have been spilled before SQLite asks: they stay.</summary>
    [Fact]
    public void A_transaction_under_way_is_not_asked_for_again()
    {
        using var rig = new AtomicRig();
        rig.Atomic.Write(0, Filled(2, 1024));
        Assert.False(rig.Atomic.TryBeginAskedFor());
        Assert.False(rig.Atomic.TryCommitAskedFor());
        rig.Atomic.DropAskedFor();
        rig.Atomic.Write(1024, Filled(3, 1024));
        rig.Atomic.Sync();
        Assert.Equal("2x1024 3x1024 1x2048", rig.There());
    }

    [Fact]
    public void What_is_not_told_of_other_files_is_told_before()
    {
        using var rig = new AtomicRig();
        rig.Files.Create(FileSlot.Journal);
        rig.Files.Write(FileSlot.Journal, 0, Filled(7, 100));
        rig.Atomic.Write(0, Filled(2, 8192));
        rig.Atomic.Sync();
        Assert.Equal("2x8192", rig.AfterPowerCut(3));
        rig.Database.Device!.Drain();
        Assert.Equal(100, rig.Store.GetLength(FileSlot.Journal));
    }

    [Fact]
    public void A_file_longer_than_a_file_can_be_is_refused()
    {
        using var rig = new AtomicRig();
        Assert.Throws<PCacheFullException>(() => rig.Atomic.Write(VirtualLayout.MaxFileBytes, Filled(1, 1)));
        rig.Atomic.Drop();
        Assert.Equal(Before, rig.There());
    }
}
