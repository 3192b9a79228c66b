// Sequences of operations, with sizes around those of the buffers, against a model.

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

public abstract partial class StreamContract
{
    private static readonly int[] Sizes =
        [1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 9000];

    [Fact]
    public void Whatever_is_done_in_whatever_order_it_answers_as_a_MemoryStream_does() =>
        TestRuns.ForSeeds(3, seed => RunAsync(seed).GetAwaiter().GetResult());

    [Fact]
    public async Task Lengths_cut_and_grown_between_reads_and_writes_show_zeros_only()
    {
        using Stream stream = Create();
        foreach (int size in Sizes)
        {
            stream.SetLength(0);
            byte[] data = Bytes(size, size);
            stream.Write(data);
            stream.SetLength(size / 2);
            Assert.Equal(size / 2, stream.Position);
            stream.SetLength(size + 100);
            Assert.Equal(size / 2, stream.Position);
            stream.WriteByte(1);
            stream.Seek(0, SeekOrigin.End);
            stream.WriteByte(2);
            await HoldsAsync(stream, [.. data[..(size / 2)], 1, .. new byte[size + 99 - (size / 2)], 2]);
            stream.Position = size + 500;
            stream.SetLength(size + 300);
            Assert.Equal(size + 300, stream.Position);
            stream.SetLength(stream.Length);
            Assert.Equal(size + 300, stream.Length);
        }
    }

    private async Task RunAsync(int seed)
    {
        using Stream stream = Create();
        using var model = new MemoryStream();
        var random = new Random(seed);
        var log = new List<string>();
        try
        {
            for (int i = 0; i < 300; i++)
            {
                int size = random.Next(3) == 0 ? Sizes[random.Next(Sizes.Length)] : random.Next(1, 100);
                switch (random.Next(12))
                {
                    case <= 3:
                        var readMode = (ReadMode)random.Next(6);
                        log.Add($"read {size} {readMode}");
                        byte[] found = new byte[size];
                        byte[] expected = new byte[size];
                        Assert.Equal(model.Read(expected), await ReadFullyAsync(stream, readMode, found));
                        Assert.Equal(expected, found);
                        break;
                    case <= 7:
                        var writeMode = (WriteMode)random.Next(6);
                        log.Add($"write {size} {writeMode}");
                        byte[] data = Bytes(size, (seed * 1000) + i);
                        await StreamModes.WriteAsync(stream, writeMode, data, 0, size);
                        model.Write(data);
                        break;
                    case <= 9:
                        var origin = (SeekOrigin)random.Next(3);
                        long start = origin == SeekOrigin.Begin ? 0 : origin == SeekOrigin.Current ? model.Position
                            : model.Length;
                        long offset = random.NextInt64(Math.Max(-start, -6000), 6000);
                        log.Add($"seek {offset} {origin}");
                        Assert.Equal(model.Seek(offset, origin), stream.Seek(offset, origin));
                        break;
                    case 10 when random.Next(2) == 0:
                        long length = random.NextInt64(20_000);
                        log.Add($"length {length}");
                        stream.SetLength(length);
                        model.SetLength(length);
                        break;
                    default:
                        log.Add("flush");
                        stream.Flush();
                        await stream.FlushAsync();
                        break;
                }

                Assert.Equal(model.Length, stream.Length);
                Assert.Equal(model.Position, stream.Position);
            }

            await HoldsAsync(stream, model.ToArray());
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}, after: {string.Join("; ", log)}", e);
        }
    }

    // A Stream may read less than was asked for, and a buffered FileStream does.
    private static async Task<int> ReadFullyAsync(Stream stream, ReadMode mode, byte[] buffer)
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int read = await StreamModes.ReadAsync(stream, mode, buffer, total, buffer.Length - total);
            total += read;
            if (read == 0)
            {
                break;
            }
        }

        return total;
    }
}
