using System.IO.Hashing;
using PCache.Core.Primitives;

namespace PCache.Core.Layout;

/// <summary>
/// The checksum of the format's structures: CRC-32C with the format's start value, without inversion. Payload has the
/// same one, computed by <see cref="Crc32C"/>, which shares its kernels with the copy that stores payload. Keeps
/// true: both give the same value of the same bytes.
/// </summary>
internal static class StructureChecksum
{
    private static readonly Crc32ParameterSet Parameters = Crc32ParameterSet.Create(
        0x1EDC6F41, Crc32C.FormatSeed, 0, reflectValues: true);

    /// <summary>Of some bytes. Allocates nothing.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => Crc32.HashToUInt32(Parameters, bytes);

    /// <summary>Of two pieces, as if the second stood behind the first.</summary>
    public static uint Of(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var checksum = new Crc32(Parameters);
        checksum.Append(first);
        checksum.Append(second);
        return checksum.GetCurrentHashAsUInt32();
    }
}
