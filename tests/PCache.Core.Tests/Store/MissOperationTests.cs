using PCache.Core.Store;


namespace PCache.Core.Tests.Store;

/// <summary>What a miss holds: the backing's bytes up to the device's end, zeros beyond, whatever its buffer held
/// before.</summary>
public sealed class MissOperationTests
{
    private const byte Stale = 0xA5;

    [Theory]
    [InlineData(512, 4096, 4096, 0, 8)] // whole
    [InlineData(512, 4096, 1000, 0, 8)] // the backing is longer than the device
    [InlineData(512, 1000, 4096, 0, 8)] // the backing ends first
    [InlineData(4096, 8192, 5000, 9, 16)] // blocks larger than sectors
    [InlineData(4096, 5000, 8192, 9, 16)]
    [InlineData(1, 700, 600, 1, 2)]
    public void Beyond_the_end_of_device_and_backing_there_are_zeros(int blockSize, long backingLength,
        long deviceLength, int start, int end)
    {
        var miss = new MissOperation { Start = start, End = end };
        miss.Prepare(blockSize, backingLength, deviceLength, deviceLength);
        Assert.Equal(0, miss.ReadOffset % blockSize);
        Assert.InRange(miss.ReadOffset, 0, start * 512);
        Assert.Equal(Math.Min(backingLength, (end * 512) + blockSize - 1) / blockSize * blockSize - miss.ReadOffset,
            miss.ReadBuffer.Length / blockSize * blockSize);
        miss.Data.Fill(Stale);
        miss.ReadBuffer.Span.Fill(1);
        miss.SetRead(miss.ReadBuffer.Length);
        for (int i = 0; i < miss.Data.Length; i++)
        {
            long at = (start * 512) + i;
            Assert.True(miss.Data[i] == (at < Math.Min(backingLength, deviceLength) ? 1 : 0),
                $"byte {at} is {miss.Data[i]}");
        }

        Assert.Equal(deviceLength < Math.Min(backingLength, miss.ReadOffset + (long)miss.ReadBuffer.Length),
            miss.IsCut);
    }

    [Fact]
    public void What_a_short_read_did_not_bring_is_zeros()
    {
        var miss = new MissOperation { Start = 0, End = 2 };
        miss.Prepare(1, 1024, 1024, 1024);
        miss.ReadBuffer.Span.Fill(Stale);
        miss.SetRead(600);
        Assert.Equal(-1, miss.Data[..600].IndexOfAnyExcept(Stale));
        Assert.Equal(-1, miss.Data[600..].IndexOfAnyExcept((byte)0));
    }
}
