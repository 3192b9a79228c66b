using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using PCache.Core.Pmem;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Recognition;

/// <summary>
/// What a cache knows durably of the plain files that it belongs to; its format is in docs/sqlite.md. Keeps true: a
/// record counts only whole (it has a SHA-256 of itself); it is never written over the latest one that is known to be
/// durable; it lies behind the last segment, where the engine never writes.
/// </summary>
internal sealed class FilesRecord
{
    /// <summary>Bytes at the end of a cache file that belong to records.</summary>
    public const int AreaBytes = Places * PlaceBytes;

    private const int Places = 4;
    private const int PlaceBytes = 2048;
    private const int ImagesOffset = 56;
    private const int PathOffset = ImagesOffset + (FileSlots.Count * FileImage.EncodedBytes);
    private const int HashOffset = PlaceBytes - SHA256.HashSizeInBytes;
    private const int MaxPathBytes = HashOffset - PathOffset;
    private const uint Version = 1;
    private const uint WindowVersion = 2; // a window's journal may be there: not for code that knows none
    private const int RedoOffset = 52;
    private const int SegmentsOffset = 20480; // of the on-media format
    private const long Alignment = 8;

    /// <summary>"PCSQREC1".</summary>
    private static ReadOnlySpan<byte> Magic => "PCSQREC1"u8;

    /// <summary>Goes up with each record of a cache.</summary>
    public ulong Sequence { get; init; }

    /// <summary>UUID of the cache that it was written for.</summary>
    public Guid CacheId { get; init; }

    /// <summary>Number of the database's file, and when that was made; zeros: not known.</summary>
    public FileStamp Database { get; init; }

    /// <summary>Path of the database, cut where it is too long: for messages.</summary>
    public string Path { get; init; } = "";

    /// <summary>The files.</summary>
    public FileImage[] Images { get; init; } = [];

    /// <summary>
    /// Number of the last kset of the last window that was begun: as long as the log has it, no window ends before.
    /// 0: none.
    /// </summary>
    public uint RedoTo { get; init; }

    /// <summary>Whether a window may be under way, with its journal.</summary>
    public bool IsWindow => Images.Length > 0 && Images[(int)FileSlot.Journal].IsWindow;

    /// <summary>
    /// A length of a cache file, at least the one wanted, that leaves room for records behind the segments.
    /// </summary>
    public static long LengthWithRoom(long lengthBytes, int segmentBytes)
    {
        lengthBytes = (lengthBytes + Alignment - 1) & -Alignment;
        long left = Math.Max(0, lengthBytes - SegmentsOffset) % segmentBytes;
        return left >= AreaBytes ? lengthBytes : lengthBytes + AreaBytes;
    }

    /// <summary>Whether a cache has that room.</summary>
    public static bool HasRoom(long lengthBytes, int segmentBytes, int segmentCount) =>
        SegmentsOffset + ((long)segmentBytes * segmentCount) <= (lengthBytes & -Alignment) - AreaBytes;

    /// <summary>The latest record; null where there is none.</summary>
    public static FilesRecord? TryRead(PmemRegion region)
    {
        FilesRecord? latest = null;
        if (region.LengthBytes < SegmentsOffset + AreaBytes)
        {
            return null;
        }

        var place = new byte[PlaceBytes];
        for (int i = 0; i < Places; i++)
        {
            region.ReadMetadata(PlaceOf(region, i), place);
            if (TryDecode(place) is { } record && (latest is null || record.Sequence > latest.Sequence))
            {
                latest = record;
            }
        }

        return latest;
    }

    /// <summary>Stores the record; it is durable after the next drain of the region.</summary>
    public void Write(PmemRegion region)
    {
        var place = new byte[PlaceBytes];
        Encode(place);
        long at = PlaceOf(region, (int)(Sequence % Places));
        region.Write(at, place);
        region.FlushRange(at, PlaceBytes);
    }

    private static long PlaceOf(PmemRegion region, int place) =>
        (region.LengthBytes & -Alignment) - AreaBytes + (place * PlaceBytes);

    private void Encode(Span<byte> target)
    {
        target.Clear();
        Magic.CopyTo(target);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], Sequence);
        _ = CacheId.TryWriteBytes(target[16..], bigEndian: true, out _);
        BinaryPrimitives.WriteUInt64LittleEndian(target[32..], Database.Inode);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], Database.BornNanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(target[48..], IsWindow ? WindowVersion : Version);
        BinaryPrimitives.WriteUInt32LittleEndian(target[RedoOffset..], RedoTo);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            Images[i].Encode(target[(ImagesOffset + (i * FileImage.EncodedBytes))..]);
        }

        // as much as fits
        Encoding.UTF8.GetEncoder().Convert(
            Path, target.Slice(PathOffset, MaxPathBytes), flush: true, out _, out _, out _);
        _ = SHA256.HashData(target[..HashOffset], target[HashOffset..]);
    }

    private static FilesRecord? TryDecode(ReadOnlySpan<byte> source)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        _ = SHA256.HashData(source[..HashOffset], hash);
        if (!source.StartsWith(Magic) || !hash.SequenceEqual(source[HashOffset..])
            || BinaryPrimitives.ReadUInt32LittleEndian(source[48..]) is not (Version or WindowVersion))
        {
            return null;
        }

        var images = new FileImage[FileSlots.Count];
        for (int i = 0; i < images.Length; i++)
        {
            images[i] = FileImage.Decode(source[(ImagesOffset + (i * FileImage.EncodedBytes))..]);
        }

        ReadOnlySpan<byte> path = source.Slice(PathOffset, MaxPathBytes);
        int end = path.IndexOf((byte)0);
        return new FilesRecord
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
            CacheId = new Guid(source.Slice(16, 16), bigEndian: true),
            Database = new FileStamp(
                BinaryPrimitives.ReadUInt64LittleEndian(source[32..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[40..]), 0),
            Path = Encoding.UTF8.GetString(end < 0 ? path : path[..end]),
            Images = images,
            RedoTo = BinaryPrimitives.ReadUInt32LittleEndian(source[RedoOffset..]),
        };
    }
}
