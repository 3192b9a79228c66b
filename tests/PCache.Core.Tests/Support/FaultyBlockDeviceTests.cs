// The faulty device fails exactly when it was told to, and its record is true.

namespace PCache.Core.Tests.Support;

public class FaultyBlockDeviceTests
{
    [Fact]
    public async Task The_nth_call_fails_once_for_a_while_or_for_ever()
    {
        using var device = new FaultyBlockDevice(BlockDevice.FromMemory(4096));
        device.Fail(DeviceOperation.Write, skip: 1, times: 2);
        device.Write(0, [1]);
        Assert.Throws<IOException>(() => device.Write(0, [2]));
        await Assert.ThrowsAsync<IOException>(async () => await device.WriteAsync(0, new byte[1]));
        device.Write(1, [3]);
        device.Fail(DeviceOperation.Flush, times: int.MaxValue, makeException: () => new TimeoutException());
        for (int i = 0; i < 5; i++)
        {
            Assert.Throws<TimeoutException>(device.Flush);
        }

        device.Heal();
        device.Flush();
        Assert.Equal(4, device.Count(DeviceOperation.Write));
        Assert.Equal(6, device.Count(DeviceOperation.Flush));
        Assert.Equal([true, false, false, true], device.History.Where(call => call.Kind == DeviceOperation.Write).Select(call => call.Succeeded));
        byte[] found = new byte[2];
        device.Read(0, found);
        Assert.Equal([1, 3], found);
    }

    [Fact]
    public void Halfway_tears_at_a_sector_and_After_does_all_and_still_fails()
    {
        using var device = new FaultyBlockDevice(BlockDevice.FromMemory(4096));
        device.Fail(DeviceOperation.Write, moment: FaultMoment.Halfway);
        Assert.Throws<IOException>(() => device.Write(0, SectorPattern.Make(0, 4, 1)));
        byte[] found = new byte[2048];
        device.Read(0, found);
        SectorPattern.Check(found, 0, sector => sector < 2 ? 1 : -1);
        device.Fail(DeviceOperation.Write, moment: FaultMoment.After);
        Assert.Throws<IOException>(() => device.Write(0, SectorPattern.Make(0, 4, 2)));
        device.Read(0, found);
        SectorPattern.Check(found, 0, 2);
    }

    [Fact]
    public void A_bad_range_fails_whoever_touches_it()
    {
        using var device = new FaultyBlockDevice(BlockDevice.FromMemory(4096));
        device.FailRange(DeviceOperation.Read, 1000, 10);
        Assert.Equal(1000, device.Read(0, new byte[1000]));
        Assert.Throws<IOException>(() => device.Read(0, new byte[1001]));
        Assert.Throws<IOException>(() => device.Read(1009, new byte[1]));
        Assert.Equal(1, device.Read(1010, new byte[1]));
        device.Write(1000, new byte[10]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_hang_until_released(bool viaAsync)
    {
        using var device = new FaultyBlockDevice(BlockDevice.FromMemory(10));
        device.Hang(DeviceOperation.Write);
        var writing = Task.Run(async () =>
        {
            if (viaAsync)
            {
                await device.WriteAsync(0, new byte[] { 5 });
            }
            else
            {
                device.Write(0, [5]);
            }
        });
        await device.WaitUntilHangingAsync();
        byte[] found = new byte[1];
        device.Read(0, found);
        Assert.Equal(0, found[0]);
        Assert.Equal(1, device.HangingCount);
        device.Release();
        await writing;
        device.Read(0, found);
        Assert.Equal(5, found[0]);
        IReadOnlyList<RecordedOperation> history = device.History;
        Assert.False(history[0].IsBefore(history[1]));
        Assert.True(history[0].IsBefore(history[2]));
    }
}
