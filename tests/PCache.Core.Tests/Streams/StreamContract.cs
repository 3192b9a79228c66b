// What every seekable, growable Stream does, in the spirit of the .NET runtime's own conformance tests: run over
// PCacheStream of many kinds, and over MemoryStream and FileStream as controls, so that a wrong expectation fails there
// too (StreamKinds.cs). Keeps true: there is one list of what a Stream does, in the files StreamContract*.cs; where the
// controls differ from each other, a virtual property says how, and PCacheStream goes with FileStream.

#pragma warning disable CA1835, CA2022 // these very overloads, and what they return, are what is tested

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

public abstract partial class StreamContract : StreamContractBase
{
    // MemoryStream's peculiarities.
    protected virtual bool EmptyWriteGrows => false;

    protected virtual bool FlushIgnoresDisposal => false;

    public static TheoryData<ReadMode, WriteMode> Modes()
    {
        var modes = new TheoryData<ReadMode, WriteMode>();
        foreach (ReadMode read in Enum.GetValues<ReadMode>())
        {
            foreach (WriteMode write in Enum.GetValues<WriteMode>())
            {
                modes.Add(read, write);
            }
        }

        return modes;
    }

    [Fact]
    public void It_can_do_everything_but_time_out()
    {
        using Stream stream = Create();
        Assert.True(stream.CanRead);
        Assert.True(stream.CanSeek);
        Assert.True(stream.CanWrite);
        Assert.False(stream.CanTimeout);
        Assert.Throws<InvalidOperationException>(() => stream.ReadTimeout);
        Assert.Throws<InvalidOperationException>(() => stream.WriteTimeout = 1);
        Assert.Equal(0, stream.Length);
        Assert.Equal(0, stream.Position);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task What_was_written_is_read(ReadMode readMode, WriteMode writeMode)
    {
        foreach (int pieceBytes in (int[])[1, 3, 16, 17, 5000])
        {
            using Stream stream = Create();
            byte[] data = Bytes(Math.Min(9973, (pieceBytes * 60) + 7), seed: pieceBytes);
            for (int at = 0; at < data.Length; at += pieceBytes)
            {
                Assert.Equal(at, stream.Position);
                await StreamModes.WriteAsync(stream, writeMode, data, at, Math.Min(pieceBytes, data.Length - at));
            }

            Assert.Equal(data.Length, stream.Length);
            Assert.Equal(data.Length, stream.Position);
            stream.Position = 0;
            byte[] found = new byte[data.Length + 10];
            int total = 0;
            while (true)
            {
                int wanted = Math.Min(pieceBytes, found.Length - total);
                int read = await StreamModes.ReadAsync(stream, readMode, found, total, wanted);
                total += read;
                Assert.Equal(total, stream.Position);
                if (read == 0)
                {
                    break;
                }
            }

            Assert.Equal(data, found[..total]);
            Assert.Equal(0, await StreamModes.ReadAsync(stream, readMode, found, 0, 1));
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Beyond_the_end_nothing_is_read_and_writing_fills_with_zeros(ReadMode readMode,
        WriteMode writeMode)
    {
        using Stream stream = Create();
        await StreamModes.WriteAsync(stream, writeMode, [1, 2, 3], 0, 3);
        stream.Position = 10;
        Assert.Equal(0, await StreamModes.ReadAsync(stream, readMode, new byte[5], 0, 5));
        Assert.Equal(10, stream.Position);
        Assert.Equal(3, stream.Length);
        await StreamModes.WriteAsync(stream, writeMode, [], 0, 0);
        Assert.Equal(EmptyWriteGrows && writeMode != WriteMode.SingleBytes ? 10 : 3, stream.Length);
        await StreamModes.WriteAsync(stream, writeMode, [4], 0, 1);
        Assert.Equal(11, stream.Length);
        Assert.Equal(11, stream.Position);
        await HoldsAsync(stream, [1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
    }

    [Fact]
    public void Seeking_moves_from_each_origin_and_never_before_the_beginning()
    {
        using Stream stream = Create();
        stream.Write(Bytes(100, 1));
        Assert.Equal(7, stream.Seek(7, SeekOrigin.Begin));
        Assert.Equal(17, stream.Seek(10, SeekOrigin.Current));
        Assert.Equal(12, stream.Seek(-5, SeekOrigin.Current));
        Assert.Equal(90, stream.Seek(-10, SeekOrigin.End));
        Assert.Equal(130, stream.Seek(30, SeekOrigin.End));
        Assert.Equal(130, stream.Position);
        Assert.Equal(100, stream.Length);
        Assert.Equal(50, stream.Seek(50, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-51, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(-101, SeekOrigin.End));
        Assert.Equal(50, stream.Position);
        Assert.Equal(Bytes(100, 1)[50], stream.ReadByte());
        for (int i = 99; i >= 0; i--)
        {
            stream.Position = i;
            Assert.Equal(Bytes(100, 1)[i], stream.ReadByte());
        }
    }

    [Fact]
    public async Task Setting_the_length_cuts_grows_and_moves_the_position()
    {
        using Stream stream = Create();
        stream.Write(Bytes(100, 1));
        stream.SetLength(40);
        Assert.Equal(40, stream.Position);
        Assert.Equal(40, stream.Length);
        stream.Position = 10;
        stream.SetLength(60);
        Assert.Equal(10, stream.Position);
        await HoldsAsync(stream, [.. Bytes(100, 1)[..40], .. new byte[20]]);
        stream.SetLength(0);
        Assert.Equal(0, stream.Position);
        Assert.Equal(-1, stream.ReadByte());
        stream.WriteByte(5);
        await HoldsAsync(stream, [5]);
    }

    [Fact]
    public void Reading_exactly_stops_at_the_end()
    {
        using Stream stream = Create();
        stream.Write([1, 2, 3]);
        stream.Flush();
        stream.Position = 0;
        byte[] found = new byte[3];
        stream.ReadExactly(found);
        Assert.Equal([1, 2, 3], found);
        stream.Position = 1;
        Assert.Throws<EndOfStreamException>(() => stream.ReadExactly(found));
        Assert.Equal(2, stream.ReadAtLeast([0, 0], 0, throwOnEndOfStream: false) + 2);
    }

}
