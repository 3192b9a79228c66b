using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

public sealed class PayloadCopyTests
{
    [Fact]
    public void Copies_exactly_the_range_whatever_length_and_alignment()
    {
        const int Margin = 64;
        byte[] source = new byte[40_000];
        new Random(7).NextBytes(source);
        using PmemRegion region = PmemMemory.Allocate(64 << 10);
        region.Write(0, source);
        int[] lengths = [0, 1, 63, 64, 100, 255, 256, 257, 319, 320, 511, 512, 513, 1000, 1023, 4095, 4096, 4097, 8192,
            10_000, 16_384, 16_385, 30_000];
        foreach (int length in lengths)
        {
            for (int skip = 0; skip < 130; skip += 13)
            {
                byte[] destination = new byte[length + (2 * Margin)];
                Array.Fill(destination, (byte)0xA5);
                region.CopyOut(skip, destination.AsSpan(Margin, length));
                Assert.True(destination.AsSpan(Margin, length).SequenceEqual(source.AsSpan(skip, length)),
                    $"{length} bytes from {skip}");
                Assert.Equal(-1, destination.AsSpan(0, Margin).IndexOfAnyExcept((byte)0xA5));
                Assert.Equal(-1, destination.AsSpan(Margin + length).IndexOfAnyExcept((byte)0xA5));
            }
        }
    }

    [Fact]
    public void Refuses_what_lies_outside()
    {
        PmemRegion region = PmemMemory.Allocate(4096);
        byte[] buffer = new byte[512];
        Assert.Throws<ArgumentOutOfRangeException>(() => region.CopyOut(-1, buffer));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.CopyOut(4096 - 511, buffer));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.CopyOut(long.MaxValue, buffer));
        region.CopyOut(4096 - 512, buffer);
        region.Dispose();
        Assert.Throws<ObjectDisposedException>(() => region.CopyOut(0, buffer));
    }
}
