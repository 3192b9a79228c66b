// Keeps true:
// * No store goes through the mapping: each is a system call on the descriptor, whose failure is an exception. On a
//   copy-on-write file system any store may need a new block, the second one to a page too, once the first has gone
//   to the disk; found full by a store into the mapping, the disk would end the process.
// * Reads go through the mapping, and see what was written: both are the page cache.
// * A checksum is that of exactly the bytes that were written, also where the source changes meanwhile.
using Microsoft.Win32.SafeHandles;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>A region over a mapped, locked file whose stores can fail.</summary>
internal sealed class DescriptorStoreRegion(
    SafeFileHandle file, FileMapping mapping, long lengthBytes, PmemFileOptions options, string path = "",
    FileMaking made = FileMaking.None)
    : MappedFileRegion(file, mapping, lengthBytes, options, path, made)
{
    private const int ChunkBytes = 64 << 10;
    private static readonly byte[] Zeros = new byte[ChunkBytes];

    [ThreadStatic]
    private static byte[]? _chunk;

    /// <inheritdoc/>
    /// <exception cref="IOException">There is no room for the change, or the medium failed; any part of it may have
    /// been stored.</exception>
    public override unsafe void Write(long offset, ReadOnlySpan<byte> source)
    {
        _ = Writable(offset, source.Length);
        Store(offset, source);
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">There is no room for the change, or the medium failed; any part of it may have
    /// been stored.</exception>
    public override unsafe uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        _ = Writable(offset, source.Length);
        byte[] chunk = _chunk ??= new byte[ChunkBytes];
        for (int done = 0; done < source.Length;)
        {
            int n = Math.Min(ChunkBytes, source.Length - done);
            source.Slice(done, n).CopyTo(chunk);
            crc = Crc32C.Append(crc, chunk.AsSpan(0, n));
            Store(offset + done, chunk.AsSpan(0, n));
            done += n;
        }

        return crc;
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">There is no room for the change, or the medium failed; any part of it may have
    /// been stored.</exception>
    public override unsafe void WriteZeros(long offset, long lengthBytes)
    {
        _ = Writable(offset, lengthBytes);
        for (long done = 0; done < lengthBytes;)
        {
            int n = (int)Math.Min(ChunkBytes, lengthBytes - done);
            Store(offset + done, Zeros.AsSpan(0, n));
            done += n;
        }
    }

    private void Store(long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(File, bytes, offset);
        }
        catch (IOException e) when (FileSpace.IsFull(e))
        {
            throw FileSpace.NoRoomForChanges(FilePath, e);
        }
    }
}
