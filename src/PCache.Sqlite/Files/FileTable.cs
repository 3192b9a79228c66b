using System.Buffers.Binary;
using PCache.Core;

namespace PCache.Sqlite.Files;

/// <summary>
/// Which files exist and how long they are: the first sector of the virtual device. Keeps true: it fits a sector,
/// which is written whole or not at all; a file that doesn't exist has length 0. A value: changes make another one.
/// </summary>
internal readonly record struct FileTable(FileState Main, FileState Journal, FileState Wal)
{
    /// <summary>Length of the encoded table in bytes: one sector.</summary>
    public const int LengthBytes = 512;

    /// <summary>
    /// Behind the table, where the plain files are read: the first bytes of each file, its header. For the cache's
    /// fingerprint only; what is written there is ignored.
    /// </summary>
    public const int HeadsOffset = 64;

    /// <summary>Length in bytes of each head: that of a database's header.</summary>
    public const int HeadBytes = 100;

    private const ulong Magic = 0x3142415451534350; // "PCSQTAB1"
    private const int EntryBytes = 16;

    public FileState this[FileSlot slot] => slot switch
    {
        FileSlot.Main => Main,
        FileSlot.Journal => Journal,
        _ => Wal,
    };

    public FileTable With(FileSlot slot, FileState state) => slot switch
    {
        FileSlot.Main => this with { Main = state },
        FileSlot.Journal => this with { Journal = state },
        _ => this with { Wal = state },
    };

    public void Encode(Span<byte> sector)
    {
        sector[..LengthBytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(sector, Magic);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            FileState state = this[(FileSlot)i];
            Span<byte> entry = sector.Slice(16 + (i * EntryBytes), EntryBytes);
            BinaryPrimitives.WriteInt64LittleEndian(entry, state.Exists ? 1 : 0);
            BinaryPrimitives.WriteInt64LittleEndian(entry[8..], state.Length);
        }
    }

    /// <exception cref="PCacheCorruptionException">It isn't a table.</exception>
    public static FileTable Decode(ReadOnlySpan<byte> sector)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(sector) != Magic)
        {
            throw new PCacheCorruptionException(
                "The cache isn't that of a SQLite database: its first sector is no file table.");
        }

        var table = default(FileTable);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            ReadOnlySpan<byte> entry = sector.Slice(16 + (i * EntryBytes), EntryBytes);
            long exists = BinaryPrimitives.ReadInt64LittleEndian(entry);
            long length = BinaryPrimitives.ReadInt64LittleEndian(entry[8..]);
            if (exists is not (0 or 1) || length < 0 || length > VirtualLayout.MaxFileBytes
                || (exists == 0 && length != 0))
            {
                throw new PCacheCorruptionException($"The file table has impossible values for the {(FileSlot)i} file: "
                    + $"exists {exists}, length {length}.");
            }

            table = table.With((FileSlot)i, new FileState(exists == 1, length));
        }

        return table;
    }
}

/// <summary>One file of the table.</summary>
/// <param name="Exists">Whether it exists.</param>
/// <param name="Length">Its length in bytes.</param>
internal readonly record struct FileState(bool Exists, long Length)
{
    public static FileState Missing => default;
}

/// <summary>
/// Where the files are on the virtual device. Keeps true: ranges never overlap, and no stripe of the cache (4 MiB)
/// has parts of two files.
/// </summary>
internal static class VirtualLayout
{
    public const int SectorBytes = 512;

    /// <summary>Longest file: twice SQLite's own limit for databases.</summary>
    public const long MaxFileBytes = 1L << 49;

    /// <summary>Length of the device.</summary>
    public const long DeviceBytes = (FileSlots.Count + 1) * MaxFileBytes;

    /// <summary>First byte of a file.</summary>
    public static long Base(FileSlot slot) => ((int)slot + 1) * MaxFileBytes;

    /// <summary>The file that an offset behind the table's range belongs to.</summary>
    public static FileSlot SlotOf(long offset) => (FileSlot)((offset / MaxFileBytes) - 1);

    public static long RoundUp(long lengthBytes) => (lengthBytes + SectorBytes - 1) & -SectorBytes;
}
