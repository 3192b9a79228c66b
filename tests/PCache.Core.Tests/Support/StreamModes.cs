// The many members with which a Stream can be read and written, behind one call. Keeps true: whatever the mode, the
// bytes asked for are the same.

namespace PCache.Core.Tests.Support;

/// <summary>Ways to read.</summary>
public enum ReadMode
{
    /// <summary>Read(byte[], int, int).</summary>
    Array,

    /// <summary>Read(Span).</summary>
    Span,

    /// <summary>ReadAsync(byte[], int, int).</summary>
    ArrayAsync,

    /// <summary>ReadAsync(Memory).</summary>
    MemoryAsync,

    /// <summary>BeginRead and EndRead.</summary>
    BeginEnd,

    /// <summary>ReadByte, one after the other.</summary>
    SingleBytes,
}

/// <summary>Ways to write.</summary>
public enum WriteMode
{
    /// <summary>Write(byte[], int, int).</summary>
    Array,

    /// <summary>Write(Span).</summary>
    Span,

    /// <summary>WriteAsync(byte[], int, int).</summary>
    ArrayAsync,

    /// <summary>WriteAsync(Memory).</summary>
    MemoryAsync,

    /// <summary>BeginWrite and EndWrite.</summary>
    BeginEnd,

    /// <summary>WriteByte, one after the other.</summary>
    SingleBytes,
}

/// <summary>Reads and writes a stream in a chosen way.</summary>
public static class StreamModes
{
    /// <summary>Reads up to <paramref name="count"/> bytes.</summary>
    public static async ValueTask<int> ReadAsync(Stream stream, ReadMode mode, byte[] buffer, int offset, int count)
    {
        ArgumentNullException.ThrowIfNull(stream);
        switch (mode)
        {
            case ReadMode.Array:
                return stream.Read(buffer, offset, count);
            case ReadMode.Span:
                return stream.Read(buffer.AsSpan(offset, count));
            case ReadMode.ArrayAsync:
#pragma warning disable CA1835 // the point is to call this very overload
                return await stream.ReadAsync(buffer, offset, count);
#pragma warning restore CA1835
            case ReadMode.MemoryAsync:
                return await stream.ReadAsync(buffer.AsMemory(offset, count));
            case ReadMode.BeginEnd:
                return stream.EndRead(stream.BeginRead(buffer, offset, count, null, null));
            default:
                ArgumentNullException.ThrowIfNull(buffer);
                for (int done = 0; done < count; done++)
                {
                    int value = stream.ReadByte();
                    if (value < 0)
                    {
                        return done;
                    }

                    buffer[offset + done] = (byte)value;
                }

                return count;
        }
    }

    /// <summary>Writes all of them.</summary>
    public static async ValueTask WriteAsync(Stream stream, WriteMode mode, byte[] buffer, int offset, int count)
    {
        ArgumentNullException.ThrowIfNull(stream);
        switch (mode)
        {
            case WriteMode.Array:
                stream.Write(buffer, offset, count);
                break;
            case WriteMode.Span:
                stream.Write(buffer.AsSpan(offset, count));
                break;
            case WriteMode.ArrayAsync:
#pragma warning disable CA1835 // the point is to call this very overload
                await stream.WriteAsync(buffer, offset, count);
#pragma warning restore CA1835
                break;
            case WriteMode.MemoryAsync:
                await stream.WriteAsync(buffer.AsMemory(offset, count));
                break;
            case WriteMode.BeginEnd:
                stream.EndWrite(stream.BeginWrite(buffer, offset, count, null, null));
                break;
            default:
                ArgumentNullException.ThrowIfNull(buffer);
                for (int done = 0; done < count; done++)
                {
                    stream.WriteByte(buffer[offset + done]);
                }

                break;
        }
    }
}
