using System.Buffers.Binary;

namespace PCache.Lab.Hostile;

/// <summary>
/// Bytes of the format made by hand. Keeps true: what comes out has right checksums; none of the engine's code is used.
/// </summary>
internal static class Forge
{
    public const ulong KsetMagic = 0x676894A64E164F1A;

    public static uint Get32(ReadOnlySpan<byte> image, long at) =>
        BinaryPrimitives.ReadUInt32LittleEndian(image[(int)at..]);

    public static ulong Get64(ReadOnlySpan<byte> image, long at) =>
        BinaryPrimitives.ReadUInt64LittleEndian(image[(int)at..]);

    /// <summary>Makes a structure's checksum right.</summary>
    public static void Seal(Span<byte> structure) =>
        BinaryPrimitives.WriteUInt32LittleEndian(structure, ModelReader.Sum(structure[4..]));

    /// <summary>A position's 16 bytes.</summary>
    public static byte[] Position(byte sequence, uint segment, uint offset)
    {
        byte[] bytes = new byte[16];
        bytes[4] = sequence;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), segment);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), offset);
        Seal(bytes);
        return bytes;
    }

    /// <summary>A generation's 16 bytes.</summary>
    public static byte[] Generation(byte sequence, ulong generation)
    {
        byte[] bytes = new byte[16];
        bytes[4] = sequence;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), generation);
        Seal(bytes);
        return bytes;
    }

    /// <summary>A segment info's 16 bytes.</summary>
    public static byte[] SegmentInfo(byte sequence, uint? next)
    {
        byte[] bytes = new byte[16];
        bytes[4] = sequence;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), next is null ? 2u : 3u);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), next ?? 0);
        Seal(bytes);
        return bytes;
    }

    /// <summary>A kset of keys.</summary>
    public static byte[] Kset(uint number, bool barrier, params ReadOnlySpan<ModelKey> keys)
    {
        byte[] bytes = new byte[24 + (40 * keys.Length)];
        PutHead(bytes, (uint)keys.Length, (barrier ? 2u : 0) | ((ulong)number << 32));
        for (int i = 0; i < keys.Length; i++)
        {
            PutKey(bytes.AsSpan(24 + (40 * i)), in keys[i]);
        }

        Seal(bytes);
        return bytes;
    }

    /// <summary>A last kset.</summary>
    public static byte[] Link(uint number, uint target)
    {
        byte[] bytes = new byte[24];
        PutHead(bytes, target, 1 | ((ulong)number << 32));
        Seal(bytes);
        return bytes;
    }

    private static void PutHead(Span<byte> bytes, uint count, ulong flags)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], count);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], KsetMagic);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], flags);
    }

    private static void PutKey(Span<byte> bytes, in ModelKey key)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, key.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], key.Bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], key.Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], key.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[20..], key.SegmentOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], key.Generation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], key.Crc);
    }
}
