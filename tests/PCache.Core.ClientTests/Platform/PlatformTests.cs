using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using PCache.Core.ClientTests.Support;

namespace PCache.Core.ClientTests.Platform;

/// <summary>What the platform itself puts on a Stream, on a cached file, against the same on a FileStream.</summary>
public sealed class PlatformTests
{
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    public static TheoryData<string> Clients() => new(All.Keys);

    private static Dictionary<string, (Func<Stream, Task> Write, Func<Stream, Task> Read)> All { get; } = new()
    {
        ["BinaryWriter"] = (Sync(WriteBinary), Sync(ReadBinary)),
        ["StreamWriter"] = (WriteLinesAsync, ReadLinesAsync),
        ["GZipStream"] = (stream => WritePacked(new GZipStream(stream, CompressionLevel.Fastest)), stream =>
            ReadPacked(new GZipStream(stream, CompressionMode.Decompress))),
        ["BrotliStream"] = (stream => WritePacked(new BrotliStream(stream, CompressionLevel.Fastest)), stream =>
            ReadPacked(new BrotliStream(stream, CompressionMode.Decompress))),
        ["CryptoStream"] = (stream => WritePacked(Crypt(stream, CryptoStreamMode.Write)), stream =>
            ReadPacked(Crypt(stream, CryptoStreamMode.Read))),
        ["BufferedStream"] = (stream => WritePacked(new BufferedStream(stream, 1000)), stream =>
            ReadPacked(new BufferedStream(stream, 1000))),
        ["JsonSerializer"] = (stream => JsonSerializer.SerializeAsync(stream, Records), ReadJsonAsync),
        ["Pipe"] = (WritePipeAsync, ReadPipeAsync),
        ["lock"] = (Sync(WriteUnderLock), Sync(ReadUnderLock)),
    };

    private static string[] Records { get; } =
        [.. Enumerable.Range(0, 3000).Select(i => $"{i}: {new string((char)('a' + (i % 26)), i % 50)} é")];

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task It_finds_what_it_wrote_and_so_does_the_plain_file(string client)
    {
        foreach (int bufferSize in (int[])[0, 512])
        {
            using var file = new CachedFile(bufferSize);
            await file.BothAsync(All[client].Write);
            await file.BothAsync(All[client].Read);
            await using FileStream plain = File.OpenRead(file.Drain());
            Assert.True(plain.Length > 0);
            await All[client].Read(plain);
        }
    }

    private static Func<Stream, Task> Sync(Action<Stream> action) => stream =>
    {
        action(stream);
        return Task.CompletedTask;
    };

    // With lengths filled in afterwards, as file formats do.
    private static void WriteBinary(Stream stream)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        foreach (string record in Records)
        {
            long at = stream.Position;
            writer.Write(0);
            writer.Write(record);
            writer.Write(at * 1.5);
            long end = stream.Position;
            _ = writer.Seek((int)at, SeekOrigin.Begin);
            writer.Write((int)(end - at));
            _ = writer.Seek((int)(end - stream.Position), SeekOrigin.Current);
        }
    }

    private static void ReadBinary(Stream stream)
    {
        using var reader = new BinaryReader(stream, Encoding.UTF8);
        foreach (string record in Records)
        {
            long at = stream.Position;
            int length = reader.ReadInt32();
            Assert.Equal(record, reader.ReadString());
            Assert.Equal(at * 1.5, reader.ReadDouble());
            Assert.Equal(at + length, stream.Position);
        }

        Assert.Equal(-1, reader.PeekChar());
    }

    private static async Task WriteLinesAsync(Stream stream)
    {
        await using var writer = new StreamWriter(stream, Encoding.Unicode, 100);
        foreach (string record in Records)
        {
            await writer.WriteLineAsync(record);
        }
    }

    private static async Task ReadLinesAsync(Stream stream)
    {
        using var reader = new StreamReader(stream, detectEncodingFromByteOrderMarks: true);
        foreach (string record in Records)
        {
            Assert.Equal(record, await reader.ReadLineAsync());
        }

        Assert.Null(await reader.ReadLineAsync());
    }

    private static async Task WritePacked(Stream stream)
    {
        await using (stream)
        {
            foreach (string record in Records)
            {
                await stream.WriteAsync(Encoding.UTF8.GetBytes(record));
            }
        }
    }

    private static async Task ReadPacked(Stream stream)
    {
        await using (stream)
        {
            using var reader = new StreamReader(stream);
            Assert.Equal(string.Concat(Records), await reader.ReadToEndAsync());
        }
    }

    private static CryptoStream Crypt(Stream stream, CryptoStreamMode mode)
    {
        using var aes = Aes.Create();
        return new CryptoStream(stream, mode == CryptoStreamMode.Write ? aes.CreateEncryptor(Key, Key[..16])
            : aes.CreateDecryptor(Key, Key[..16]), mode);
    }

    private static async Task ReadJsonAsync(Stream stream)
    {
        Assert.Equal(Records, await JsonSerializer.DeserializeAsync<string[]>(stream));
        stream.Position = 0;
        int count = 0;
        await foreach (string? record in JsonSerializer.DeserializeAsyncEnumerable<string>(stream))
        {
            Assert.Equal(Records[count++], record);
        }

        Assert.Equal(Records.Length, count);
    }

    private static async Task WritePipeAsync(Stream stream)
    {
        PipeWriter writer = PipeWriter.Create(stream, new StreamPipeWriterOptions(minimumBufferSize: 256));
        foreach (string[] records in Records.Chunk(30))
        {
            _ = Encoding.UTF8.GetBytes(string.Join('\n', records) + "\n", writer);
            _ = await writer.FlushAsync(); // flushes the stream too, each time
        }

        await writer.CompleteAsync();
    }

    private static async Task ReadPipeAsync(Stream stream)
    {
        PipeReader reader = PipeReader.Create(stream,
            new StreamPipeReaderOptions(bufferSize: 300, minimumReadSize: 10));
        int count = 0;
        while (true)
        {
            ReadResult result = await reader.ReadAsync();
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (buffer.PositionOf((byte)'\n') is SequencePosition end)
            {
                Assert.Equal(Records[count++], Encoding.UTF8.GetString(buffer.Slice(0, end)));
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                break;
            }
        }

        await reader.CompleteAsync();
        Assert.Equal(Records.Length, count);
    }

    // Many threads share one stream, as older code does: position and operation under the stream's own monitor.
    private static void WriteUnderLock(Stream stream) => Parallel.For(0, 500, i =>
    {
        lock (stream)
        {
            stream.Position = i * 100L;
            stream.Write(CachedFile.Bytes(100, i));
        }
    });

    private static void ReadUnderLock(Stream stream) => Parallel.For(0, 500, i =>
    {
        byte[] found = new byte[100];
        lock (stream)
        {
            _ = stream.Seek(i * 100L, SeekOrigin.Begin);
            stream.ReadExactly(found);
        }

        Assert.Equal(CachedFile.Bytes(100, i), found);
    });
}
