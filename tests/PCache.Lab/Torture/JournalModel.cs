using System.Buffers.Binary;

namespace PCache.Lab.Torture;

/// <summary>
/// A second reader of checkpoint journals, written from docs/on-media-format.md alone. Keeps true: shares no code with the library, not even the checksum; whatever
/// stands in the bytes, it says what they are and nothing more.
/// </summary>
internal static class JournalModel
{
    private const int HeaderBytes = 256;
    private const int RecordHeaderBytes = 16;
    private const int CommitBytes = 32;
    private const ulong HeaderMagic = 0x314C4E524A504350;
    private const ulong CommitMagic = 0x54494D4D4F435043;
    private const uint Seed = 0x0003B15A;

    private static readonly uint[] Table = MakeTable();

    /// <summary>What a whole journal writes; null: there is none.</summary>
    public static IReadOnlyList<(long Offset, byte[] Bytes)>? Read(ReadOnlySpan<byte> journal)
    {
        if (journal.Length < HeaderBytes)
        {
            return null;
        }

        ReadOnlySpan<byte> header = journal[..HeaderBytes];
        ulong length = U64(header, 64);
        ulong count = U64(header, 72);
        ulong total = U64(header, 80);
        bool isHeader = U32(header, 0) == Checksum(Seed, header[4..]) && U32(header, 4) == 1 && U64(header, 8) == HeaderMagic
            && U64(header, 32) > 0 && U32(header, 40) != 0 && total <= (ulong)journal.Length;
        if (!isHeader)
        {
            return null;
        }

        var records = new List<(long, byte[])>();
        uint headers = Checksum(Seed, header);
        ulong at = HeaderBytes;
        ulong end = 0;
        for (ulong i = 0; i < count; i++)
        {
            if (at + RecordHeaderBytes + CommitBytes > total)
            {
                return null;
            }

            ReadOnlySpan<byte> record = journal.Slice((int)at, RecordHeaderBytes);
            ulong offset = U64(record, 0);
            uint bytes = U32(record, 8);
            at += RecordHeaderBytes;
            if (bytes is 0 or > 1 << 20 || offset < end || offset + bytes > length || at + bytes + CommitBytes > total)
            {
                return null;
            }

            ReadOnlySpan<byte> payload = journal.Slice((int)at, (int)bytes);
            if (Checksum(Seed, payload) != U32(record, 12))
            {
                return null;
            }

            headers = Checksum(headers, record);
            records.Add(((long)offset, payload.ToArray()));
            at += bytes;
            end = offset + bytes;
        }

        if (at + CommitBytes != total)
        {
            return null;
        }

        ReadOnlySpan<byte> commit = journal.Slice((int)at, CommitBytes);
        return U32(commit, 0) == Checksum(Seed, commit[4..]) && U32(commit, 4) == headers && U64(commit, 8) == CommitMagic
            && U64(commit, 16) == U64(header, 32) && U64(commit, 24) == total
            ? records
            : null;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    private static uint Checksum(uint crc, ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            crc = (crc >> 8) ^ Table[(crc ^ value) & 0xFF];
        }

        return crc;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }

            table[i] = crc;
        }

        return table;
    }
}
