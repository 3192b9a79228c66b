using System.Buffers.Binary;

namespace PCache.Core.Tests.Support;

/// <summary>
/// Self-describing sectors: sector s of write w is 32 times the pair (w, s xor a constant), so that each sector read
/// tells which write it came from, and a torn one shows. All zero is write 0.
/// </summary>
internal static class Patterns
{
    public const int Sector = 512;
    private const ulong Mark = 0x5EC7_0A00_0000_0000;

    public static byte[] Make(long offset, int length, long writeId)
    {
        var bytes = new byte[length];
        Fill(bytes, offset, writeId);
        return bytes;
    }

    /// <summary>Fills whole sectors from a sector-aligned offset.</summary>
    public static void Fill(Span<byte> bytes, long offset, long writeId)
    {
        for (int at = 0; at < bytes.Length; at += 16)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes[at..], writeId);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(at + 8)..], Mark ^ (ulong)((offset + at) / Sector));
        }
    }

    /// <summary>The write id of a whole sector; -1 if it is torn or belongs elsewhere.</summary>
    public static long IdOf(ReadOnlySpan<byte> sector, long offset)
    {
        long id = BinaryPrimitives.ReadInt64LittleEndian(sector);
        if (id == 0 && sector.IndexOfAnyExcept((byte)0) < 0)
        {
            return 0;
        }

        ulong place = Mark ^ (ulong)(offset / Sector);
        for (int at = 0; at < sector.Length; at += 16)
        {
            if (BinaryPrimitives.ReadInt64LittleEndian(sector[at..]) != id
                || BinaryPrimitives.ReadUInt64LittleEndian(sector[(at + 8)..]) != place)
            {
                return -1;
            }
        }

        return id;
    }

    public static string Describe(ReadOnlySpan<byte> sector, long offset)
    {
        long id = IdOf(sector, offset);
        return id >= 0 ? $"write {id}"
            : $"torn ({Convert.ToHexString(sector[..16])} ... {Convert.ToHexString(sector[^16..])})";
    }
}
