using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Layout;

/// <summary>
/// The checksum of structures, from the platform's package, against that of payload, which is ours: the format has one.
/// </summary>
public sealed class StructureChecksumTests
{
    [Fact]
    public void Structures_and_payload_have_the_same_checksum()
    {
        var bytes = new byte[70_000];
        new Random(1).NextBytes(bytes);
        foreach (int length in (int[])[0, 1, 3, 4, 5, 20, 44, 68, 127, 128, 511, 512, 4092, 6164, 65_536, 70_000])
        {
            Assert.Equal(Crc32C.HashToUInt32(bytes.AsSpan(0, length)), StructureChecksum.Of(bytes.AsSpan(0, length)));
            Assert.Equal(
                Crc32C.HashToUInt32(bytes.AsSpan(0, length)),
                StructureChecksum.Of(bytes.AsSpan(0, length / 3), bytes.AsSpan(length / 3, length - (length / 3))));
        }
    }

    [Fact]
    public void It_allocates_nothing()
    {
        var bytes = new byte[512];
        StructureChecksum.Of(bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            StructureChecksum.Of(bytes);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
