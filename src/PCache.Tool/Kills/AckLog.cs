// Keeps true: a line is written after the device acknowledged, never before, each by one write call; a line that was
// cut by the kill doesn't count. Lines: "ready"; "flush ID": all writes of ID's writer up to ID are acknowledged;
// "fua ID": this write is.
using System.Globalization;

namespace PCache.Tool.Kills;

/// <summary>What one line acknowledges.</summary>
internal enum AckKind
{
    Ready,
    Flush,
    ForceUnitAccess,
}

/// <summary>One acknowledgement.</summary>
internal readonly record struct Ack(AckKind Kind, uint WriteId);

/// <summary>The writer's end: lines to a stream that outlives it.</summary>
internal sealed class AckWriter(Stream stream)
{
    private readonly Lock _gate = new();

    public void Ready() => Write("ready\n");

    public void Flushed(uint writeId) => Write(string.Create(CultureInfo.InvariantCulture, $"flush {writeId}\n"));

    public void ForceUnitAccess(uint writeId) => Write(string.Create(CultureInfo.InvariantCulture, $"fua {writeId}\n"));

    private void Write(string line)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(line);
        lock (_gate)
        {
            stream.Write(bytes);
            stream.Flush();
        }
    }
}

/// <summary>The reader's end.</summary>
internal static class AckLog
{
    /// <summary>Yields acknowledgements until the stream ends.</summary>
    /// <exception cref="InvalidDataException">A whole line is no acknowledgement.</exception>
    public static IEnumerable<Ack> Read(Stream stream)
    {
        byte[] buffer = new byte[1 << 16];
        int held = 0;
        while (true)
        {
            int read = stream.Read(buffer, held, buffer.Length - held);
            if (read == 0)
            {
                yield break;
            }

            held += read;
            int start = 0;
            for (int length = LineLength(buffer, start, held); length >= 0; length = LineLength(buffer, start, held))
            {
                yield return Parse(buffer.AsSpan(start, length));
                start += length + 1;
            }

            if (start == 0 && held == buffer.Length)
            {
                throw new InvalidDataException("The writer's acknowledgements hold a line without end.");
            }

            Buffer.BlockCopy(buffer, start, buffer, 0, held - start);
            held -= start;
        }
    }

    private static int LineLength(byte[] buffer, int start, int end) =>
        buffer.AsSpan(start, end - start).IndexOf((byte)'\n');

    private static Ack Parse(ReadOnlySpan<byte> line)
    {
        int space = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = space < 0 ? line : line[..space];
        if (space < 0 && word.SequenceEqual("ready"u8))
        {
            return new Ack(AckKind.Ready, 0);
        }

        AckKind? kind = word.SequenceEqual("flush"u8) ? AckKind.Flush : word
            .SequenceEqual("fua"u8) ? AckKind.ForceUnitAccess : null;
        if (kind is null
            || !uint.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out uint id))
        {
            throw new InvalidDataException(
                "The writer's acknowledgements hold an unknown line: " + System.Text.Encoding.ASCII.GetString(line));
        }

        return new Ack(kind.Value, id);
    }
}
