using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Testing;

/// <summary>Faults, hangs, hooks and violations of a simulated disk: one example each.</summary>
public sealed class SimulatedDiskTests
{
    [Fact]
    public async Task The_nth_call_fails_once_for_a_while_or_for_ever()
    {
        using var disk = new SimulatedDisk(4096);
        List<DiskCall> went = [];
        disk.AfterCall = went.Add;
        disk.Plan(new DiskFault { Operation = DiskOperation.Write, Skip = 1, Times = 2 });
        disk.Write(0, [1]);
        Assert.Throws<IOException>(() => disk.Write(0, [2]));
        await Assert.ThrowsAsync<IOException>(async () => await disk.WriteAsync(0, new byte[1]));
        disk.Write(1, [3]);
        disk.Plan(new DiskFault
        {
            Operation = DiskOperation.Flush,
            Times = int.MaxValue,
            MakeException = () =>
            new TimeoutException()
        });
        for (int i = 0; i < 5; i++)
        {
            Assert.Throws<TimeoutException>(disk.Flush);
        }

        disk.Heal();
        disk.Flush();
        Assert.Equal(4, disk.Calls(DiskOperation.Write));
        Assert.Equal(6, disk.Calls(DiskOperation.Flush));
        Assert.Equal([new(DiskOperation.Write, 0, 1), new(DiskOperation.Write, 1, 1), new(DiskOperation.Flush, 0, 0)],
            went);
        Assert.Equal([1, 3], disk.Peek(0, 2));
    }

    [Fact]
    public void Each_plan_counts_its_own_calls_and_the_first_decides()
    {
        using var disk = new SimulatedDisk(4096);
        disk.Plan(new DiskFault { Skip = 1, MakeException = () => new TimeoutException() });
        disk.Plan(new DiskFault { Operation = DiskOperation.Write, Skip = 1, Times = 2 });
        disk.Write(0, [1]);
        Assert.Throws<TimeoutException>(() => disk.Write(0, [1]));
        disk.Read(0, new byte[1]);
        Assert.Throws<IOException>(() => disk.Write(0, [1]));
        disk.Write(0, [1]);
        foreach (DiskFault bad in new DiskFault[] { new() { Skip = -1 }, new() { Times = -1 }, new() { Offset = -1 },
            new() { LengthBytes = -1 }, new() { Delay = TimeSpan.FromTicks(-1) } })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => disk.Plan(bad));
        }
    }

    [Fact]
    public void Half_of_a_write_ends_at_a_sector_and_an_error_after_the_effect_comes_after_it()
    {
        using var disk = new SimulatedDisk(4096);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.HalfThenError, Operation = DiskOperation.Write, Times = 3 });
        Assert.Throws<IOException>(() => disk.Write(0, SectorPattern.Make(0, 4, 1)));
        SectorPattern.Check(disk.Peek(0, 2048), 0, sector => sector < 2 ? 1 : -1);
        Assert.Throws<IOException>(() => disk.Write(2148, Filled(1000, 7)));
        Assert.Equal([.. new byte[100], .. Filled(412, 7), .. new byte[512]], disk.Peek(2048, 1024));
        Assert.Throws<IOException>(() => disk.Write(4000, Filled(90, 7)));
        Assert.Equal(new byte[96], disk.Peek(4000, 96));
        disk.Plan(new DiskFault { Kind = DiskFaultKind.ErrorAfterEffect });
        Assert.Throws<IOException>(() => disk.Write(0, SectorPattern.Make(0, 4, 2)));
        SectorPattern.Check(disk.Peek(0, 2048), 0, 2);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.HalfThenError });
        Assert.Throws<IOException>(() => disk.WriteZeroes(0, 2048));
        SectorPattern.Check(disk.Peek(0, 2048), 0, 2);
    }

    [Fact]
    public void A_bad_range_fails_whatever_touches_it()
    {
        using var disk = new SimulatedDisk(4096);
        disk.Plan(new DiskFault
        {
            Operation = DiskOperation.Read,
            Offset = 1000,
            LengthBytes = 10,
            Times = int.MaxValue
        });
        disk.Plan(new DiskFault { Operation = DiskOperation.Write, Offset = 2000, Times = int.MaxValue });
        Assert.Equal(1000, disk.Read(0, new byte[1000]));
        Assert.Throws<IOException>(() => disk.Read(0, new byte[1001]));
        Assert.Throws<IOException>(() => disk.Read(1009, new byte[1]));
        Assert.Equal(1, disk.Read(1010, new byte[1]));
        disk.Write(1000, new byte[1000]);
        Assert.Throws<IOException>(() => disk.Write(1001, new byte[1000]));
        disk.Heal();
        disk.Plan(new DiskFault { Operation = DiskOperation.Discard, Offset = 5, LengthBytes = long.MaxValue - 1 });
        disk.Discard(0, 5);
        Assert.Throws<IOException>(() => disk.Discard(4, long.MaxValue));
        disk.Plan(new DiskFault { Operation = DiskOperation.Flush, Offset = 1, LengthBytes = 1 });
        Assert.Throws<IOException>(disk.Flush);
    }

    [Fact]
    public void A_lying_disk_says_all_went_well()
    {
        using var disk = new SimulatedDisk(16384);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Lost });
        Assert.Equal(1, disk.Read(0, new byte[1])); // a read can't be lost, and isn't counted
        disk.Write(0, [1], WriteDurability.ForceUnitAccess);
        Assert.Equal(0, disk.Peek(0, 1)[0]);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Misdirect });
        disk.Write(0, [2]);
        Assert.Equal([0, 2], [disk.Peek(0, 1)[0], disk.Peek(4096, 1)[0]]);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Misdirect, MisdirectBy = 8192 });
        disk.WriteZeroes(12288, 4096);
        Assert.Equal(0, disk.Peek(4096, 1)[0]); // beyond the end there is no room: it goes the other way
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Misdirect });
        disk.Write(12288, [3]);
        Assert.Equal([0, 3], [disk.Peek(12288, 1)[0], disk.Peek(8192, 1)[0]]);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.ShortRead });
        Assert.Equal(5, disk.Read(0, new byte[10]));
        disk.Write(0, [4]);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Lost, Operation = DiskOperation.Flush });
        disk.Flush();
        Assert.Equal(0, disk.AfterPowerCut(null).Peek(0, 1)[0]);
        disk.Flush();
        Assert.Equal(4, disk.AfterPowerCut(null).Peek(0, 1)[0]);
    }

    [Fact]
    public async Task A_slow_call_moves_the_clock_of_the_disk()
    {
        var clock = new VirtualClock();
        using var disk = new SimulatedDisk(512, new SimulatedDiskOptions { Clock = clock });
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Delay, Delay = TimeSpan.FromHours(5), Times = 2 });
        disk.Write(0, [1]);
        await disk.FlushAsync();
        Assert.Equal(TimeSpan.FromHours(10), clock.Elapsed);
        Assert.Equal(1, disk.AfterPowerCut(null).Peek(0, 1)[0]);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Calls_hang_until_released_and_can_be_made_to_hang_again(bool viaAsync, bool afterEffect)
    {
        using var disk = new SimulatedDisk(10);
        for (byte round = 1; round <= 2; round++)
        {
            byte value = round;
            disk.Hang(DiskOperation.Write, afterEffect);
            var writing = Task.Run(async () =>
            {
                if (viaAsync)
                {
                    await disk.WriteAsync(0, new[] { value });
                }
                else
                {
                    disk.Write(0, [value]);
                }
            });
            await Eventually.Completes(disk.WaitUntilHangingAsync(), "the hang");
            disk.Flush(); // nothing but writes hangs
            Assert.Equal(afterEffect ? value : value - 1, disk.Peek(0, 1)[0]);
            Assert.Equal(1, disk.HangingCount);
            disk.ReleaseHanging();
            await Eventually.Completes(writing, "the write");
            Assert.Equal(0, disk.HangingCount);
            disk.Write(1, [value]); // hangs no longer
            Assert.Equal([value, value], disk.Peek(0, 2));
        }
    }

    [Fact]
    public async Task A_hanging_call_that_is_cancelled_no_longer_hangs_and_did_nothing()
    {
        using var disk = new SimulatedDisk(10);
        disk.Plan(new DiskFault { Kind = DiskFaultKind.Hang });
        using var cancel = new CancellationTokenSource();
        Task writing = disk.WriteAsync(0, new byte[] { 1 }, WriteDurability.Normal, cancel.Token).AsTask();
        Assert.Equal(1, disk.HangingCount);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            Eventually.Completes(writing, "the cancelled write"));
        Assert.Equal(0, disk.HangingCount);
        Assert.Equal(0, disk.Peek(0, 1)[0]);

        disk.Plan(new DiskFault { Kind = DiskFaultKind.Hang, IgnoresCancellation = true });
        using var late = new CancellationTokenSource();
        writing = disk.WriteAsync(0, new byte[] { 1 }, WriteDurability.Normal, late.Token).AsTask();
        await late.CancelAsync();
        Assert.Equal(1, disk.HangingCount);
        Assert.False(writing.IsCompleted);
        disk.ReleaseHanging();
        await Eventually.Completes(writing, "the write that can't be cancelled");
        Assert.Equal(1, disk.Peek(0, 1)[0]);

        // A call that was cancelled before it began is none: it uses up no fault.
        disk.Plan(new DiskFault());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await disk.FlushAsync(cancel.Token));
        Assert.Equal(0, disk.Calls(DiskOperation.Flush));
        Assert.Throws<IOException>(disk.Flush);
    }

    [Fact]
    public async Task A_disposal_lets_hanging_calls_go_on_and_the_content_stays()
    {
        var disk = new SimulatedDisk([1, 2, 3]);
        disk.Hang(DiskOperation.Read);
        Task<int> reading = disk.ReadAsync(0, new byte[3]).AsTask();
        await disk.DisposeAsync();
        Assert.Equal(3, await Eventually.Completes(reading, "the read"));
        Assert.True(disk.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => disk.Length);
        Assert.Equal([1, 2, 3], disk.Snapshot());
        Assert.Equal([3, 0], disk.Peek(2, 2));
        using SimulatedDisk again = disk.AfterKill();
        Assert.Equal(3, again.Length);
        Assert.False(again.IsDisposed);
    }

    [Fact]
    public void A_write_through_makes_its_own_sectors_durable_and_no_others()
    {
        using var disk = new SimulatedDisk(2048);
        disk.Write(0, Filled(2048, 1));
        disk.Write(600, [2], WriteDurability.ForceUnitAccess);
        disk.WriteZeroes(1600, 1, WriteDurability.ForceUnitAccess);
        byte[] left = disk.AfterPowerCut(null).Snapshot();
        Assert.Equal([0, 1, 2, 1, 0, 1, 0, 1],
            [left[511], left[512], left[600], left[1023], left[1024], left[1536], left[1600], left[2047]]);
        Assert.True(disk.IsOpen);
        disk.Flush();
        Assert.False(disk.IsOpen);
    }

    [Fact]
    public void A_write_that_comes_while_a_flush_hangs_is_not_part_of_it()
    {
        using var disk = new SimulatedDisk(1024, new SimulatedDiskOptions { CanResize = true });
        disk.Write(0, [1]);
        disk.BeforeCall = call =>
        {
            disk.BeforeCall = null;
            disk.Write(0, [2]);
            disk.SetLength(512);
        };
        disk.Flush();
        byte[] left = disk.AfterPowerCut(null).Snapshot();
        Assert.Equal((1024, 1), (left.Length, left[0]));
        Assert.Equal((512, 2), ((int)disk.Length, disk.Peek(0, 1)[0]));
    }

    [Fact]
    public void What_breaks_the_rules_of_a_disk_is_refused_and_noted()
    {
        using var blocks = new SimulatedDisk(8292,
            new SimulatedDiskOptions { BlockSize = 4096, CanResize = true, GrowsOnWrite = false });
        blocks.Write(8192, new byte[100]);
        blocks.Plan(new DiskFault { Kind = DiskFaultKind.ShortRead });
        Assert.Equal(2048, blocks.Read(0, new byte[4096]));
        Assert.Empty(blocks.Violations);
        Assert.Throws<ArgumentException>(() => blocks.Write(1, new byte[4096]));
        Assert.Throws<ArgumentException>(() => { _ = blocks.Read(0, new byte[100]); });
        Assert.Throws<ArgumentOutOfRangeException>(() => blocks.Write(8192, new byte[4096]));
        blocks.SetLength(12288);
        blocks.Write(8192, new byte[4096]);
        Assert.Equal(3, blocks.Violations.Count);
        using var readOnly = new SimulatedDisk(10, new SimulatedDiskOptions { CanWrite = false });
        Assert.Throws<NotSupportedException>(() => readOnly.Write(0, [1]));
        Assert.Throws<NotSupportedException>(() => readOnly.Discard(0, 1));
        readOnly.Flush();
        foreach (int bad in new[] { 0, 3, 131_072, -1 })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() =>
                new SimulatedDisk(0, new SimulatedDiskOptions { BlockSize = bad }));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => new SimulatedDisk(-1));
    }

    [Fact]
    public void The_longest_disk_holds_its_last_sector()
    {
        using var disk = new SimulatedDisk(long.MaxValue, new SimulatedDiskOptions { CanResize = true });
        disk.Write(long.MaxValue - 3, [1, 2, 3]);
        disk.Write(long.MaxValue - 600, [4]);
        Assert.Equal([1, 2, 3, 0], disk.Peek(long.MaxValue - 3, 4));
        Assert.Equal(0, disk.AfterPowerCut(null).Peek(long.MaxValue - 3, 3)[0]);
        disk.Flush();
        Assert.Equal([1, 2, 3], disk.AfterPowerCut(null).Peek(long.MaxValue - 3, 3));
        Assert.Equal(4, disk.AfterPowerCut(null).Peek(long.MaxValue - 600, 1)[0]);
        disk.SetLength(long.MaxValue - 2);
        disk.SetLength(long.MaxValue);
        Assert.Equal([1, 0, 0], disk.Peek(long.MaxValue - 3, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => disk.Write(long.MaxValue - 2, [1, 2, 3]));
    }

    [Fact]
    public void Large_ranges_of_zeros_and_discards_are_whole_sectors()
    {
        using var disk = new SimulatedDisk(3 << 20, new SimulatedDiskOptions { CanDiscard = true });
        disk.Write(0, Filled(3 << 20, 1));
        disk.Flush();
        disk.WriteZeroes(100, (2 << 20) + 300);
        byte[] now = disk.Snapshot();
        Assert.Equal([1, 0, 0, 1], [now[99], now[100], now[(2 << 20) + 399], now[(2 << 20) + 400]]);
        byte[] left = disk.AfterPowerCut(new Random(1)).Snapshot();
        for (int sector = 1; sector < 4096; sector++)
        {
            Assert.False(left.AsSpan(sector * 512, 512).ContainsAnyExcept(left[sector * 512]),
                $"sector {sector} is torn");
        }

        disk.Discard(512, long.MaxValue);
        Assert.False(disk.Snapshot().AsSpan(512).ContainsAnyExcept((byte)0xDD));
    }

    private static byte[] Filled(int length, byte value)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
