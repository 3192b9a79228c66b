using System.Runtime.InteropServices;
using PCache.Core;

namespace PCache.Sqlite.Files;

/// <summary>
/// The database's file as a transaction is going to leave it; from <see cref="CachedFiles.BeginTransaction"/>. Belongs
/// to one connection, which alone may use that file meanwhile.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Nothing of it reaches the device before the commit; then all of it does, with the table that says how long
/// the file is. Without a commit it is as if nothing had been written.</item>
/// <item>Its reads see what it wrote. What lies between the end that the file had and a write behind it reads as
/// zeros, whatever the cache still holds there.</item>
/// <item>Nothing behind the file's end is ever committed.</item>
/// </list>
/// </remarks>
internal sealed class FileTransaction(CachedFiles files, PCacheDevice device, long lengthBytes) : IDisposable
{
    private const int ChunkBytes = 64 << 10;

    private static readonly long Start = VirtualLayout.Base(FileSlot.Main);

    private readonly List<(long From, long To)> _written = []; // in order; neighbours are joined
    private AtomicBatch _batch = device.BeginAtomic();
    private long _longest = lengthBytes;

    /// <summary>Length of the file in bytes.</summary>
    public long Length { get; private set; } = lengthBytes;

    /// <summary>Reads; returns the bytes read, less than asked for only where the file ends.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        int length = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        return length == 0 ? 0 : _batch.Read(Start + offset, buffer[..length]);
    }

    /// <exception cref="ArgumentException">The transaction would be too large for the cache.</exception>
    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (offset > VirtualLayout.MaxFileBytes - buffer.Length)
        {
            throw new PCacheFullException("The file would be longer than a file can be.");
        }

        WriteZeros(Length, offset);
        long end = offset + buffer.Length;
        Put(offset, buffer);
        if (end > Length)
        {
            WriteZeros(end, VirtualLayout.RoundUp(end));
            Length = end;
        }
    }

    /// <exception cref="ArgumentException">The transaction would be too large for the cache.</exception>
    public void SetLength(long length)
    {
        WriteZeros(Length, VirtualLayout.RoundUp(length));
        _longest = Math.Max(_longest, Length);
        Length = length;
    }

    /// <summary>Makes all of it true, and durable if that is asked for, or nothing. Ends the transaction.</summary>
    /// <exception cref="ArgumentException">It is too large for the cache. Nothing has changed.</exception>
    /// <exception cref="PCacheFullException">There was no room. Nothing has changed.</exception>
    /// <exception cref="IOException">It failed: all of it has happened, or nothing.</exception>
    public void Commit(bool durable)
    {
        if (_longest > Length && _written.Exists(range => range.To > VirtualLayout.RoundUp(Length)))
        {
            CutOff();
        }

        files.Commit(this, _batch, durable);
    }

    /// <summary>Without a commit: as if nothing had been written.</summary>
    public void Dispose() => _batch.Dispose();

    /// <summary>Takes what is behind the end out of the batch.</summary>
    private void CutOff()
    {
        AtomicBatch cut = device.BeginAtomic();
        var chunk = new byte[ChunkBytes];
        foreach ((long from, long to) in _written)
        {
            long end = Math.Min(to, VirtualLayout.RoundUp(Length));
            for (long at = from; at < end; at += chunk.Length)
            {
                Span<byte> part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, end - at));
                _ = _batch.Read(Start + at, part);
                cut.Write(Start + at, part);
            }
        }

        _batch.Dispose();
        _batch = cut;
    }

    private void WriteZeros(long from, long to)
    {
        if (from >= to)
        {
            return;
        }

        var zeros = new byte[(int)Math.Min(ChunkBytes, to - from)];
        for (; from < to; from += zeros.Length)
        {
            Put(from, zeros.AsSpan(0, (int)Math.Min(zeros.Length, to - from)));
        }
    }

    private void Put(long offset, ReadOnlySpan<byte> buffer)
    {
        _batch.Write(Start + offset, buffer);
        Span<(long From, long To)> written = CollectionsMarshal.AsSpan(_written);
        if (!written.IsEmpty && written[^1].To == offset)
        {
            written[^1].To = offset + buffer.Length;
        }
        else
        {
            _written.Add((offset, offset + buffer.Length));
        }
    }
}
