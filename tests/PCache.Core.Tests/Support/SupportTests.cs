// The test tools tell the truth: a pattern that is wrong is found and named, a clock that isn't moved doesn't move,
// timers fire in order.

namespace PCache.Core.Tests.Support;

public class SectorPatternTests
{
    [Fact]
    public void A_sector_holds_32_times_its_mark()
    {
        byte[] sector = SectorPattern.Make(0x1234abcd, 1, 0xbeef);
        for (int at = 0; at < 512; at += 16)
        {
            Assert.Equal("w00beefs1234abcd", System.Text.Encoding.ASCII.GetString(sector, at, 16));
        }
    }

    [Fact]
    public void A_foreign_sector_is_named()
    {
        byte[] sectors = SectorPattern.Make(10, 3, 2);
        SectorPattern.Check(sectors, 10, 2);
        SectorPattern.Fill(sectors.AsSpan(512, 512), 77, 5);
        string? message = SectorPattern.FindMismatch(sectors, 10, _ => 2);
        Assert.Equal("sector 11 (byte 5632): expected write 0x2, found write 0x5 of sector 77", message);
    }

    [Fact]
    public void A_torn_sector_is_called_torn_and_zeros_zeros()
    {
        byte[] sector = SectorPattern.Make(1, 1, 2);
        sector.AsSpan(256).Clear();
        Assert.Equal("torn: write 0x2 of sector 1 in bytes 0..255, zeros in bytes 256..511",
            SectorPattern.Describe(sector));
        Assert.Equal("zeros", SectorPattern.Describe(new byte[512]));
        Assert.Null(SectorPattern.FindMismatch(new byte[512], 1, _ => -1));
        Assert.NotNull(SectorPattern.FindMismatch(sector, 1, _ => -1));
        sector[3] = 1;
        Assert.StartsWith("torn: bytes ", SectorPattern.Describe(sector), StringComparison.Ordinal);
    }
}

public class VirtualClockTests
{
    [Fact]
    public void Timers_fire_in_order_at_their_time_and_periodic_ones_again()
    {
        var time = new VirtualClock();
        var log = new List<string>();
        DateTimeOffset start = time.GetUtcNow();
        void Note(object? name) => log.Add($"{name}@{(time.GetUtcNow() - start).TotalSeconds}");
        using ITimer late = time.CreateTimer(Note, "late", TimeSpan.FromSeconds(5), Timeout.InfiniteTimeSpan);
        using ITimer often = time.CreateTimer(Note, "often", TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2));
        using ITimer gone = time.CreateTimer(Note, "gone", TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        gone.Dispose();
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Empty(log);
        time.Advance(TimeSpan.FromSeconds(4.5));
        Assert.Equal(["often@2", "often@4", "late@5", "often@6"], log);
        Assert.Equal(1, time.PendingTimers);
        Assert.Equal(TimeSpan.FromSeconds(6), time.GetElapsedTime(0));
        Assert.False(gone.Change(TimeSpan.Zero, TimeSpan.Zero));
    }

    [Fact]
    public void A_timer_set_by_a_callback_fires_within_the_same_advance()
    {
        var time = new VirtualClock();
        TimeSpan? second = null;
        using ITimer inner = time.CreateTimer(_ => second =
            time.Elapsed, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        using ITimer outer = time.CreateTimer(_ => inner.Change(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan),
            null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromSeconds(2), second);
        Assert.False(time.AdvanceToNextTimer());
    }

    [Fact]
    public void Task_delay_follows_the_clock()
    {
        var time = new VirtualClock();
        var delay = Task.Delay(TimeSpan.FromHours(1), time);
        time.Advance(TimeSpan.FromMinutes(59));
        Assert.False(delay.IsCompleted);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(delay.IsCompletedSuccessfully);
    }
}

public class TempFolderTests
{
    [Fact]
    public void It_is_there_and_then_gone()
    {
        string path;
        using (var folder = new TempFolder())
        {
            path = folder.Path;
            Assert.Equal(1234, new FileInfo(folder.CreateFile("a", 1234)).Length);
        }

        Assert.False(Directory.Exists(path));
    }
}
