using PCache.Core;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Lab.Hostile;

/// <summary>
/// Raised by a <see cref="GuardedRegion"/> when far more is read than any sound walk of such an image reads: an endless
/// loop, most likely.
/// </summary>
internal sealed class HostileLimitException(string message) : Exception(message);

/// <summary>
/// A region in guarded memory that it doesn't own. Keeps true: the old content of each page is kept before the first
/// store into it, so that <see cref="Undo"/> brings everything back; a store into a read-only region throws; so does
/// reading without end.
/// </summary>
internal sealed unsafe class GuardedRegion : PmemRegion
{
    private readonly Dictionary<long, byte[]> _before = [];
    private long _readableBytes;

    /// <param name="begin">First byte.</param>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="isReadOnly">Whether stores are forbidden.</param>
    /// <param name="readableBytes">How many bytes of metadata may be read before a loop is suspected.</param>
    public GuardedRegion(byte* begin, long lengthBytes, bool isReadOnly, long readableBytes)
        : base((nint)begin, lengthBytes, Persistence.Volatile, isPowerSafe: false, isReadOnly)
    {
        _readableBytes = readableBytes;
    }

    /// <summary>Whether a store changed anything since the last <see cref="Undo"/>.</summary>
    public bool Changed => _before.Count > 0;

    /// <summary>Brings back what was there before the first store.</summary>
    public void Undo()
    {
        foreach ((long page, byte[] bytes) in _before)
        {
            bytes.CopyTo(Bytes(page * GuardedMemory.PageBytes, bytes.Length));
        }

        _before.Clear();
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckStore(offset, source.Length);
        Keep(offset, source.Length);
        source.CopyTo(Bytes(offset, source.Length));
    }

    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        Write(offset, source);
        return Crc32C.Append(crc, Bytes(offset, source.Length));
    }

    public override void WriteZeros(long offset, long lengthBytes)
    {
        CheckStore(offset, lengthBytes);
        for (long at = offset; at < offset + lengthBytes;)
        {
            long end = Math.Min(offset + lengthBytes, (at / GuardedMemory.PageBytes * GuardedMemory.PageBytes)
                + GuardedMemory.PageBytes);
            Span<byte> part = Bytes(at, end - at);
            if (part.ContainsAnyExcept((byte)0))
            {
                Keep(at, end - at);
                part.Clear();
            }

            at = end;
        }
    }

    public override void FlushRange(long offset, long lengthBytes) => CheckRange(offset, lengthBytes);

    public override void Drain()
    {
    }

    public override void ReadMetadata(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        _readableBytes -= destination.Length + 64;
        if (_readableBytes < 0)
        {
            throw new HostileLimitException($"Metadata is read without end, now at {offset}.");
        }

        Bytes(offset, destination.Length).CopyTo(destination);
    }

    protected override void Dispose(bool disposing)
    {
    }

    private Span<byte> Bytes(long offset, long lengthBytes) => new(Memory + offset, checked((int)lengthBytes));

    private void CheckStore(long offset, long lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        if (IsReadOnly)
        {
            throw new InvalidOperationException($"A store of {lengthBytes} bytes at {offset} of a read-only region.");
        }
    }

    private void CheckRange(long offset, long lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || lengthBytes > LengthBytes - offset)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} of {LengthBytes}.");
        }
    }

    private void Keep(long offset, long lengthBytes)
    {
        int page = GuardedMemory.PageBytes;
        for (long i = offset / page; i * page < offset + lengthBytes; i++)
        {
            if (!_before.ContainsKey(i))
            {
                _before.Add(i, Bytes(i * page, Math.Min(page, LengthBytes - (i * page))).ToArray());
            }
        }
    }
}
