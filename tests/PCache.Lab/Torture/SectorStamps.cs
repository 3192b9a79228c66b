using System.Buffers.Binary;

namespace PCache.Lab.Torture;

/// <summary>
/// Self-describing sectors. Keeps true: each 16 bytes of a sector tell which write they come from and which sector they
/// belong to, so that a torn or misplaced one shows; all zero is write 0.
/// </summary>
internal static class SectorStamps
{
    public const int SectorBytes = 512;
    private const ulong Mark = 0x5EC7_0A00_0000_0000;

    /// <summary>The bytes of a write at any offset.</summary>
    public static byte[] Make(long offset, int length, long writeId)
    {
        long from = offset / SectorBytes * SectorBytes;
        int whole = (int)(((offset + length + SectorBytes - 1) / SectorBytes * SectorBytes) - from);
        var bytes = new byte[whole];
        for (int at = 0; at < whole; at += 16)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), writeId);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at + 8), Mark ^ (ulong)((from + at) / SectorBytes));
        }

        return bytes.AsSpan((int)(offset - from), length).ToArray();
    }

    /// <summary>What a sector holds, in words.</summary>
    public static string Describe(ReadOnlySpan<byte> sector)
    {
        if (!sector.ContainsAnyExcept((byte)0))
        {
            return "zeros";
        }

        var parts = new List<string>();
        for (int at = 0; at + 16 <= sector.Length; at += 16)
        {
            ReadOnlySpan<byte> piece = sector.Slice(at, 16);
            ulong place = BinaryPrimitives.ReadUInt64LittleEndian(piece[8..]) ^ Mark;
            string part = !piece.ContainsAnyExcept((byte)0) ? "zeros"
                : place < 1UL << 40 ? $"write {BinaryPrimitives.ReadInt64LittleEndian(piece)} of sector {place}"
                : Convert.ToHexString(piece);
            if (parts.Count == 0 || parts[^1] != part)
            {
                parts.Add(part);
            }
        }

        return string.Join(" | ", parts.Take(6));
    }
}
