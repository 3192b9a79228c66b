using System.Buffers.Binary;
using System.Security.Cryptography;

namespace PCache.Sqlite.Files;

/// <summary>
/// The rollback journal of a window, in SQLite's own format: plain SQLite takes the window back by itself.
/// </summary>
/// <remarks>
/// Keeps true: its header, without which it counts for nothing, is written only once all records are durable; on
/// return of <see cref="Write"/> journal and name are durable. A mark behind the header's fields, where SQLite keeps
/// nothing, tells it from the database's own.
/// </remarks>
internal static class WindowJournal
{
    private const int HeaderBytes = 512; // the sector size that it names
    private const int ChecksumStep = 200;
    private const int MarkOffset = 28;
    private const int ChunkBytes = 1 << 20;
    private const int RecordBytes = 8; // beside the page: its number, the checksum

    /// <summary>First byte of the page that holds the locks, and nothing else.</summary>
    private const long LockByte = 1L << 30;

    private static ReadOnlySpan<byte> Magic => [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

    private static ReadOnlySpan<byte> Mark => "PCSQWIN1"u8;

    /// <summary>Length in bytes of the journal of so many pages.</summary>
    public static long LengthOf(int pages, int pageSize) => HeaderBytes + ((long)pages * (pageSize + RecordBytes));

    /// <summary>The page size of the database; 0: it isn't one that is understood.</summary>
    public static int PageSizeOf(IFileStore store)
    {
        Span<byte> head = stackalloc byte[FileTable.HeadBytes];
        if (store.Read(FileSlot.Main, 0, head) < head.Length || !head.StartsWith("SQLite format 3\0"u8))
        {
            return 0;
        }

        int size = BinaryPrimitives.ReadUInt16BigEndian(head[16..]);
        size = size == 1 ? 65536 : size;
        return size >= 512 && (size & (size - 1)) == 0 && store.GetLength(FileSlot.Main) % size == 0 ? size : 0;
    }

    /// <summary>Writes what the pages have now, durably.</summary>
    public static void Write(IFileStore store, List<long> pages, int pageSize, WindowDefect defect)
    {
        uint nonce = BinaryPrimitives.ReadUInt32LittleEndian(RandomNumberGenerator.GetBytes(sizeof(uint)));
        store.Create(FileSlot.Journal);
        int stride = pageSize + RecordBytes;
        var chunk = new byte[Math.Max(1, Math.Min(pages.Count, ChunkBytes / stride)) * stride];
        long at = HeaderBytes;
        int filled = 0;
        uint records = 0;
        foreach (long page in pages)
        {
            if (page == LockByte / pageSize)
            {
                continue;
            }

            Span<byte> record = chunk.AsSpan(filled, stride);
            Span<byte> content = record.Slice(sizeof(uint), pageSize);
            BinaryPrimitives.WriteUInt32BigEndian(record, (uint)(page + 1));
            if (store.Read(FileSlot.Main, page * pageSize, content) < pageSize)
            {
                throw new IOException($"Page {page + 1} of the database couldn't be read whole.");
            }

            BinaryPrimitives.WriteUInt32BigEndian(record[(sizeof(uint) + pageSize)..], nonce + SumOf(content));
            filled += stride;
            records++;
            if (filled == chunk.Length)
            {
                store.Write(FileSlot.Journal, at, chunk);
                (at, filled) = (at + filled, 0);
            }
        }

        if (filled > 0)
        {
            store.Write(FileSlot.Journal, at, chunk.AsSpan(0, filled));
        }

        if (records > 0 && defect != WindowDefect.JournalNotFlushed)
        {
            store.Sync(FileSlot.Journal);
        }

        Span<byte> header = stackalloc byte[HeaderBytes];
        header.Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32BigEndian(header[8..], records);
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], nonce);
        BinaryPrimitives.WriteUInt32BigEndian(header[16..], (uint)(store.GetLength(FileSlot.Main) / pageSize));
        BinaryPrimitives.WriteUInt32BigEndian(header[20..], HeaderBytes);
        BinaryPrimitives.WriteUInt32BigEndian(header[24..], (uint)pageSize);
        Mark.CopyTo(header[MarkOffset..]);
        store.Write(FileSlot.Journal, 0, header);
        if (defect != WindowDefect.JournalNotFlushed)
        {
            store.Sync(FileSlot.Journal);
            store.SyncNames();
        }
    }

    /// <summary>
    /// Takes a window back, durably, if its journal is whole; removes the journal. The database's own is left alone.
    /// May be done again, however far it got.
    /// </summary>
    public static void TakeBack(IFileStore store)
    {
        if (!store.Exists(FileSlot.Journal))
        {
            return;
        }

        Span<byte> header = stackalloc byte[HeaderBytes];
        if (store.Read(FileSlot.Journal, 0, header) == HeaderBytes && header.StartsWith(Magic))
        {
            if (!header[MarkOffset..].StartsWith(Mark))
            {
                return; // the database's own, whatever the record says: SQLite takes it back
            }

            Restore(store, header);
        }

        store.Delete(FileSlot.Journal);
        store.SyncNames();
    }

    private static void Restore(IFileStore store, ReadOnlySpan<byte> header)
    {
        uint records = BinaryPrimitives.ReadUInt32BigEndian(header[8..]);
        uint nonce = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        long pages = BinaryPrimitives.ReadUInt32BigEndian(header[16..]);
        int pageSize = (int)BinaryPrimitives.ReadUInt32BigEndian(header[24..]);
        if (pageSize is < 512 or > 65536 || store.GetLength(FileSlot.Journal) < LengthOf((int)records, pageSize))
        {
            throw new IOException("The journal of a window that was being written back is damaged.");
        }

        var record = new byte[pageSize + RecordBytes];
        for (uint i = 0; i < records; i++)
        {
            _ = store.Read(FileSlot.Journal, HeaderBytes + (i * (long)record.Length), record);
            ReadOnlySpan<byte> content = record.AsSpan(sizeof(uint), pageSize);
            long page = BinaryPrimitives.ReadUInt32BigEndian(record) - 1L;
            if (BinaryPrimitives.ReadUInt32BigEndian(record.AsSpan(sizeof(uint) + pageSize)) != nonce + SumOf(content)
                || page < 0 || page >= pages)
            {
                throw new IOException("The journal of a window that was being written back is damaged.");
            }

            store.Write(FileSlot.Main, page * pageSize, content);
        }

        if (store.GetLength(FileSlot.Main) != pages * pageSize)
        {
            store.SetLength(FileSlot.Main, pages * pageSize);
        }

        store.Sync(FileSlot.Main);
    }

    private static uint SumOf(ReadOnlySpan<byte> page)
    {
        uint sum = 0;
        for (int i = page.Length - ChecksumStep; i > 0; i -= ChecksumStep)
        {
            sum += page[i];
        }

        return sum;
    }
}
