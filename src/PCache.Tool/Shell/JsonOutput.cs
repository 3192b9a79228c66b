// Keeps true: standard output gets exactly one JSON document, and nothing when the content can't be had at all. Large
// documents stream: memory stays bounded.
using System.Text;
using System.Text.Json;

namespace PCache.Tool.Shell;

/// <summary>Writes one JSON document to a text writer, without reflection.</summary>
internal static class JsonOutput
{
    private const int FlushThresholdBytes = 1 << 16;

    /// <summary>Writes the object whose members <paramref name="members"/> writes.</summary>
    public static void WriteObject(TextWriter output, Action<Utf8JsonWriter> members)
    {
        using var stream = new TextWriterStream(output);
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        stream.Flush();
        output.WriteLine();
    }

    /// <summary>Passes on what has piled up; called between the elements of long arrays.</summary>
    public static void FlushIfLarge(Utf8JsonWriter json)
    {
        if (json.BytesPending >= FlushThresholdBytes)
        {
            json.Flush();
        }
    }

    /// <summary>UTF-8 bytes in, characters out.</summary>
    private sealed class TextWriterStream(TextWriter output) : Stream
    {
        private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
        private readonly char[] _characters = new char[4096];

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            while (!buffer.IsEmpty)
            {
                _decoder.Convert(buffer, _characters, flush: false, out int bytesUsed, out int charactersUsed, out _);
                output.Write(_characters, 0, charactersUsed);
                buffer = buffer[bytesUsed..];
            }
        }
    }
}
